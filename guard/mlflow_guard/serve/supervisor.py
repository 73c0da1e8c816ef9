# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The parent of the server: it passes signals on, drains, answers at the readiness endpoint, and ends with the server.

`begin` forks before anything large is loaded. The child is the start gate and then the web server; this process keeps
little more than the drivers that the endpoint needs.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlflow_guard import config as configuration
from mlflow_guard.config import Config, wrong
from mlflow_guard.in_mlflow import unfinished_uploads
from mlflow_guard.inspect import store
from mlflow_guard.serve import health, passwords, readiness_checks, temporary
from mlflow_guard.serve.launch import FOREIGN_VARIABLES
from mlflow_guard.serve.readiness import Endpoint, Readiness
from mlflow_guard.variables import (
    DRAINING_FILE,
    INVALID,
    READINESS_PORT,
    TRUSTED_PROXIES,
    readiness_port,
    seconds_from,
    trusted_proxies,
)

STOPS = {signal.SIGTERM, signal.SIGINT}
SIGNALS = STOPS | {signal.SIGCHLD}
TIMEOUT, DRAIN = "MLFLOW_GUARD_READINESS_TIMEOUT", "MLFLOW_GUARD_DRAIN_SECONDS"


@dataclass(frozen=True)
class Settings:
    """What the environment says about the endpoint and the end."""

    port: int
    timeout: float
    drain: float


def settings_for(config: Config) -> Settings:
    """The settings, or a Problem with the variable that is wrong."""
    try:
        port = readiness_port()
    except ValueError as error:
        raise wrong(READINESS_PORT, str(error), code=INVALID) from None
    try:
        trusted_proxies()
    except ValueError as error:
        raise wrong(TRUSTED_PROXIES, str(error), code=INVALID) from None
    # A port that is no number is MLflow's own to refuse.
    with contextlib.suppress(ValueError):
        if port and port == health.place(list(config.argv))[1]:
            remedy = "choose another one, or 0 to switch it off"
            raise wrong(READINESS_PORT, f"{port} is the server's own port", remedy, INVALID)
    return Settings(port, seconds_from(TIMEOUT, 2, 0.5, 30), seconds_from(DRAIN, 0, 0, 3600))


@dataclass
class Child:
    """What the child's side of the fork needs."""

    problem: Exception | None
    channel: int

    def announce(self, seen: dict) -> None:
        """Tell the supervisor that the server starts now, and what the gate saw. The channel closes with exec."""
        os.write(self.channel, json.dumps(seen).encode() + b"\n")


class Supervisor:
    """The parent's side."""

    def __init__(
        self, child: int, channel: int, config: Config | None, settings: Settings | None, readiness: Readiness, say
    ) -> None:
        self.child, self.channel, self.config, self.settings = child, channel, config, settings
        self.readiness, self.say = readiness, say
        self.announced = threading.Event()
        self.told = False

    def listen(self) -> None:
        """Wait for the gate's announcement; nothing comes from a gate that refuses."""
        with os.fdopen(self.channel, "rb") as channel:
            line = channel.readline()
            if not line:
                return
            self.announced.set()
            # The channel ends when the server has taken the gate's place. A signal that the gate had taken at that
            # moment went with it.
            channel.read()
        if self.told:
            self._stop()
        destination = store.open_destination(self.config.artifacts)
        if isinstance(destination, store.Folder):
            self._beside("uploads", unfinished_uploads.keep_swept, str(destination.path), self.say)
        self._beside("passwords", passwords.follow, self.config, Path(tempfile.gettempdir()), self.say)
        if self.settings.port:
            seconds = self.settings.timeout
            self.readiness.serving(
                readiness_checks.all_looks(self.config, json.loads(line), seconds, self.say), seconds
            )

    @staticmethod
    def _beside(name: str, work: Callable[..., None], *arguments: object) -> None:
        threading.Thread(target=work, args=arguments, name=name, daemon=True).start()

    def run(self) -> int:
        """Until the child has ended; the exit code."""
        threading.Thread(target=self.listen, daemon=True).start()
        end = None
        while True:
            number = self._next(end)
            if number == signal.SIGCHLD:
                status = self._reaped()
                if status is not None:
                    return self._ended(os.waitstatus_to_exitcode(status))
            elif number in STOPS and not self.readiness.draining and self.announced.is_set() and self.settings.drain:
                self.readiness.draining = True
                tell_workers(draining=True)
                end = time.monotonic() + self.settings.drain
                self.say(f"draining for {self.settings.drain:g} s ({DRAIN}); another signal ends it")
            else:
                # The time is over, it was cut short, or there is none.
                self.readiness.draining = True
                end = None
                self._stop()

    @staticmethod
    def _next(end: float | None) -> int | None:
        """The next signal; None when the time is over."""
        if end is None:
            return signal.sigwait(SIGNALS)
        found = signal.sigtimedwait(SIGNALS, max(0.0, end - time.monotonic()))
        return None if found is None else found.si_signo

    def _stop(self) -> None:
        self.told = True
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.child, signal.SIGTERM)

    def _reaped(self) -> int | None:
        """Take all ended children, as the first process of a container must; the status of the one that counts."""
        found = None
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return found
            if pid == 0:
                return found
            if pid == self.child:
                found = status

    def _ended(self, code: int) -> int:
        """The exit code that tells an orderly end from any other. Workers must not outlive their parent."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.child, signal.SIGKILL)
        how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
        if not self.announced.is_set():
            return code if code >= 0 else 128 - code
        if self.told and (code == 0 or -code in STOPS):
            return 0
        self.say(
            f"the web server was told to stop and ended with {how}"
            if self.told
            else f"the web server ended without having been told to, with {how}"
        )
        return 1


def tell_workers(draining: bool) -> None:
    """Processes that the web server has started see it by a file. Without one they serve all the same."""
    with contextlib.suppress(OSError, KeyError):
        if draining:
            open(os.environ[DRAINING_FILE], "w").close()
        else:
            os.environ[DRAINING_FILE] = os.path.join(tempfile.gettempdir(), f"mlflow-guard-draining-{os.getpid()}")
            os.unlink(os.environ[DRAINING_FILE])


def begin(path: str, say) -> Child:
    """Fork. Comes back in the child only; the parent ends with it."""
    config = settings = endpoint = problem = None
    readiness = Readiness()
    temporary.claim()
    try:
        config = configuration.load(path)
        settings = settings_for(config)
        if settings.port:
            endpoint = Endpoint(settings.port, readiness)
    except OSError as error:
        problem = wrong(READINESS_PORT, f"port {settings.port} is not free: {error.strerror}", "choose another one")
    except Exception as error:
        # The child gives all answers, so it gives this one.
        problem = error
    tell_workers(draining=False)
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.close(reader)
        if endpoint:
            endpoint.server_close()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        return Child(problem, writer)
    os.close(writer)
    with contextlib.suppress(OSError):
        os.setpgid(child, child)
    for name in FOREIGN_VARIABLES:
        os.environ.pop(name, None)
    if endpoint:
        endpoint.start()
    code = Supervisor(child, reader, config, settings, readiness, say).run()
    temporary.release()
    # Its number may be another process's next time.
    tell_workers(draining=False)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
