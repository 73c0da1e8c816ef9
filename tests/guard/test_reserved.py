# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""No client reaches what is the guard's own in a destination, by whatever route and however the path is written."""

from __future__ import annotations

import http.client
import json
from urllib.parse import quote

import pytest
from mlflow_guard.in_mlflow.reserved import is_reserved
from test_readiness import client, s3, serving  # noqa: F401 - s3 is a fixture

MARKER = ".mlflow-guard/marker.json"


@pytest.mark.parametrize(
    "path",
    [
        ".mlflow-guard",
        MARKER,
        f"./{MARKER}",
        f"//{MARKER}",
        f"a/b/{MARKER}",
        f"a/../{MARKER}",
        ".mlflow-guard//marker.json",
        ".mlflow-guard/probe-1/small",
        "%2emlflow-guard/marker.json",
        "%252emlflow-guard%252fmarker.json",
        "a%2f.mlflow-guard%2fmarker.json",
        ".mlflow-guard\\marker.json",
        ".MLflow-Guard/marker.json",
        ".mlflow-guard./marker.json",
        ".mlflow-guard /marker.json",
        "．mlflow-guard/marker.json",
    ],
)
def test_reserved(path):
    assert is_reserved(path)


@pytest.mark.parametrize(
    "path", [None, "", ".", "/", "a/mlflow-guard/b", ".mlflow-guards", "x.mlflow-guard", "100%", "%zz/%2e", "a\\b"]
)
def test_not_reserved(path):
    assert not is_reserved(path)


class Api:
    """The server's API, spoken as no client of MLflow's would: a path goes out as it is written."""

    def __init__(self, port: int) -> None:
        self.port = port

    def __call__(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection.request(method, path, content, {} if content is None else {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()

    def new(self, what: str, **fields: object) -> dict:
        status, body = self("POST", f"/api/2.0/mlflow/{what}/create", fields)
        assert status == 200, body
        return json.loads(body)


def served(deployment, **variables: str):
    deployment.variables |= variables
    return serving(deployment)


class OnS3:
    """A deployment on S3 whose clients get URLs of the store, and so have all routes."""

    def __init__(self, deployment, store) -> None:
        self.deployment, self.s3 = deployment, client(store)
        self.deployment.variables["MLFLOW_GUARD_PRESIGNED_URLS"] = "true"
        self.locations = [f"s3://{deployment.database}/a", f"s3://{deployment.database}"]
        self.inside = [f"{self.locations[0]}/.mlflow-guard", f"{self.locations[0]}//.mlflow-guard/./"]

    def marker(self) -> bytes:
        return self.s3.get_object(Bucket=self.deployment.database, Key=f"a/{MARKER}")["Body"].read()

    def names(self) -> set[str]:
        found = self.s3.list_objects_v2(Bucket=self.deployment.database, Prefix="a/.mlflow-guard")
        return {each["Key"] for each in found.get("Contents", [])}


class InFolder:
    """A deployment in a folder."""

    def __init__(self, deployment) -> None:
        self.deployment, self.folder = deployment, deployment.folder / "artifacts"
        self.locations = [self.folder.as_uri(), str(self.folder), str(self.folder.parent)]
        self.inside = [f"{each}/.mlflow-guard" for each in self.locations[:2]]

    def marker(self) -> bytes:
        return (self.folder / MARKER).read_bytes()

    def names(self) -> set[str]:
        return {path.name for path in (self.folder / ".mlflow-guard").iterdir()} - {"uploads"}


@pytest.fixture(params=["s3", "folder"])
def place(request):
    if request.param == "s3":
        return OnS3(request.getfixturevalue("s3"), request.getfixturevalue("object_store"))
    return InFolder(request.getfixturevalue("ready"))


WRITTEN = [
    MARKER,
    f"./{MARKER}",
    f"%2e/{MARKER}",
    f"0//{MARKER}",
    f"0/../{MARKER}",
    f"0/%2e%2e/{MARKER}",
    ".mlflow-guard//marker.json",
    ".mlflow-guard/./marker.json",
    "%2emlflow-guard/marker.json",
    "%252emlflow-guard/marker.json",
    ".mlflow-guard%2fmarker.json",
    ".mlflow-guard%252fmarker.json",
    ".mlflow-guard%5cmarker.json",
    ".MLFLOW-GUARD/marker.json",
    ".mlflow-guard/",
    ".mlflow-guard",
]
PROXY = "/api/2.0/mlflow-artifacts"


def through_the_proxy() -> list[tuple[str, str, object]]:
    """Each route of the proxy with each way to write the path."""
    found: list[tuple[str, str, object]] = []
    for path in WRITTEN:
        for api in (PROXY, "/ajax-api/2.0/mlflow-artifacts"):
            found += [(method, f"{api}/artifacts/{path}", b"{}") for method in ("GET", "PUT", "DELETE")]
        found += [
            ("GET", f"{PROXY}/presigned/{path}", None),
            ("GET", f"{PROXY}/artifacts?path={path}", None),
            ("POST", f"{PROXY}/mpu/create/{path}", {"path": "x", "num_parts": 1}),
            ("POST", f"{PROXY}/mpu/complete/{path}", {"path": "x", "upload_id": "1", "parts": [{"part_number": 1}]}),
            ("POST", f"{PROXY}/mpu/abort/{path}", {"path": "x", "upload_id": "1"}),
        ]
    for path in (".mlflow-guard", "0/.mlflow-guard", "%2emlflow-guard"):
        found += [("POST", f"{PROXY}/mpu/create/{folder}", {"path": path, "num_parts": 1}) for folder in ("0", ".")]
    return found


def through_runs(api: Api, location: str) -> list[tuple[str, str, object]]:
    """Routes to what a run, a model and its version have, for an experiment with its artifacts somewhere."""
    try:
        experiment = api.new("experiments", name=quote(location), artifact_location=location)["experiment_id"]
    except AssertionError:
        # The server refuses to have artifacts there at all.
        return []
    run = api.new("runs", experiment_id=experiment)["run"]["info"]
    name, uri = f"model{experiment}", run["artifact_uri"]
    below = len(uri.removeprefix(location).strip("/").split("/")) if uri.startswith(location) else 0
    api.new("registered-models", name=name)
    version, _body = api(
        "POST", "/api/2.0/mlflow/model-versions/create", {"name": name, "source": uri, "run_id": run["run_id"]}
    )
    found: list[tuple[str, str, object]] = []
    for path in (MARKER, "../" * below + MARKER, "%2e%2e/" * below + MARKER, f"./{MARKER}", "marker.json"):
        found += [
            ("GET", f"/get-artifact?run_id={run['run_id']}&path={path}", None),
            ("POST", f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run['run_id']}&path={path}", b"{}"),
            ("GET", f"/api/2.0/mlflow/artifacts/list?run_id={run['run_id']}&path={path}", None),
            ("POST", "/api/2.0/mlflow/artifacts/presigned-download-url", {"run_id": run["run_id"], "path": path}),
            ("POST", "/api/2.0/mlflow/artifacts/presigned-upload-url", {"run_id": run["run_id"], "path": path}),
        ]
        if version == 200:
            found.append(("GET", f"/model-versions/get-artifact?name={name}&version=1&path={path}", None))
    return found


def test_no_route_leads_to_the_marker(place):
    before, names = place.marker(), place.names()
    identity = json.loads(before)["identity"].encode()
    with serving(place.deployment):
        api = Api(place.deployment.port)
        requests = through_the_proxy()
        locations = ["mlflow-artifacts:/", "mlflow-artifacts:/.mlflow-guard", "mlflow-artifacts:/0/../.mlflow-guard"]
        for location in [*locations, *place.locations, *place.inside]:
            requests += through_runs(api, location)
        assert len(requests) > 200
        through = [(method, path, *api(method, path, body)) for method, path, body in requests]
        # A refusal is neither a success nor a defect. What is listed or written elsewhere is not there either.
        bad = [
            each
            for each in through
            if identity in each[3] or each[2] >= 500 and b"not_implemented" not in each[3].lower()
        ]
        assert not bad, "\n".join(map(str, bad))
        shown = [each for each in through if each[2] == 200 and b"mlflow-guard" in each[3].lower()]
        assert shown == []
        assert (place.marker(), place.names()) == (before, names)
        # And the deletion of all that is there does not take the marker along.
        assert api("PUT", f"{PROXY}/artifacts/0/run/file", b"content")[0] == 200
        for path in ("", ".", "0/..", "0/run", "0", "./", "%2e"):
            api("DELETE", f"{PROXY}/artifacts/{path}")
        assert (place.marker(), place.names()) == (before, names)
        listed = api("GET", f"{PROXY}/artifacts")[1]
        assert b"mlflow-guard" not in listed
        assert place.deployment.readiness()[0] == 200
