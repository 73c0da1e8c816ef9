# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Whether the code that a shorter way passes by is to the letter what it was when that way was written.

A name says little: a middleware of the same name may refuse requests. So all code that is not run any more is compared,
each function and class with what it calls, and where one differs, its part of the shorter ways is not used. The sources
are read as files and nothing is imported, so `check` can tell as well, and the server's memory stays free of them.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import re
from functools import lru_cache
from pathlib import Path

from mlflow_guard.answer import Answer, finding
from mlflow_guard.in_mlflow import parts

APPLICATION = "mlflow.server.fastapi_app"
STORE = "mlflow.store.tracking.sqlalchemy_store"
MODELS = "mlflow.store.tracking.dbmodels.models"
BETWEEN = ("starlette.middleware.base", ("_CachedRequest", "BaseHTTPMiddleware", "_StreamingResponse"))
ROUTED = ("mlflow.server.asgi_utils", ("get_routed_asgi_path",))

# Part -> modules and what of them is not run, or is relied on.
PARTS: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "gateway_timing_middleware": (
        (APPLICATION, ("add_gateway_timing_middleware",)),
        ROUTED,
        BETWEEN,
    ),
    "workspace_context_middleware": (
        (APPLICATION, ("add_fastapi_workspace_middleware",)),
        ("mlflow.server.workspace_helpers", ("resolve_workspace_for_request_if_enabled",)),
        ROUTED,
        BETWEEN,
    ),
    "_EfficientWSGIMiddleware": (
        (APPLICATION, ("_EfficientWSGIResponder", "_EfficientWSGIMiddleware")),
        ("starlette.middleware.wsgi", ("WSGIResponder",)),
    ),
    "metrics": (
        (
            STORE,
            tuple(
                f"SqlAlchemyStore.{name}"
                for name in (
                    "_get_query",
                    "_get_run",
                    "_check_run_is_active",
                    "_log_metrics",
                    "_log_metrics_once",
                    "_log_model_metrics",
                    "_log_params",
                    "_set_tags",
                    "_update_latest_metrics_if_necessary",
                    "log_batch",
                    "log_metric",
                    "sanitize_metric_value",
                )
            ),
        ),
        (MODELS, ("SqlMetric", "SqlLatestMetric")),
        ("mlflow.entities.metric", ("Metric",)),
    ),
}
# Their fingerprints in the release that the shorter ways were written for.
KNOWN = {
    "gateway_timing_middleware": "b2d9d65c551527f4a98e46e9ee0100681dac66084ef434e7c51f9faa17f28dbe",
    "workspace_context_middleware": "50ece91019f2adb80cb8ebc590d5e77e64f1bad4dc3206e0a221fbe90f293026",
    "_EfficientWSGIMiddleware": "01fadeaa5cb3af8e30909af5322c98e903f2ba233a9619f3e4ca179cf23f16f8",
    "metrics": "bc000067f7d6f98f643ec5ce3e256d3772ce5c24b057b25657a6f8e0735b4c1e",
}


@lru_cache
def file_of(module: str) -> Path:
    """The source of a module, which is not imported. ModuleNotFoundError, where there is none."""
    package, *inside = module.split(".")
    spec = importlib.util.find_spec(package)
    for location in (spec.submodule_search_locations or []) if spec else []:
        path = Path(location, *inside).with_suffix(".py")
        if path.is_file():
            return path
    raise ModuleNotFoundError(module)


@lru_cache
def lines_of(module: str) -> list[str]:
    """The lines of its source, until `forget`."""
    return file_of(module).read_text(encoding="utf-8").splitlines(keepends=True)


def forget() -> None:
    """The sources of a large module are not kept."""
    lines_of.cache_clear()


def find(lines: list[str], name: str) -> tuple[int, str]:
    """Where a function or class begins, with what decorates it, and its text. LookupError if it is not there.

    The name may be that of one inside of another, as `Class.method`.
    """
    number, indent = -1, -1
    for part in name.split("."):
        wanted = re.compile(rf"( *)(?:async )?(?:def|class) {part}\b")
        there = ((at, wanted.match(lines[at])) for at in range(number + 1, len(lines)))
        number, indent = next(((at, len(it[1])) for at, it in there if it and len(it[1]) > indent), (-1, 0))
        if number < 0:
            raise LookupError(name)
    while number and lines[number - 1].startswith(" " * indent + "@"):
        number -= 1
    return number + 1, "".join(inspect.getblock(lines[number:]))


def fingerprint(part: str) -> str:
    """What identifies the code of a part; empty where there are no sources, of which nothing is known."""
    digest = hashlib.sha256()
    try:
        for module, names in PARTS[part]:
            for name in names:
                digest.update(f"{module}.{name}\n{find(lines_of(module), name)[1]}".encode())
    except (OSError, LookupError, ModuleNotFoundError, SyntaxError):
        return ""
    return digest.hexdigest()


def is_known(part: str) -> bool:
    """Whether the code of a part is the known one."""
    return fingerprint(part) == KNOWN[part]


def unknown() -> list[str]:
    """The parts whose code is another one here."""
    try:
        return [part for part in PARTS if not is_known(part)]
    finally:
        forget()


def tell(answer: Answer) -> None:
    """Say which of the shorter ways are not used, and which parts were switched off."""
    answer.facts["longer_ways"] = unknown()
    answer.facts["disabled_parts"] = parts.disabled()
    if answer.facts["longer_ways"]:
        names = ", ".join(answer.facts["longer_ways"])
        answer.add(finding("code-unknown", "image", f"the code of MLflow's {names} is not the known one"))


def is_written_at(function: object, module: str, name: str) -> bool:
    """Whether a function is the one in the source, and not another that has taken its place and perhaps its name."""
    code = getattr(function, "__code__", None)
    try:
        first, _text = find(lines_of(module), name)
    except (OSError, LookupError, ModuleNotFoundError):
        return False
    return code is not None and (code.co_filename, code.co_firstlineno) == (str(file_of(module)), first)
