# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done with one run, from its creation to its end."""

from __future__ import annotations

from collections.abc import Callable

from laboratory.load.training_run import TrainingRun

LARGE_EVERY = 10


def training(run: TrainingRun) -> None:
    """What a training script does: describe itself, log while it learns, keep its model, look at the result."""
    _describe(run, tags=2, params=5)
    for _epoch in range(5):
        run.log_batch()
        run.log_metric()
    run.upload(run.session.options.artifact_size)
    # Not all processes at the same time.
    if (run.number + run.session.worker) % LARGE_EVERY == 0:
        run.upload(run.session.options.large_artifact_size, "model")
    run.search()
    run.get()
    run.download()


def metrics(run: TrainingRun) -> None:
    for turn in range(50):
        run.log_batch()
        if turn % 5 == 0:
            run.log_metric()


def artifacts(run: TrainingRun) -> None:
    for _turn in range(5):
        run.upload(run.session.options.artifact_size)
        run.download()


def search(run: TrainingRun) -> None:
    """One run more to be found at each turn, and twenty searches."""
    _describe(run, tags=1, params=2)
    run.log_batch()
    for _turn in range(10):
        run.search()
        run.search_by_metric()


def reads(run: TrainingRun) -> None:
    """A run of little content, read many times."""
    _describe(run, tags=1, params=5)
    run.log_batch()
    run.upload(run.session.options.artifact_size)
    for _turn in range(10):
        run.get()
        run.history()
        run.search()
        run.download()


def _describe(run: TrainingRun, tags: int, params: int) -> None:
    for _ in range(tags):
        run.set_tag()
    for _ in range(params):
        run.log_param()


PROFILES: dict[str, Callable[[TrainingRun], None]] = {
    "training": training,
    "metrics": metrics,
    "artifacts": artifacts,
    "search": search,
    "reads": reads,
}
