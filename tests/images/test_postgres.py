# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract of the PostgreSQL image, which is that of the official one."""

from __future__ import annotations

import threading
import time

import psycopg2
import pytest

from .conftest import HOSTILE, ROOT, run, until

# As a deployment runs it.
HARDENED = (
    *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--user", "999:999"),
    *("--tmpfs", "/tmp", "--tmpfs", "/run/postgresql"),
)


@pytest.fixture
def image(images) -> str:
    return images["postgres"]["reference"]


@pytest.fixture
def scripts(tmp_path):
    """A folder for /docker-entrypoint-initdb.d that every user may read."""
    folder = tmp_path / "scripts"
    folder.mkdir()
    folder.chmod(0o755)
    return folder


def connect(container, password: str, user: str = "owner", database: str = "mlflow"):
    return psycopg2.connect(host=container.address, user=user, password=password, dbname=database, connect_timeout=3)


def ready(container) -> None:
    def check() -> bool:
        if not container.state["Running"]:
            raise AssertionError(f"the container stopped:\n{container.logs}")
        return container.exec("pg_isready", "-q", "-U", "postgres", "-h", "127.0.0.1", check=False).returncode == 0

    until(check, "PostgreSQL answers")


def query(container, password: str, statement: str, **where):
    connection = connect(container, password, **where)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else None
    finally:
        connection.close()


def environment(**variables: str) -> tuple[str, ...]:
    return tuple(word for name, value in variables.items() for word in ("--env", f"{name}={value}"))


def test_hardened_with_a_hostile_password_file_scripts_and_arguments(image, start, volume, scripts, tmp_path):
    (scripts / "10-table.sql").write_text("CREATE TABLE made_by_sql (n int);\nINSERT INTO made_by_sql VALUES (42);\n")
    (scripts / "20-shell.sh").write_text(
        'psql -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "CREATE TABLE made_by_sh (n int)"\n'
    )
    password = tmp_path / "password"
    password.write_text(HOSTILE + "\n")
    container = start(
        image,
        *("postgres", "-c", "max_connections=37"),
        options=(
            *HARDENED,
            *(
                "--volume",
                f"{volume}:/var/lib/postgresql/data",
                "--volume",
                f"{scripts}:/docker-entrypoint-initdb.d:ro",
            ),
            *("--volume", f"{password}:/run/secrets/password:ro"),
            *environment(POSTGRES_USER="owner", POSTGRES_DB="mlflow", POSTGRES_PASSWORD_FILE="/run/secrets/password"),
            *environment(POSTGRES_INITDB_ARGS='--data-checksums --encoding="UTF8" --auth-host=scram-sha-256'),
        ),
    )
    ready(container)
    assert query(container, HOSTILE, "SHOW max_connections") == [("37",)]
    assert query(container, HOSTILE, "SHOW data_checksums") == [("on",)]
    assert query(container, HOSTILE, "SHOW server_encoding") == [("UTF8",)]
    assert query(container, HOSTILE, "SELECT n FROM made_by_sql") == [(42,)]
    assert query(container, HOSTILE, "SELECT count(*) FROM made_by_sh") == [(0,)]
    assert query(
        container, HOSTILE, "SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname = 'owner'"
    ) == [(True,)]
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        connect(container, HOSTILE + "x")
    # Neither the processes' environment nor the log gives the password away.
    assert HOSTILE not in container.exec("sh", "-c", "cat /proc/1/environ; cat /proc/1/cmdline").stdout
    assert HOSTILE not in container.logs
    # Nothing of the making is left, and the data is the user's own.
    listing = container.exec("ls", "-A", "/var/lib/postgresql/data").stdout
    assert ".initdb" not in listing
    assert "PG_VERSION" in listing
    assert container.exec("stat", "-c", "%u:%g %a", "/var/lib/postgresql/data").stdout == "999:999 700\n"

    # A second start keeps the data, and neither password nor scripts are looked at again.
    query(container, HOSTILE, "UPDATE made_by_sql SET n = 43")
    run("docker", "restart", container.name)
    ready(container)
    assert query(container, HOSTILE, "SELECT n FROM made_by_sql") == [(43,)]


def test_defaults_of_the_official_image(image, start):
    container = start(image, options=environment(POSTGRES_PASSWORD="secret"))
    ready(container)
    assert query(container, "secret", "SHOW server_version_num", user="postgres", database="postgres")[0][0].startswith(
        "15"
    )
    assert query(container, "secret", "SHOW lc_collate", user="postgres", database="postgres") == [("en_US.utf8",)]
    for program in ("psql", "pg_isready", "pg_dump", "pg_restore", "initdb"):
        container.exec("which", program)


def test_options_without_the_program_are_the_servers(image, start):
    container = start(image, "-c", "max_connections=21", options=environment(POSTGRES_PASSWORD="secret"))
    ready(container)
    assert query(container, "secret", "SHOW max_connections", user="postgres", database="postgres") == [("21",)]


def test_other_commands_run_as_they_are(image):
    assert "PostgreSQL) 15" in run("docker", "run", "--rm", image, "postgres", "--version").stdout
    assert run("docker", "run", "--rm", image, "id", "-u").stdout == "999\n"


def test_started_as_root_it_steps_down(image, start, volume):
    container = start(
        image,
        options=(
            "--user",
            "root",
            "--volume",
            f"{volume}:/var/lib/postgresql/data",
            *environment(POSTGRES_PASSWORD="secret"),
        ),
    )
    ready(container)
    assert container.exec("stat", "-c", "%u", "/proc/1").stdout == "999\n"


def test_a_user_id_without_a_name(image, start):
    container = start(
        image,
        options=(
            *("--user", "12345:12345", "--tmpfs", "/var/lib/postgresql/data:uid=12345,gid=12345,mode=0700"),
            *environment(POSTGRES_PASSWORD="secret"),
        ),
    )
    ready(container)
    assert query(container, "secret", "SELECT 1", user="postgres", database="postgres") == [(1,)]


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({}, "POSTGRES_PASSWORD is empty and there is no database yet"),
        (
            {"POSTGRES_PASSWORD": "a", "POSTGRES_PASSWORD_FILE": "/etc/passwd"},
            "both POSTGRES_PASSWORD and POSTGRES_PASSWORD_FILE are set",
        ),
        (
            {"POSTGRES_PASSWORD_FILE": "/run/secrets/nowhere"},
            "POSTGRES_PASSWORD_FILE names /run/secrets/nowhere, which user 999 cannot read",
        ),
        ({"POSTGRES_PASSWORD": "a\nb"}, "POSTGRES_PASSWORD holds a line break"),
        ({"POSTGRES_PASSWORD": "a", "POSTGRES_INITDB_ARGS": "--no-such-option"}, "initdb failed"),
        ({"POSTGRES_PASSWORD": "a", "PGDATA": "/proc/nowhere"}, "PGDATA is /proc/nowhere, which user 999 cannot make"),
        (
            {"POSTGRES_PASSWORD": "a", "PGDATA": "/usr/share/postgresql"},
            "PGDATA is /usr/share/postgresql, in which user 999 cannot write",
        ),
    ],
)
def test_what_it_refuses(image, start, variables, reason):
    container = start(image, options=environment(**variables))
    assert container.wait() != 0
    assert reason in container.logs


def test_scripts_that_cannot_be_read_are_not_passed_over(image, start, scripts):
    (scripts / "a.sql").write_text("CREATE TABLE a (n int);\n")
    scripts.chmod(0o700)
    container = start(
        image,
        options=("--volume", f"{scripts}:/docker-entrypoint-initdb.d:ro", *environment(POSTGRES_PASSWORD="secret")),
    )
    assert container.wait() != 0
    assert "/docker-entrypoint-initdb.d cannot be read by user 999" in container.logs


def test_a_foreign_directory_is_left_alone(image, start, volume):
    mount = ("--volume", f"{volume}:/var/lib/postgresql/data")
    run("docker", "run", "--rm", *mount, "--entrypoint", "touch", image, "/var/lib/postgresql/data/precious")
    container = start(image, options=(*mount, *environment(POSTGRES_PASSWORD="secret")))
    assert container.wait() != 0
    assert "holds precious but no PostgreSQL database" in container.logs
    assert (
        run("docker", "run", "--rm", *mount, "--entrypoint", "ls", image, "/var/lib/postgresql/data").stdout
        == "precious\n"
    )


def test_a_first_start_killed_at_any_moment_is_recovered(image, start, volume):
    options = (
        *HARDENED,
        *(
            "--volume",
            f"{volume}:/var/lib/postgresql/data",
            *environment(POSTGRES_USER="owner", POSTGRES_DB="mlflow", POSTGRES_PASSWORD="secret"),
        ),
    )
    for number in range(8):
        container = start(image, options=options)
        time.sleep(0.15 + number * 0.25)
        run("docker", "kill", container.name, check=False)
        run("docker", "rm", "--force", container.name)
    container = start(image, options=options)
    ready(container)
    assert query(container, "secret", "SELECT current_database()") == [("mlflow",)]
    assert ".initdb" not in container.exec("ls", "-A", "/var/lib/postgresql/data").stdout


@pytest.mark.parametrize("moved", ["nothing", "some", "all but the version"])
def test_an_interrupted_move_is_finished(image, start, volume, moved):
    """The last step of the first start renames some twenty entries; stopped anywhere, it goes on where it was."""
    options = ("--volume", f"{volume}:/var/lib/postgresql/data", *environment(POSTGRES_PASSWORD="secret"))
    first = start(image, options=options)
    ready(first)
    query(first, "secret", "CREATE TABLE kept (n int)", user="postgres", database="postgres")
    run("docker", "stop", first.name)
    back = {"nothing": "*", "some": "PG_VERSION base global pg_wal", "all but the version": "PG_VERSION"}[moved]
    script = f"cd /var/lib/postgresql/data && mkdir -m 700 .initdb && mv {back} .initdb/ && touch .initdb-complete"
    run(
        "docker",
        "run",
        "--rm",
        "--volume",
        f"{volume}:/var/lib/postgresql/data",
        "--entrypoint",
        "sh",
        image,
        "-c",
        script,
    )
    second = start(image, options=options)
    ready(second)
    assert "finishing the first start" in second.logs
    assert query(second, "secret", "SELECT count(*) FROM kept", user="postgres", database="postgres") == [(0,)]


def test_a_failed_script_fails_the_start_and_the_next_start_begins_anew(image, start, volume, scripts):
    (scripts / "a.sql").write_text("CREATE TABLE once (n int);\nSELECT 1/0;\n")
    options = (
        *("--volume", f"{volume}:/var/lib/postgresql/data", "--volume", f"{scripts}:/docker-entrypoint-initdb.d:ro"),
        *environment(POSTGRES_PASSWORD="secret"),
    )
    first = start(image, options=options)
    assert first.wait() != 0
    assert "division by zero" in first.logs
    (scripts / "a.sql").write_text("CREATE TABLE once (n int);\n")
    second = start(image, options=options)
    ready(second)
    assert query(second, "secret", "SELECT count(*) FROM once", user="postgres", database="postgres") == [(0,)]


def test_the_making_of_the_database_does_not_look_healthy(image, start, scripts):
    """A health check must not see the private server that runs the scripts."""
    (scripts / "slow.sql").write_text("SELECT pg_sleep(4);\n")
    container = start(
        image,
        options=("--volume", f"{scripts}:/docker-entrypoint-initdb.d:ro", *environment(POSTGRES_PASSWORD="secret")),
    )
    until(lambda: "slow.sql" in container.logs, "the script runs")
    assert container.exec("pg_isready", "-q", check=False).returncode != 0
    assert container.exec("pg_isready", "-q", "-h", "127.0.0.1", check=False).returncode != 0
    ready(container)


def test_stop_does_not_wait_for_clients(image, start):
    container = start(image, options=environment(POSTGRES_PASSWORD="secret"))
    ready(container)
    connection = connect(container, "secret", user="postgres", database="postgres")
    connection.cursor().execute("CREATE TABLE open_transaction (n int)")
    run("docker", "stop", "--time", "30", container.name)
    # One that waits is killed after its 30 s, and has another code.
    assert container.state["ExitCode"] == 0
    assert "database system is shut down" in container.logs
    connection.close()


def test_a_signal_during_the_making_stops_it(image, start, scripts):
    (scripts / "slow.sql").write_text("SELECT pg_sleep(60);\n")
    container = start(
        image,
        options=("--volume", f"{scripts}:/docker-entrypoint-initdb.d:ro", *environment(POSTGRES_PASSWORD="secret")),
    )
    until(lambda: "slow.sql" in container.logs, "the script runs")
    run("docker", "stop", "--time", "50", container.name)
    # Neither made to its end nor killed when the 50 s were over.
    assert container.state["ExitCode"] not in (0, 137)


def test_nothing_in_it_that_it_does_not_need(image):
    script = "for p in perl python3 apt-get gcc; do command -v $p; done; find / -xdev -perm /6000 -type f;"
    script += "ls -d /build /var/lib/apt /usr/share/doc"
    done = run("docker", "run", "--rm", "--entrypoint", "sh", image, "-c", script, check=False)
    assert done.stdout == ""


def test_many_connections_at_once(image, start):
    """Server and entry point stand a crowd of clients up to max_connections."""
    container = start(image, "-c", "max_connections=30", options=environment(POSTGRES_PASSWORD="secret"))
    ready(container)
    failures: list[Exception] = []

    def work() -> None:
        try:
            assert query(
                container,
                "secret",
                "SELECT sum(n) FROM generate_series(1, 1000) n",
                user="postgres",
                database="postgres",
            ) == [(500500,)]
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_every_password_becomes_the_one_in_its_file(image, start, volume, tmp_path):
    """The image sets the superuser's at its very first start only; what the role runs in it sets all of them."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    secrets.chmod(0o755)
    roles = {"superuser": "postgres", "owner": "mlflow_owner", "server": "mlflow_server"}

    def give(passwords: dict[str, str]) -> None:
        for name, password in passwords.items():
            (secrets / f"postgres_{name}_password").write_text(password)

    def provision() -> list[str]:
        script = (ROOT / "roles/postgres/files/provision.sh").read_text()
        return run("docker", "exec", "-i", container.name, "sh", "-s", input=script).stdout.splitlines()

    def log_in(name: str, password: str) -> None:
        database = "postgres" if name == "superuser" else "mlflow"
        connect(container, password, user=roles[name], database=database).close()

    first = {name: f"first {HOSTILE} {name}" for name in roles}
    give(first)
    container = start(
        image,
        options=(
            *HARDENED,
            *("--volume", f"{volume}:/var/lib/postgresql/data", "--volume", f"{secrets}:/run/secrets:ro"),
            *environment(POSTGRES_PASSWORD_FILE="/run/secrets/postgres_superuser_password"),
            *environment(POSTGRES_INITDB_ARGS="--auth-local=trust --auth-host=scram-sha-256"),
            *environment(POSTGRES_OWNER="mlflow_owner", POSTGRES_SERVER="mlflow_server", POSTGRES_DATABASES="mlflow"),
        ),
    )
    ready(container)
    assert "set the password of mlflow_owner" in provision()
    assert provision() == []
    second = {name: f"second {HOSTILE} {name}" for name in roles}
    give(second)
    assert provision() == [f"set the password of {role}" for role in roles.values()]
    for name in roles:
        log_in(name, second[name])
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            log_in(name, first[name])
    assert HOSTILE not in container.logs
