# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The application that the web server runs: the one that MLflow would run, in its bounds, with its Assistant closed.

The Assistant changes settings and runs commands on the server's host, for whoever seems to be on that host. It is there
only where somebody has asked for it, by the variable with which MLflow itself opens it to others.
"""

from __future__ import annotations

import importlib
import importlib.util
import ipaddress
import os
import types
from collections.abc import Callable

from starlette.responses import JSONResponse
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from mlflow_guard.serve.launch import WRAPPED

ASKED_FOR = "MLFLOW_ENABLE_REMOTE_ASSISTANT"
ASSISTANT = "mlflow.server.assistant"
REFUSED = {"detail": f"MLflow's Assistant is closed on this server; {ASKED_FOR}=true opens it."}


def _there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def assistant_prefix() -> str:
    """The path below which the Assistant answers; empty for a release of MLflow without it.

    An exception for one that has it elsewhere: what cannot be closed must not run.
    """
    if not _there(ASSISTANT):
        return ""
    router = importlib.import_module(f"{ASSISTANT}.api").assistant_router
    if not router.prefix or not all(route.path.startswith(f"{router.prefix}/") for route in router.routes):
        raise RuntimeError(
            f"the Assistant of this MLflow has paths outside of {router.prefix!r}, so it cannot be closed"
        )
    return importlib.import_module("mlflow.server.handlers")._add_static_prefix(router.prefix)


def is_asked_for() -> bool:
    """Whether the Assistant may answer."""
    variable = getattr(importlib.import_module("mlflow.environment_variables"), ASKED_FOR, None)
    return variable is not None and bool(variable.get())


class NotByProxy:
    """Whoever comes by a proxy is not on the server's own host, whatever the proxy passes on."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        if client and is_own_host(client[0]) and any(name == b"x-forwarded-for" for name, _value in scope["headers"]):
            scope = {**scope, "client": None}
        await self.app(scope, receive, send)


def is_own_host(text: str) -> bool:
    """Whether it is an address of this host to itself, also as IPv4 in IPv6."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def closed(app: ASGIApp) -> ASGIApp:
    """The application, with a refusal in the place of the Assistant. Hosts, origins and logins are checked before."""
    if is_asked_for():
        return NotByProxy(app)
    prefix = assistant_prefix()
    if prefix:
        routed(app).router.routes.insert(0, Mount(prefix, app=JSONResponse(REFUSED, status_code=403)))
    return app


def routed(app: ASGIApp) -> ASGIApp:
    """The application that has the routes, inside of whatever is put around it."""
    while not hasattr(app, "router"):
        if not hasattr(app, "app"):
            raise RuntimeError("the application has no routes, so the Assistant in it cannot be closed")
        app = app.app
    return app


def create() -> ASGIApp:
    """A factory, as uvicorn calls it."""
    # For everything that the process does from now on; it takes its folder for temporary files as well.
    from mlflow_guard.in_mlflow import web

    module, name = os.environ[WRAPPED].split(":", 1)
    found: ASGIApp | Callable[[], ASGIApp] = getattr(importlib.import_module(module), name)
    return closed(web.within_bounds(found() if isinstance(found, types.FunctionType) else found))
