# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One MLflow run and the calls on it."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

from mlflow.entities import Metric

from laboratory.load import content
from laboratory.load.session import Session, WrongAnswer

WORKER_TAG = "load.worker"
# A worker's own runs, the newest first: the one that it works on is among the first, even if some were made twice.
SEARCH_RESULTS = 20


class RunNotCreated(Exception):
    """There is nothing to work on; the failed call is on record."""


class TrainingRun:
    """Every method is one call. Names and values follow from the seed (content.py)."""

    def __init__(self, session: Session, number: int) -> None:
        self.session, self.number = session, number
        self.seed = content.seed_of(session.options.experiment, session.worker, number)
        self._next = dict.fromkeys(("metrics", "params", "tags", "artifacts"), 0)
        self._params: dict[str, str] = {}
        self._artifacts: list[dict] = []
        answer = session.call(
            "create_run",
            lambda: session.client.create_run(
                session.experiment_id,
                run_name=f"load-{session.worker}-{number}",
                tags={WORKER_TAG: str(session.worker)},
            ),
            run_id=lambda run: run.info.run_id,
            wrote={"seed": self.seed},
        )
        if not answer.ok:
            raise RunNotCreated
        self.run_id = answer.value.info.run_id

    def _take(self, kind: str, count: int = 1) -> int:
        first = self._next[kind]
        self._next[kind] += count
        return first

    def set_tag(self) -> None:
        index = self._take("tags")
        name, value = content.text_name("tag", index), content.text_value(self.seed, "tag", index)
        self.session.call(
            "set_tag",
            lambda: self.session.client.set_tag(self.run_id, name, value, synchronous=True),
            run_id=self.run_id,
            wrote={"tags": [index, 1]},
        )

    def log_param(self) -> None:
        index = self._take("params")
        name, value = content.text_name("param", index), content.text_value(self.seed, "param", index)
        answer = self.session.call(
            "log_param",
            lambda: self.session.client.log_param(self.run_id, name, value, synchronous=True),
            run_id=self.run_id,
            wrote={"params": [index, 1]},
        )
        if answer.ok:
            self._params[name] = value

    def log_metric(self) -> None:
        index = self._take("metrics")
        name, step = content.metric_place(index)
        value = content.metric_value(self.seed, index)
        self.session.call(
            "log_metric",
            lambda: self.session.client.log_metric(self.run_id, name, value, step=step, synchronous=True),
            run_id=self.run_id,
            metrics=1,
            wrote={"metrics": [index, 1]},
        )

    def log_batch(self) -> None:
        count = self.session.options.batch
        first = self._take("metrics", count)
        now = int(time.time() * 1000)
        metrics = []
        for index in range(first, first + count):
            name, step = content.metric_place(index)
            metrics.append(Metric(name, content.metric_value(self.seed, index), now, step))
        self.session.call(
            "log_batch",
            lambda: self.session.client.log_batch(self.run_id, metrics=metrics, synchronous=True),
            run_id=self.run_id,
            metrics=count,
            wrote={"metrics": [first, count]},
        )

    def upload(self, size: int, name: str = "data") -> None:
        index = self._take("artifacts")
        file = self.session.scratch / f"{name}_{index:03}.bin"
        artifact = {"path": f"files/{file.name}", "size": size}
        artifact["sha256"] = content.write_artifact(file, self.seed, index, size)
        try:
            answer = self.session.call(
                "upload",
                lambda: self.session.client.log_artifact(self.run_id, str(file), "files"),
                run_id=self.run_id,
                size=size,
                wrote={"artifact": artifact},
            )
        finally:
            file.unlink()
        if answer.ok:
            self._artifacts.append(artifact)

    def download(self) -> None:
        """The artifact that was acknowledged last, if any."""
        if not self._artifacts:
            return
        artifact = self._artifacts[-1]
        folder = tempfile.mkdtemp(dir=self.session.scratch)

        def fetch() -> Path:
            return Path(self.session.client.download_artifacts(self.run_id, artifact["path"], folder))

        def check() -> None:
            if content.sha256(fetch()) != artifact["sha256"]:
                raise WrongAnswer(f"{artifact['path']} of run {self.run_id} is not what was uploaded")

        try:
            self.session.call("download", check, run_id=self.run_id, size=artifact["size"])
        finally:
            shutil.rmtree(folder)

    def get(self) -> None:
        def check() -> None:
            found = self.session.client.get_run(self.run_id).data.params
            wrong = [name for name, value in self._params.items() if found.get(name) != value]
            if wrong:
                raise WrongAnswer(f"run {self.run_id} lacks its params {', '.join(wrong)}")

        self.session.call("get_run", check, run_id=self.run_id)

    def history(self) -> None:
        self.session.call(
            "get_metric_history",
            lambda: self.session.client.get_metric_history(self.run_id, content.METRICS[0]),
            run_id=self.run_id,
        )

    def search(self) -> None:
        def check() -> None:
            found = self.session.client.search_runs(
                [self.session.experiment_id],
                filter_string=f"tags.`{WORKER_TAG}` = '{self.session.worker}'",
                order_by=["attributes.start_time DESC"],
                max_results=SEARCH_RESULTS,
            )
            if self.run_id not in {run.info.run_id for run in found}:
                raise WrongAnswer(f"run {self.run_id} is not among its worker's newest runs")

        self.session.call("search_runs", check)

    def search_by_metric(self) -> None:
        self.session.call(
            "search_runs_by_metric",
            lambda: self.session.client.search_runs(
                [self.session.experiment_id],
                filter_string=f"metrics.{content.METRICS[0]} < 0.5",
                order_by=[f"metrics.{content.METRICS[1]} DESC"],
                max_results=100,
            ),
        )

    def end(self) -> None:
        self.session.call(
            "end_run",
            lambda: self.session.client.set_terminated(self.run_id, "FINISHED"),
            run_id=self.run_id,
            wrote={"status": "FINISHED"},
        )
