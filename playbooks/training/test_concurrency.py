# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several processes train at the same time in one experiment, as a team or a parameter search does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from playbooks.training.support import TrainingTestCase, done

WRITERS = 4
STEPS = 10
ROOT = Path(__file__).resolve().parents[2]


class Concurrency(TrainingTestCase):
    def test_processes_log_at_the_same_time(self) -> None:
        environment = {**os.environ, "MLFLOW_TRACKING_URI": self.uri}
        writers = [
            subprocess.Popen(
                [sys.executable, "-m", "playbooks.training.writer", self.experiment_id, str(number), str(STEPS)],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for number in range(WRITERS)
        ]
        run_ids = {}
        try:
            for number, writer in enumerate(writers):
                out, err = writer.communicate(timeout=120)
                self.assertEqual(0, writer.returncode, err)
                # mlflow prints the addresses of its pages to stdout too; ours is the last line.
                answer = json.loads(out.splitlines()[-1])
                self.assertEqual(str(number), answer["writer"])
                run_ids[answer["run_id"]] = str(number)
        finally:
            for writer in writers:
                writer.kill()
                writer.wait()
        self.assertEqual(WRITERS, len(run_ids), "two processes were given the same run")

        found = self.client().search_runs([self.experiment_id])
        self.assertEqual(set(run_ids), {run.info.run_id for run in found})
        for run in found:
            number = run_ids[run.info.run_id]
            self.assertEqual("FINISHED", run.info.status)
            self.assertEqual({"writer": number}, run.data.params)
            losses = self.client().get_metric_history(run.info.run_id, "loss")
            self.assertEqual(
                [(step, 1 / (step + 1)) for step in range(STEPS)],
                sorted((metric.step, metric.value) for metric in losses),
            )
            path = self.client().download_artifacts(run.info.run_id, f"notes/{number}.txt", str(self.folder()))
            self.assertEqual(f"written by {number}\n", Path(path).read_text(encoding="utf-8"))
        done["runs"] += WRITERS
        done["metric values"] += WRITERS * STEPS * 2
        done["artifacts"] += WRITERS
