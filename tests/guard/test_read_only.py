# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""A database that takes no writes: a real replica, and settings that make sessions read-only."""

from __future__ import annotations

import pytest
import servers
from conftest import OWNER, SERVER


@pytest.fixture(scope="module")
def replica(scratch, cluster):
    server = servers.start_replica(scratch, cluster.server)
    yield server
    server.stop()


def caught_up(cluster, replica) -> None:
    """Wait until the replica has all that the primary has."""
    behind = "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn < pg_current_wal_lsn()"
    servers.wait_until(lambda: cluster.execute(behind) == [(0,)], "the replica")


COMMANDS = [
    ["check", "--skip-store"],
    ["schema", "--mode", "upgrade", "--dry-run", "--skip-store"],
    ["schema"],
    ["serve"],
]


@pytest.mark.slow
@pytest.mark.parametrize("template", ["head", "empty"])
def test_a_replica(deploy, cluster, replica, template):
    deployment = deploy(cluster.head() if template == "head" else "template0")
    if template == "head":
        assert deployment.run("schema", "--mode", "initialize").code == 0
    caught_up(cluster, replica)
    deployment.config["backend_store"]["port"] = replica.port
    for answer in deployment.run_all(*COMMANDS, ["schema", "--mode", "initialize"]):
        found = answer.finding("database-replica")
        assert found["argument"] == "backend_store.host"
        assert "primary" in found["remedy"]
        assert not answer.document["changed"] or answer.document["command"] != "schema"
        # Waiting may help: a replica is promoted at a failover.
        assert (answer.code, answer.errors()) == (4, {"database-replica"}) or template == "empty", answer.document
        assert answer.code in (3, 4)


CASES = [
    *(
        (
            name,
            f"ALTER ROLE {role} SET default_transaction_read_only = on",
            f"ALTER ROLE {role} RESET ALL",
            {name},
        )
        for name, role in (("owner", OWNER), ("server", SERVER))
    ),
    (
        "database",
        "ALTER DATABASE {0} SET default_transaction_read_only = on",
        "ALTER DATABASE {0} RESET ALL",
        {"owner", "server"},
    ),
    (
        "owner in the database",
        f"ALTER ROLE {OWNER} IN DATABASE {{0}} SET default_transaction_read_only = on",
        f"ALTER ROLE {OWNER} IN DATABASE {{0}} RESET ALL",
        {"owner"},
    ),
    (
        "whole server",
        "ALTER SYSTEM SET default_transaction_read_only = on",
        "ALTER SYSTEM RESET default_transaction_read_only",
        {"owner", "server"},
    ),
]


@pytest.mark.parametrize(("spoil", "mend", "who"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_sessions_that_are_read_only_by_a_setting(ready, cluster, spoil, mend, who):
    # ALTER SYSTEM and its reload are no transaction, and work under the very setting that they take away.
    writable = "SET default_transaction_read_only = off"
    arguments = {f"backend_store.{name}" for name in who}
    try:
        cluster.execute(spoil.format(ready.database), "SELECT pg_reload_conf()")
        # A server whose own sessions may write would start.
        check, *steps = ready.run_all(*(COMMANDS if "server" in who else COMMANDS[:-1]))
        assert check.errors() == ({"role-read-only"} if "server" in who else set())
        for answer in steps:
            found = {each["argument"] for each in answer.document["findings"] if each["code"] == "role-read-only"}
            expected = arguments if answer.document["command"] == "schema" else {"backend_store.server"}
            assert (answer.code, answer.errors(), found) == (3, {"role-read-only"}, expected), answer.document
    finally:
        cluster.execute(writable, mend.format(ready.database), "SELECT pg_reload_conf()")
    answer = ready.run("check")
    assert (answer.code, answer.codes) == (0, set()), answer.document
