# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One of several training processes that log at the same time; started by test_concurrency."""

from __future__ import annotations

import json
import sys

import mlflow


def main(experiment_id: str, number: str, steps: str) -> None:
    """Log one run, print its id, and leave the rest to the process that reads it back."""
    mlflow.set_experiment(experiment_id=experiment_id)
    with mlflow.start_run(run_name=f"writer-{number}") as run:
        mlflow.log_param("writer", number)
        for step in range(int(steps)):
            mlflow.log_metrics({"loss": 1 / (step + 1), "writer": float(number)}, step=step)
        mlflow.log_text(f"written by {number}\n", f"notes/{number}.txt")
    print(json.dumps({"run_id": run.info.run_id, "writer": number}))


if __name__ == "__main__":
    main(*sys.argv[1:])
