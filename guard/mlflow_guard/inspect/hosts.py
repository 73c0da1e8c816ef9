# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Finds out which hosts of a database listen, well within the time of a check. Only the standard library."""

from __future__ import annotations

import queue
import socket
import threading
import time
from dataclasses import dataclass, field

from mlflow_guard.answer import Problem
from mlflow_guard.config import PORTS, Database

REACH_SECONDS = 2.4
# How much longer the other hosts are waited for when one has answered.
GRACE_SECONDS = 1.0
# Of several reasons the one that is told: what may be everything is worse than what is known.
ORDER = ("database-timeout", "database-port-closed", "database-host-unknown")


@dataclass
class Way:
    """Hosts that listen with an address of each, in the order given, and what is wrong with the others."""

    reached: list[tuple[str, str]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def names(self) -> str:
        """As libpq takes them."""
        return ",".join(host for host, _address in self.reached)

    @property
    def addresses(self) -> str:
        """As libpq takes them."""
        return ",".join(address for _host, address in self.reached)


def resolve(host: str, port: int, seconds: float) -> list:
    """The addresses of a host name. The system's resolver knows no time-out, so it runs beside."""
    result: list = []

    def look_up() -> None:
        try:
            result.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            result.append(error)

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(seconds)
    if not result:
        raise TimeoutError
    if isinstance(result[0], Exception):
        raise result[0]
    return result[0]


def reach_one(name: str, host: str, port: int, seconds: float, every: bool = False) -> list[str]:
    """An address of the host that listens, or every one that does. `name` is where it stands in the configuration."""
    argument, end = f"{name}.host", time.monotonic() + seconds
    try:
        addresses = resolve(host, port, seconds)
    except TimeoutError:
        raise Problem(
            "database-host-unknown", argument, f"the name {host!r} did not resolve within {seconds:g} s"
        ) from None
    except (OSError, UnicodeError):
        raise Problem("database-host-unknown", argument, f"the name {host!r} does not resolve") from None
    failures: list[OSError] = []
    found: list[str] = []
    for family, kind, protocol, _name, address in addresses:
        with socket.socket(family, kind, protocol) as attempt:
            attempt.settimeout(max(0.3, (end - time.monotonic()) / len(addresses)))
            try:
                attempt.connect(address)
                found.append(address[0])
            except OSError as error:
                failures.append(error)
        if found and not every:
            break
    if found:
        return found
    argument = f"{name}.port"
    if any(isinstance(error, ConnectionRefusedError) for error in failures):
        raise Problem("database-port-closed", argument, f"{host} refuses connections to port {port}")
    if any(isinstance(error, TimeoutError) for error in failures):
        raise Problem("database-timeout", argument, f"{host} does not answer on port {port}")
    raise Problem("database-port-closed", argument, f"{host}:{port} cannot be reached: {failures[0].strerror}")


def _reach_several(name: str, hosts: list[str], port: int, seconds: float, grace: float, every: bool) -> Way:
    """Try all of them at once: one that is dead must not take the time of the others."""
    answers: queue.SimpleQueue = queue.SimpleQueue()

    def attempt(position: int) -> None:
        try:
            answers.put((position, reach_one(name, hosts[position], port, seconds, every)))
        except Problem as problem:
            answers.put((position, problem))

    for position in range(len(hosts)):
        threading.Thread(target=attempt, args=(position,), daemon=True).start()
    found: dict[int, list[str] | Problem] = {}
    # Whoever tries ends by itself in about these seconds.
    end = time.monotonic() + seconds + 1
    while len(found) < len(hosts):
        try:
            position, answer = answers.get(timeout=max(0.01, end - time.monotonic()))
        except queue.Empty:
            break
        found[position] = answer
        if isinstance(answer, list):
            end = min(end, time.monotonic() + grace)
    listening = {position: each for position, each in sorted(found.items()) if isinstance(each, list)}
    reached = [(hosts[position], address) for position, addresses in listening.items() for address in addresses]
    problems = [each for _position, each in sorted(found.items()) if isinstance(each, Problem)]
    silent = [f"{host} does not answer on port {port}" for position, host in enumerate(hosts) if position not in found]
    said = [each.finding["found"] for each in problems] + silent
    if reached:
        return Way(reached, said)
    codes = {each.finding["code"] for each in problems} | ({"database-timeout"} if silent else set())
    code = next(each for each in ORDER if each in codes)
    raise Problem(code, f"{name}.host", f"none of the hosts can be reached: {'; '.join(said)}")


def reach(database: Database, seconds: float = REACH_SECONDS, grace: float = GRACE_SECONDS) -> Way | None:
    """The way to the database; None for a local socket or a file, which need none."""
    hosts = [host.strip() for host in database.host.split(",")]
    if database.dialect == "sqlite" or any(host.startswith("/") for host in hosts):
        return None
    port = database.port or PORTS[database.dialect]
    # A name may have the addresses of a primary and of its replicas, and libpq is to choose.
    every = "target_session_attrs" in database.query
    if len(hosts) == 1 or database.dialect != "postgresql":
        found = reach_one(database.address, database.host, port, seconds, every)
        return Way([(database.host, address) for address in found])
    return _reach_several(database.address, hosts, port, seconds, grace, every)
