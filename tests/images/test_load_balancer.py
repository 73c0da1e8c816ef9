# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy with what the role load_balancer plans, before servers that break when they are told to (http_backend.py)."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import secrets
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from .conftest import LABEL, Role, run, until

SERVERS = ("alpha", "beta")
AT_ONCE = 3  # requests that a server with one worker is given in the tests
STORE = {"host": "store", "port": 8333, "bucket": "mlflow"}
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
API = "/api/2.0/mlflow/runs/get"
MIB = 2**20
# Other ways to say who the client is. To a WSGI application a `_` is a `-`.
SPOOFED = [
    "X-Forwarded-For: 203.0.113.9",
    "x-forwarded-for: 127.0.0.1",
    "X_FORWARDED_FOR: 127.0.0.1",
    "X-Forwarded_For: ::1",
    "X-Forwarded-Proto: https",
    "X_Forwarded_Proto: https",
    "X-Forwarded-Host: evil.example",
    "X-Forwarded-Port: 443",
    "X-Forwarded-Prefix: /evil",
    "X-Forwarded-Server: evil.example",
    "X-Forwarded: for=127.0.0.1",
    'Forwarded: for="[::1]";proto=https',
    "FORWARDED: for=127.0.0.1",
    "X-Real-IP: 127.0.0.1",
    "X_Real_Ip: 127.0.0.1",
    "X-Client-IP: 127.0.0.1",
    "Client-IP: 127.0.0.1",
    "True-Client-IP: 127.0.0.1",
    "X-Cluster-Client-IP: 127.0.0.1",
]
# What comes from a trusted proxy, and the client; None for the proxy itself.
SEEN = {
    "nothing": ([], None),
    "one": (["203.0.113.9"], "203.0.113.9"),
    "a forged one before it": (["127.0.0.1, 203.0.113.9"], "203.0.113.9"),
    "a header before it": (["127.0.0.1", "203.0.113.9"], "203.0.113.9"),
    "several of both": (["127.0.0.1", "::1, 10.0.0.9", "198.51.100.2,203.0.113.9"], "203.0.113.9"),
    "a second proxy": (["127.0.0.1, 203.0.113.9, 10.7.7.7"], "203.0.113.9"),
    "a proxy by IPv6": (["127.0.0.1, 203.0.113.9, fd00::7"], "203.0.113.9"),
    "a proxy by IPv4 in IPv6": (["127.0.0.1, 203.0.113.9, ::ffff:10.7.7.7"], "203.0.113.9"),
    "five more proxies": (["198.51.100.1, 10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, 10.0.0.5, 10.0.0.6"], "10.0.0.2"),
    "with a port": (["203.0.113.9:5123"], "203.0.113.9"),
    "IPv6": (["::1, 2001:db8::9"], "2001:db8::9"),
    "IPv6 in brackets": (["203.0.113.9, [2001:db8::9]:443"], None),
    "own host": (["127.0.0.1"], None),
    "own host, another": (["203.0.113.9, 127.8.8.8"], None),
    "own host with a port": (["127.0.0.1:80"], None),
    "own host by IPv6": (["::1"], None),
    "own host by IPv4 in IPv6": (["::ffff:127.0.0.1"], None),
    "own host behind a proxy": (["127.0.0.1, 10.7.7.7"], "10.7.7.7"),
    "no address": (["203.0.113.9, 0.0.0.0"], None),
    "unknown": (["203.0.113.9, unknown"], None),
    "no word": (["203.0.113.9,"], None),
    "no word behind a proxy": (["203.0.113.9, , 10.7.7.7"], "10.7.7.7"),
    "not an address behind a proxy": (["203.0.113.9, x, 10.7.7.7"], "10.7.7.7"),
    "a number": (["203.0.113.9, 2130706433"], None),
}

# What the role is given, each once in the same run of Ansible. A server that comes back has its full share at once, so
# that no test has to wait for it.
VARIANTS = {
    "tests": {
        "load_balancer_object_store": STORE,
        "load_balancer_slow_start_seconds": 0,
        "load_balancer_requests_per_worker": AT_ONCE,
    },
    # What comes from outside of Docker's networks comes by one of their gateways, so everybody is a proxy here.
    "trusted": {
        "load_balancer_trusted_proxies": ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fd00::/8"],
        "load_balancer_slow_start_seconds": 0,
    },
    "defaults": {},
    "one-server": {"load_balancer_servers": [{"name": "alpha"}], "load_balancer_requests_per_worker": 0},
    "three-servers": {
        "load_balancer_servers": [{"name": f"mlflow-server-{zone}1", "zone": zone, "workers": 4} for zone in "abc"],
        "load_balancer_networks": ["zone-a", "zone-b", "zone-c"],
        "load_balancer_object_store": STORE,
        "load_balancer_trusted_proxies": ["10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "::1"],
        "load_balancer_requests_per_worker": 1,
    },
    "least": {
        "load_balancer_check_interval_ms": 100,
        "load_balancer_slow_start_seconds": 0,
        "load_balancer_timeout_seconds": 1,
        "load_balancer_queue_timeout_seconds": 1,
        "load_balancer_stop_seconds": 1,
        "load_balancer_statistics_port": 1024,
    },
    "most": {
        "load_balancer_requests_per_worker": 1000,
        "load_balancer_check_interval_ms": 60000,
        "load_balancer_slow_start_seconds": 600,
        "load_balancer_timeout_seconds": 86400,
        "load_balancer_queue_timeout_seconds": 3600,
        "load_balancer_stop_seconds": 3600,
        "load_balancer_statistics_port": 65535,
        "load_balancer_public_address": "::1",
    },
}


@dataclass(frozen=True)
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def document(self):
        return json.loads(self.body)

    @property
    def server(self) -> str:
        """The server that gave this answer."""
        return self.document["server"]


def ask(address: tuple[str, int], method: str, path: str, body=None, headers=None, timeout: float = 20) -> Reply:
    connection = http.client.HTTPConnection(*address, timeout=timeout)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return Reply(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Deployment:
    """The planned service in a Compose project with the servers alpha and beta and a store."""

    def __init__(self, plan: dict, image: str, folder: Path):
        self.name = f"lbt-{secrets.token_hex(4)}"
        self.file = folder / "compose.json"
        for file in plan["files"]:
            path = folder / file["path"]
            path.parent.mkdir(parents=True)
            path.write_text(file["content"])
            path.chmod(int(file["mode"], 8))
        ports = {**dict.fromkeys(SERVERS, 5000), "store": 8333}
        services = {name: self.backend(name, port, image) for name, port in ports.items()}
        services["load-balancer"] = plan["compose"]["services"]["load-balancer"]
        self.file.write_text(json.dumps({**plan["compose"], "services": services}))
        self.public = ("127.0.0.1", int(services["load-balancer"]["ports"][0].split(":")[1]))

    @staticmethod
    def backend(name: str, port: int, image: str) -> dict:
        program = Path(__file__).with_name("http_backend.py")
        return {
            "image": image,
            "entrypoint": ["python3", "/http_backend.py", name, str(port)],
            "volumes": [f"{program}:/http_backend.py:ro"],
            "networks": ["backend"],
            "labels": [LABEL],
            "stop_signal": "SIGKILL",
        }

    def compose(self, *words: str, check: bool = True):
        return run("docker", "compose", "--project-name", self.name, "--file", str(self.file), *words, check=check)

    def up(self) -> None:
        self.compose("up", "--detach")
        until(lambda: self.checks() == dict.fromkeys(SERVERS, "UP"), "both servers are in use", 20)

    def inspect(self, service: str = "load-balancer") -> dict:
        return json.loads(run("docker", "inspect", f"{self.name}-{service}-1").stdout)[0]

    def address(self, service: str) -> str:
        networks = self.inspect(service)["NetworkSettings"]["Networks"]
        return networks[f"{self.name}_backend"]["IPAddress"]

    def ask(self, method: str, path: str, **options) -> Reply:
        return ask(self.public, method, path, **options)

    def many(self, count: int, method: str, path: str) -> list[Reply]:
        """Requests at the same time."""
        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(lambda _: self.ask(method, path), range(count)))

    def private(self, path: str) -> Reply:
        return ask((self.address("load-balancer"), 8404), "GET", path)

    def checks(self, *backends: str) -> dict[str, str]:
        """Server -> its state, once it was looked at. One in use is left out while a look at it fails.

        The backends look for themselves; where they do not agree the states of both are given.
        """
        try:
            rows = [line.split(",") for line in self.private("/stats;csv").body.decode().splitlines()]
        except OSError:
            return {}
        backends = backends or ("api", "artifacts")
        servers = [row for row in rows if row[0] in backends and row[1] in SERVERS]
        # A star says that the next look is under way.
        states = [(row[1], row[17]) for row in servers if row[17] != "UP" or row[36].removeprefix("* ") == "L7OK"]
        found = {name: [state for server, state in states if server == name] for name in SERVERS}
        return {name: "/".join(sorted(set(each))) for name, each in found.items() if len(each) == len(backends)}

    def order(self, server: str, what: str) -> None:
        ask((self.address(server), 5001), "GET", f"/set?{what}")

    def requests(self, mark: str, *servers: str) -> list[dict]:
        """What came to the servers with this mark in its path."""
        found = []
        for server in servers or SERVERS:
            found += ask((self.address(server), 5001), "GET", "/requests").document
        return [request for request in found if mark in request["path"]]

    @property
    def log(self) -> str:
        return run("docker", "logs", f"{self.name}-load-balancer-1").stdout

    def restore(self) -> None:
        for server in SERVERS:
            self.order(server, "ready=200&store=200&listen=1")
        until(lambda: self.checks() == dict.fromkeys(SERVERS, "UP"), "both servers are in use again", 20)

    def down(self) -> None:
        self.compose("down", "--volumes", "--timeout", "0", check=False)


@pytest.fixture(scope="module")
def plans(images, tmp_path_factory) -> dict[str, dict]:
    """What the role plans for each of the variants."""
    folder = tmp_path_factory.mktemp("plans")
    role = Role(folder)
    tasks = []
    for name, variables in VARIANTS.items():
        variables = {
            "load_balancer_image": images["load_balancer"]["reference"],
            "load_balancer_servers": [{"name": server} for server in SERVERS],
            "load_balancer_public_port": free_port(),
            **variables,
        }
        for step in ("validate", "render"):
            include = {"name": "mlops.mlflow.load_balancer", "tasks_from": step}
            tasks.append({"ansible.builtin.include_role": include, "vars": variables})
        collected = f"{{{{ plans | default({{}}) | combine({{'{name}': load_balancer_plan}}) }}}}"
        tasks.append({"ansible.builtin.set_fact": {"plans": collected}})
    answer = folder / "plans.json"
    content = "{{ plans | to_json }}"
    tasks.append({"ansible.builtin.copy": {"dest": str(answer), "content": content, "mode": "0600"}})
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
    role.playbook.write_text(json.dumps([play]))
    role()
    return json.loads(answer.read_text())


@pytest.fixture(scope="module")
def deploy(plans, images, tmp_path_factory):
    deployed: list[Deployment] = []

    def deployer(variant: str) -> Deployment:
        folder = tmp_path_factory.mktemp(variant)
        deployed.append(Deployment(plans[variant], images["mlflow_server"]["reference"], folder))
        deployed[-1].up()
        return deployed[-1]

    yield deployer
    for deployment in deployed:
        deployment.down()


@pytest.fixture(scope="module")
def shared(deploy) -> Deployment:
    return deploy("tests")


@pytest.fixture
def balancer(shared):
    """The deployment that most tests share, as it was, whatever the last one did to its servers."""
    yield shared
    shared.restore()


@pytest.fixture
def mark() -> str:
    """Part of a path by which the requests of one test are found."""
    return secrets.token_hex(6)


@pytest.mark.parametrize("variant", VARIANTS)
def test_haproxy_accepts_the_configuration(images, plans, variant, tmp_path):
    (file,) = plans[variant]["files"]
    path = tmp_path / "haproxy.cfg"
    path.write_text(file["content"])
    path.chmod(0o644)
    # Names that cannot be looked up would be warnings.
    names = set(re.findall(r"^    server (\S+)", file["content"], re.MULTILINE))
    hosts = [f"--add-host={name}:127.0.0.1" for name in names]
    options = ("--rm", "--network=none", f"--volume={path}:/haproxy.cfg:ro", "--entrypoint=haproxy", *hosts)
    done = run("docker", "run", *options, images["load_balancer"]["reference"], "-c", "-f", "/haproxy.cfg")
    said = done.stdout + done.stderr
    assert "Configuration file is valid" in said
    assert not re.search(r"WARNING|ALERT", said), said


def test_the_container_may_do_nothing_more_than_it_needs(shared):
    host = shared.inspect()["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    container = f"{shared.name}-load-balancer-1"
    status = run("docker", "exec", container, "cat", "/proc/1/status").stdout
    assert re.search(r"^Uid:\t99\t99\t99\t99$", status, re.MULTILINE)
    assert re.search(r"^Gid:\t99\t99\t99\t99$", status, re.MULTILINE)
    for kind in ("CapPrm", "CapEff", "CapBnd"):
        assert re.search(rf"^{kind}:\t0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE)
    assert "Read-only" in run("docker", "exec", container, "bash", "-c", "echo > /x", check=False).stderr


def test_the_health_check_of_the_plan_passes(shared):
    until(lambda: shared.inspect()["State"]["Health"]["Status"] == "healthy", "the container is healthy", 20)


def test_requests_go_to_both_servers(balancer):
    replies = balancer.many(20, "GET", API)
    assert {reply.status for reply in replies} == {200}
    assert {reply.server for reply in replies} == set(SERVERS)
    assert balancer.ask("HEAD", API).status == 200


def test_a_server_that_is_not_ready_is_out_within_seconds(balancer):
    balancer.order("alpha", "ready=503&reason=database:+no+answer,+2+s")
    until(lambda: balancer.checks().get("alpha") == "DOWN", "alpha is out")
    # With the time, and with what the server itself says.
    form = r"^\d{4}-\d\d-\d\dT\S+ Server api/alpha is DOWN, reason: .*code: 503 database: no answer, 2 s"
    assert re.search(form, balancer.log, re.MULTILINE)
    assert {reply.server for reply in balancer.many(10, "GET", API)} == {"beta"}
    assert {reply.server for reply in balancer.many(10, "GET", f"{ARTIFACTS}/x")} == {"beta"}


def test_no_server_is_ready(balancer):
    for server in SERVERS:
        balancer.order(server, "ready=503")
    until(lambda: set(balancer.checks().values()) == {"DOWN"}, "both servers are out")
    for path in (API, f"{ARTIFACTS}/x"):
        reply = balancer.ask("GET", path)
        assert reply.status == 503
        assert reply.headers["Content-Type"] == "application/json"
        assert reply.headers["Retry-After"] == "1"
        assert reply.document["error_code"] == "TEMPORARILY_UNAVAILABLE"
        assert "No MLflow server" in reply.document["message"]


def test_without_the_store_all_goes_on_but_artifacts(balancer):
    for server in SERVERS:
        balancer.order(server, "store=503&reason=the+store+is+away")
    until(lambda: set(balancer.checks("artifacts").values()) == {"DOWN"}, "no server takes artifacts")
    assert balancer.checks("api") == dict.fromkeys(SERVERS, "UP")
    assert {reply.server for reply in balancer.many(10, "GET", API)} == set(SERVERS)
    for path in (f"{ARTIFACTS}/x", f"{ARTIFACTS}?path=x", "/api/2.0/mlflow/artifacts/list?run_id=x", "/get-artifact"):
        reply = balancer.ask("GET", path)
        assert (reply.status, reply.headers["Retry-After"]) == (503, "1"), path
        assert "artifact store" in reply.document["message"]
    assert "the store is away" in balancer.log
    # One that reaches it takes them all.
    balancer.order("beta", "store=200")
    until(lambda: balancer.checks("artifacts").get("beta") == "UP", "beta takes artifacts again")
    assert {reply.server for reply in balancer.many(6, "GET", f"{ARTIFACTS}/x")} == {"beta"}


@pytest.mark.parametrize("framing", ["Content-Length: 2000", "Transfer-Encoding: chunked"])
def test_a_call_takes_no_place_before_it_is_whole(balancer, mark, framing):
    """More clients than places send half of a call. Others get their answer, and so do they with the other half."""
    head = f"POST {API}?{mark} HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n"
    begin, rest = (
        (b"x" * 1000, b"x" * 1000)
        if "Length" in framing
        else (b"7d0\r\n" + b"x" * 1000, b"x" * 1000 + b"\r\n0\r\n\r\n")
    )
    clients = [socket.create_connection(balancer.public, timeout=10) for _ in range(4 * AT_ONCE)]
    try:
        for client in clients:
            client.sendall(head.encode() + begin)
        time.sleep(0.5)
        assert {reply.status for reply in balancer.many(6, "GET", API)} == {200}
        assert not balancer.requests(mark)
        for client in clients:
            client.sendall(rest)
            assert client.recv(12) == b"HTTP/1.1 200"
        assert len(balancer.requests(mark)) == len(clients)
    finally:
        for client in clients:
            client.close()


HANG_SECONDS = 60


def hang(
    balancer, mark: str, method: str = "GET", path: str = API, seconds: int = HANG_SECONDS
) -> tuple[threading.Thread, list]:
    """A request that alpha works on; gives the thread and where its answer will be. Beta answers at once."""
    for attempt in range(10):
        path_here = f"{path}?do=sleep&at=alpha&seconds={seconds}&{mark}-{attempt}"
        answers: list[Reply] = []
        thread = threading.Thread(target=lambda: answers.append(balancer.ask(method, path_here, timeout=90)))  # noqa: B023
        thread.daemon = True
        thread.start()
        (arrived,) = until(lambda: balancer.requests(f"{mark}-{attempt}"), "the request reached a server")  # noqa: B023
        if arrived["server"] == "alpha":
            return thread, answers
        thread.join(5)
    raise AssertionError("alpha was given none of ten requests")


def test_a_draining_server_finishes_and_gets_nothing_new(balancer, mark):
    thread, answers = hang(balancer, mark, seconds=4)
    balancer.order("alpha", "ready=404")
    until(lambda: re.fullmatch("NOLB[ 0-9/]*", balancer.checks().get("alpha", "")), "alpha drains")
    assert {reply.server for reply in balancer.many(10, "GET", API)} == {"beta"}
    assert thread.is_alive()
    thread.join(10)
    assert answers[0].status == 200
    assert answers[0].server == "alpha"


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", API, 200), ("POST", API, 502), ("PUT", f"{ARTIFACTS}/x", 502)]
)
def test_nothing_hangs_on_a_server_that_went_down(balancer, mark, method, path, status):
    """A read is asked of the other server; a write is cut, since it may have been carried out."""
    thread, answers = hang(balancer, mark, method, path)
    balancer.order("alpha", "ready=503")
    thread.join(HANG_SECONDS / 2)
    assert answers, "the client was left hanging"
    assert answers[0].status == status


@pytest.mark.parametrize("path", [API, f"{ARTIFACTS}/x"])
def test_a_write_that_reached_a_server_is_never_sent_again(balancer, mark, path):
    with ThreadPoolExecutor(8) as pool:
        places = [f"{path}?do=close&at=alpha&{mark}-{number}" for number in range(8)]
        replies = list(pool.map(lambda place: balancer.ask("POST", place, body=b"{}"), places))
    for number, reply in enumerate(replies):
        (arrived,) = balancer.requests(f"{mark}-{number}")
        if arrived["server"] == "alpha":
            assert reply.status == 502
            assert reply.headers["Content-Type"] == "application/json"
            assert "went away" in reply.document["message"]
        else:
            assert reply.status == 200
    assert {reply.status for reply in replies} == {200, 502}


@pytest.mark.parametrize("path", [API, f"{ARTIFACTS}/x"])
def test_a_read_without_an_answer_is_asked_of_the_other_server(balancer, mark, path):
    replies = [balancer.ask("GET", f"{path}?do=close&at=alpha&{mark}") for _ in range(6)]
    assert {(reply.status, reply.server) for reply in replies} == {(200, "beta")}
    assert balancer.requests(mark, "alpha")


@pytest.mark.parametrize("path", [API, f"{ARTIFACTS}/x"])
def test_a_write_that_could_not_connect_goes_to_the_other_server(balancer, mark, path):
    balancer.order("alpha", "listen=0")
    replies = [balancer.ask("POST", f"{path}/{mark}", body=b"{}") for _ in range(6)]
    assert {(reply.status, reply.server) for reply in replies} == {(200, "beta")}
    assert len(balancer.requests(mark)) == 6
    # Else nothing was tried: the load balancer had noticed.
    lines = until(lambda: len(found := re.findall(rf".*{mark}.*", balancer.log)) == 6 and found, "all are logged")
    assert any(re.search(r"/beta .* \d+/\d+/\+\d+ ", line) for line in lines), lines


def test_half_an_answer_is_an_error_and_not_a_broken_answer(balancer, mark):
    reply = balancer.ask("POST", f"{API}?do=half&{mark}", body=b"{}")
    assert reply.status == 502
    assert reply.document["error_code"] == "TEMPORARILY_UNAVAILABLE"
    assert len(balancer.requests(mark)) == 1


def seen_of(deployment: Deployment, *lines: str) -> dict[str, list[str]]:
    """What a server is told of who the client is, after a request with these header lines as they are."""
    with socket.create_connection(deployment.public, 20) as connection:
        request = [f"GET {API} HTTP/1.1", "Host: localhost", "Connection: close", *lines, "", ""]
        connection.sendall("\r\n".join(request).encode())
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        found: dict[str, list[str]] = {}
        for name, value in json.loads(answer.read())["headers"]:
            if re.search("forwarded|real|client", name.lower()):
                found.setdefault(name.lower(), []).append(value)
        return found


def gateway(deployment: Deployment) -> str:
    return deployment.inspect()["NetworkSettings"]["Networks"][f"{deployment.name}_public"]["Gateway"]


def test_what_a_client_says_of_itself_is_dropped(balancer):
    told = {
        "x-forwarded-for": [gateway(balancer)],
        "x-forwarded-proto": ["http"],
        "x-forwarded-port": [str(balancer.public[1])],
    }
    for lines in ([], SPOOFED, *([line] for line in SPOOFED)):
        assert seen_of(balancer, *lines) == told, lines


def test_a_trusted_proxy_says_who_the_client_is(deploy):
    deployment = deploy("trusted")
    own = gateway(deployment)
    for what, (values, client) in SEEN.items():
        seen = seen_of(deployment, *SPOOFED[2:4], *(f"X-Forwarded-For: {value}" for value in values))
        assert seen["x-forwarded-for"] == [client or own], what
    lines = [*SPOOFED, "X-Forwarded-For: 203.0.113.9, 198.51.100.3", "X-Forwarded-Proto: http,  https"]
    assert seen_of(deployment, *lines) == {
        "x-forwarded-for": ["198.51.100.3"],
        "x-forwarded-proto": ["https"],
        "x-forwarded-host": ["evil.example"],
        "x-forwarded-port": ["443"],
        "x-forwarded-prefix": ["/evil"],
    }
    # The load balancer's own host is not the servers'.
    request = f"GET {API} HTTP/1.0\r\n\r\n"
    program = 'exec 3<>/dev/tcp/127.0.0.1/5000 && printf %s "$0" >&3 && cat <&3'
    done = run("docker", "exec", f"{deployment.name}-load-balancer-1", "bash", "-c", program, request)
    assert "127.0.0" not in done.stdout


def test_a_large_upload_passes_through_without_being_kept(balancer, mark):
    part = secrets.token_bytes(MIB)
    digest = hashlib.sha256()
    connection = http.client.HTTPConnection(*balancer.public, timeout=60)
    connection.putrequest("PUT", f"{ARTIFACTS}/model?{mark}")
    connection.putheader("Content-Length", str(200 * MIB))
    connection.endheaders()
    for number in range(200):
        connection.send(part)
        digest.update(part)
        if number == 99:
            # The rest is not sent before the first half has arrived.
            until(
                lambda: [r for r in balancer.requests(mark) if r["received"] > 90 * MIB], "the first half arrives", 20
            )
    answer = connection.getresponse()
    arrived = json.loads(answer.read())
    connection.close()
    assert answer.status == 200
    assert (arrived["received"], arrived["sha256"]) == (200 * MIB, digest.hexdigest())
    status = run("docker", "exec", f"{balancer.name}-load-balancer-1", "cat", "/proc/1/status").stdout
    assert int(re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE).group(1)) < 100 * 1024


@pytest.mark.parametrize("path", ["/mlflow/1/model?X-Amz-Signature=0123&do=large", f"{ARTIFACTS}/model?do=large"])
def test_a_download_passes_through_the_kernel_only(balancer, path):
    def spliced() -> int:
        text = balancer.private("/metrics").body.decode()
        return int(re.search(r"^haproxy_process_spliced_bytes_out_total (\d+)", text, re.MULTILINE).group(1))

    before = spliced()
    body = balancer.ask("GET", path).body
    assert len(body) == 32 * MIB
    parts = [number.to_bytes(8, "big") + bytes(range(256)) * 4095 + bytes(248) for number in range(32)]
    assert body == b"".join(parts)
    assert spliced() - before > 30 * MIB


@pytest.mark.parametrize("path", [API, f"{ARTIFACTS}/x"])
def test_a_stream_passes_through_while_it_comes(balancer, path):
    connection = http.client.HTTPConnection(*balancer.public, timeout=10)
    connection.request("GET", f"{path}?do=stream&seconds=3")
    answer = connection.getresponse()
    assert answer.readline() == b"first\n"
    arrived = time.time()
    # When the server sent its second line.
    assert float(answer.read()) > arrived
    connection.close()


def test_a_server_whose_name_is_gone_is_down_until_checks_find_it_ready(balancer):
    balancer.compose("stop", "alpha")
    # Longer than its name is looked up again.
    time.sleep(6)
    assert balancer.checks().get("alpha") == "DOWN"
    assert {reply.server for reply in balancer.many(10, "GET", API)} == {"beta"}
    balancer.compose("start", "alpha")
    until(lambda: balancer.checks().get("alpha") == "UP", "alpha is back")
    log = balancer.log
    assert log.rindex("Server api/alpha is UP, reason: ") > log.rindex("Server api/alpha is DOWN")


def settle(balancer, folder: Path, **variables):
    """The role's own waiting, on this deployment."""
    variables = {
        "load_balancer_project": balancer.name,
        "load_balancer_servers": [{"name": server} for server in SERVERS],
        "load_balancer_settle_seconds": 5,
        **variables,
    }
    role = Role(folder)
    include = {"name": "mlops.mlflow.load_balancer", "tasks_from": "settle"}
    task = {"ansible.builtin.include_role": include, "vars": variables}
    role.playbook.write_text(
        json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}])
    )
    answer = role(check=False)
    return answer.code, " ".join(answer.text.replace("\\n", " ").split())


def test_settling_waits_for_every_server_and_says_which_is_missing_and_why(balancer, tmp_path):
    code, text = settle(balancer, tmp_path)
    assert code == 0, text
    balancer.order("alpha", "ready=503&reason=store:+no+answer,+2+s")
    until(lambda: balancer.checks().get("alpha") == "DOWN", "alpha is out")
    code, text = settle(balancer, tmp_path)
    assert code != 0
    assert "After 5 seconds the load balancer does not use alpha (DOWN: " in text
    assert "store: no answer, 2 s" in text
    assert "beta (" not in text
    code, text = settle(balancer, tmp_path, load_balancer_project="lbt-none")
    assert code != 0
    assert "lbt-none-load-balancer-1" in text


def most_at_once(requests: list[dict]) -> int:
    """The highest number of them that were worked on at the same time."""
    return max(sum(r["begun"] <= other["begun"] < r["ended"] for r in requests) for other in requests)


def test_short_calls_wait_their_turn_and_artifacts_do_not(balancer, mark):
    with ThreadPoolExecutor(1) as pool:
        calls = pool.submit(balancer.many, 12, "POST", f"{API}?do=sleep&seconds=1.5&{mark}")
        until(lambda: len(balancer.requests(mark)) == 2 * AT_ONCE, "both servers have their share")
        for path in (f"{ARTIFACTS}/x", f"/prefix{ARTIFACTS}/x", "/ajax-api/2.0/mlflow/upload-artifact?path=x"):
            assert balancer.ask("PUT", path, body=b"x").status == 200
        assert balancer.ask("GET", "/get-artifact?path=x").status == 200
        assert not calls.done()
        assert {reply.status for reply in calls.result()} == {200}
    for server in SERVERS:
        assert most_at_once(balancer.requests(mark, server)) <= AT_ONCE


def test_what_is_signed_goes_to_the_store_and_nothing_else(balancer):
    signed = "/mlflow/1/model.bin?X-Amz-Algorithm=x&X-Amz-Signature=0123"
    headers = {"Authorization": "Basic bWU6c2VjcmV0", "Host": "mlflow.example"}
    reply = balancer.ask("GET", signed, headers=headers)
    assert reply.server == "store"
    received = dict(reply.document["headers"])
    assert received["host"] == "store:8333"
    assert not {"authorization", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto"} & set(received)
    assert reply.document["path"] == signed
    assert balancer.ask("HEAD", signed).status == 200
    assert len(balancer.requests(signed, "store")) == 2

    for method, path in (
        ("PUT", signed),
        ("POST", signed),
        ("DELETE", signed),
        ("GET", "/mlflow/1/model.bin"),
        ("GET", "/mlflow/1/model.bin?x=X-Amz-Signature"),
        ("GET", "/other/1/model.bin?X-Amz-Signature=0123"),
        ("GET", "/mlflowx/model.bin?X-Amz-Signature=0123"),
        ("GET", "/mlflow/../other/1?X-Amz-Signature=0123"),
        ("GET", "/mlflow/%2e%2E/other/1?X-Amz-Signature=0123"),
        ("GET", "/mlflow/1?x=1%26X-Amz-Signature=0123"),
    ):
        assert balancer.ask(method, path).server in SERVERS, (method, path)


def test_statistics_are_private(balancer):
    assert balancer.private("/health").status == 200
    assert b"alpha" in balancer.private("/stats").body
    assert b"haproxy_server_status" in balancer.private("/metrics").body
    for path in ("/health", "/stats", "/stats;csv", "/metrics"):
        assert balancer.ask("GET", path).server in SERVERS, path
    published = {port for port, places in balancer.inspect()["NetworkSettings"]["Ports"].items() if places}
    assert published == {"5000/tcp"}


def test_the_log_has_the_path_and_no_query(balancer, mark):
    secret = secrets.token_hex(8)
    for path in (f"{API}/{mark}", f"{ARTIFACTS}/{mark}", f"/mlflow/{mark}"):
        balancer.ask("GET", f"{path}?X-Amz-Signature={secret}")
        until(lambda path=path: f'"GET {path}"' in balancer.log, "the request is logged")
    assert secret not in balancer.log


def test_a_stop_lets_requests_finish(deploy, mark):
    deployment = deploy("defaults")
    idle = http.client.HTTPConnection(*deployment.public, timeout=20)
    idle.request("GET", API)
    idle.getresponse().read()
    thread, answers = hang(deployment, mark, seconds=3)
    begun = time.monotonic()
    deployment.compose("stop", "load-balancer")
    # Neither the connection without a request nor the one that is done with it keep it for the whole of its 20 s.
    assert time.monotonic() - begun < 19
    thread.join(60)
    assert answers[0].status == 200
    assert answers[0].server == "alpha"
    assert deployment.inspect()["State"]["ExitCode"] == 0
    with pytest.raises(ConnectionError):
        deployment.ask("GET", API)
    idle.close()
