# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the training tests share: the server's address, unique names, clean-up and the closing summary."""

from __future__ import annotations

import atexit
import hashlib
import os
import re
import shutil
import tempfile
import time
import unittest
import uuid
import warnings
from collections import Counter
from functools import lru_cache
from pathlib import Path

# Read by mlflow when it is imported: no call to a site outside, few retries, and nothing printed but results.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")

import mlflow
import requests
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

# Names and passwords in an address are not for the screen.
CREDENTIALS = re.compile(r"//[^/@]*@")
CONNECT_SECONDS = 5
ANSWER_SECONDS = 30

# What was written and read back, for the closing line.
done: Counter[str] = Counter()


def tracking_uri() -> str:
    """The address under test, or the end of the program with a sentence that says what is wrong with it."""
    uri = os.environ.get("MLFLOW_TRACKING_URI", "").strip().rstrip("/")
    if not uri:
        raise SystemExit(
            "MLFLOW_TRACKING_URI is not set: set it to the address of the server to test, "
            "for example MLFLOW_TRACKING_URI=http://localhost:5000."
        )
    if not uri.startswith(("http://", "https://")):
        # A client that is given a database's URI creates or migrates its tables.
        raise SystemExit(
            f"MLFLOW_TRACKING_URI has the scheme '{uri.split(':', 1)[0]}': the training tests use a server, never "
            "its database or folder; set it to an address that starts with http:// or https://."
        )
    return uri


def _authorization() -> dict[str, str] | tuple[str, str] | None:
    user, password = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD")
    return (user, password) if user and password else None


@lru_cache(maxsize=1)
def require_server() -> str:
    """Ask for the Default experiment: /health would also say OK for a server without its database."""
    uri = tracking_uri()
    shown = CREDENTIALS.sub("//", uri)
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    verify: str | bool = os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or True
    if os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in {"1", "true"}:
        verify = False
    try:
        answer = requests.get(
            f"{uri}/api/2.0/mlflow/experiments/get",
            params={"experiment_id": "0"},
            auth=_authorization(),
            headers={"Authorization": f"Bearer {token}"} if token else {},
            verify=verify,
            timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
        )
    except requests.exceptions.ReadTimeout:
        raise SystemExit(
            f"{shown} took the connection but did not answer within {ANSWER_SECONDS} seconds: "
            "see the server's log; most often its database is not reachable."
        ) from None
    except requests.exceptions.SSLError as error:
        raise SystemExit(
            f"{shown} has a certificate that is not trusted ({error.args[0]}): "
            "set MLFLOW_TRACKING_SERVER_CERT_PATH to the file of its authority."
        ) from None
    except requests.exceptions.RequestException as error:
        raise SystemExit(
            f"MLFLOW_TRACKING_URI is {shown}, but nothing answers there ({type(error).__name__}): "
            "deploy first, or set it to the address of a running server."
        ) from None
    remedies = {
        401: "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
        403: "the name in the address must be one of the server's allowed hosts, and the user must have the permission",
        404: "what answers is no MLflow server, or one under another path; add that path to the address",
    }
    if answer.status_code != 200:
        raise SystemExit(
            f"{shown} answered a request for the Default experiment with HTTP {answer.status_code}: "
            f"{remedies.get(answer.status_code, 'see the log of the server')}."
        )
    try:
        found = answer.json()["experiment"]["experiment_id"]
    except (ValueError, KeyError, TypeError):
        raise SystemExit(f"What answers at {shown} is not an MLflow server: set the address of one.") from None
    if found != "0":
        raise SystemExit(f"{shown} answered with experiment {found!r} where experiment '0' was asked for.")
    _announce_at_exit(shown)
    return uri


def _announce_at_exit(uri: str) -> None:
    started, process = time.monotonic(), os.getpid()

    def summary() -> None:
        # Not in the processes that a test starts.
        if os.getpid() == process and done:
            what = ", ".join(f"{number:,} {name}" for name, number in sorted(done.items()))
            print(f"Training tests on {uri}: {what}; {time.monotonic() - started:.1f} s.", flush=True)

    atexit.register(summary)


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


class TrainingTestCase(unittest.TestCase):
    """One experiment and one scratch folder for each class; both are gone afterwards."""

    uri: str
    experiment_id: str
    experiment_name: str
    scratch: Path

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        # What mlflow and scikit-learn say to each other about coming releases is no result of these tests.
        warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"(mlflow|sklearn)\.")
        warnings.filterwarnings("ignore", category=FutureWarning, module=r"(mlflow|sklearn)\.")
        cls.uri = require_server()
        mlflow.set_tracking_uri(cls.uri)
        mlflow.set_registry_uri(cls.uri)
        cls.scratch = Path(tempfile.mkdtemp(prefix="mlflow-training-"))
        cls.addClassCleanup(shutil.rmtree, cls.scratch)
        cls.experiment_name = cls.unique(cls.__name__)
        cls.experiment_id = cls.client().create_experiment(cls.experiment_name)
        cls.addClassCleanup(cls._delete_experiment)
        mlflow.set_experiment(experiment_id=cls.experiment_id)

    @classmethod
    def _delete_experiment(cls) -> None:
        experiment = cls.client().get_experiment(cls.experiment_id)
        # The artifacts first: they are what fills the store, and a deleted experiment keeps them.
        get_artifact_repository(experiment.artifact_location).delete_artifacts()
        cls.client().delete_experiment(cls.experiment_id)

    def tearDown(self) -> None:
        # A test that failed inside a run must not give it to the next test.
        while mlflow.active_run():
            mlflow.end_run("FAILED")
        super().tearDown()

    @staticmethod
    def unique(name: str) -> str:
        return f"training-tests-{name}-{uuid.uuid4().hex[:12]}"

    @classmethod
    def client(cls) -> mlflow.MlflowClient:
        """A fresh client, so that nothing which is read comes out of the memory of the one that wrote it."""
        return mlflow.MlflowClient(tracking_uri=cls.uri, registry_uri=cls.uri)

    def folder(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self.scratch))

    def assert_missing(self, call, *arguments: object) -> None:
        with self.assertRaises(MlflowException) as caught:
            call(*arguments)
        self.assertEqual("RESOURCE_DOES_NOT_EXIST", caught.exception.error_code, caught.exception)
