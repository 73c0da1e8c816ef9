# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs: what is logged into one, how they are found again, and how they are deleted and restored."""

from __future__ import annotations

import math
import sys

import mlflow
from mlflow.entities import Metric, Param, RunTag, ViewType

from playbooks.training.support import TrainingTestCase, done

UNICODE = "Größe, 大きさ, 🎯 and 'quotes\" & %41 <b>"


class Runs(TrainingTestCase):
    def test_params(self) -> None:
        params = {
            "learning_rate": "0.05",
            "empty": "",
            "unicode": UNICODE,
            "several lines": "one\ntwo",
            "long": "x" * 6000,
            "path/like.name-1": "kept",
        }
        with mlflow.start_run() as run:
            mlflow.log_params(params)
        self.assertEqual(params, self.client().get_run(run.info.run_id).data.params)
        done["runs"] += 1

    def test_a_param_cannot_be_changed(self) -> None:
        with mlflow.start_run() as run:
            mlflow.log_param("depth", 3)
            mlflow.log_param("depth", 3)
            with self.assertRaisesRegex(mlflow.MlflowException, "depth"):
                mlflow.log_param("depth", 4)
        self.assertEqual({"depth": "3"}, self.client().get_run(run.info.run_id).data.params)
        done["runs"] += 1

    def test_metrics_with_steps(self) -> None:
        history = [(step, 1000 + step, math.exp(-step / 50)) for step in range(-5, 300)]
        with mlflow.start_run() as run:
            mlflow.MlflowClient().log_batch(
                run.info.run_id, metrics=[Metric("loss", value, time, step) for step, time, value in history]
            )
        found = self.client().get_metric_history(run.info.run_id, "loss")
        self.assertEqual(history, sorted((metric.step, metric.timestamp, metric.value) for metric in found))
        # The value of a metric is that of the highest step, not of the last one to arrive.
        self.assertEqual(history[-1][2], self.client().get_run(run.info.run_id).data.metrics["loss"])
        done["runs"] += 1
        done["metric values"] += len(history)

    def test_metrics_that_are_no_ordinary_numbers(self) -> None:
        values = {
            "nan": math.nan,
            "infinite": math.inf,
            "minus_infinite": -math.inf,
            "zero": 0.0,
            "tiny": 5e-324,
            "large": sys.float_info.max,
            "whole": 2.0**53,
            "negative": -1.5,
        }
        with mlflow.start_run() as run:
            mlflow.log_metrics(values)
        found = self.client().get_run(run.info.run_id).data.metrics
        self.assertTrue(math.isnan(found.pop("nan")))
        # Databases have no infinity for a double in common: MLflow keeps the largest number in its place.
        expected = {**values, "infinite": sys.float_info.max, "minus_infinite": -sys.float_info.max}
        del expected["nan"]
        self.assertEqual(expected, found)
        done["runs"] += 1
        done["metric values"] += len(values)

    def test_tags(self) -> None:
        with mlflow.start_run(tags={"team": "blue", "note": UNICODE}) as run:
            mlflow.set_tag("team", "red")
            mlflow.set_tag("to_be_deleted", "1")
            mlflow.delete_tag("to_be_deleted")
        tags = self.client().get_run(run.info.run_id).data.tags
        self.assertEqual("red", tags["team"])
        self.assertEqual(UNICODE, tags["note"])
        self.assertNotIn("to_be_deleted", tags)
        done["runs"] += 1

    def test_batch_of_everything(self) -> None:
        params = [Param(f"p{number:03}", str(number)) for number in range(100)]
        tags = [RunTag(f"t{number:03}", str(number)) for number in range(100)]
        metrics = [Metric(f"m{number:03}", float(number), 1, 0) for number in range(800)]
        client = self.client()
        run = client.create_run(self.experiment_id)
        client.log_batch(run.info.run_id, metrics=metrics, params=params, tags=tags)
        client.set_terminated(run.info.run_id)
        data = self.client().get_run(run.info.run_id).data
        self.assertEqual({param.key: param.value for param in params}, data.params)
        self.assertEqual({metric.key: metric.value for metric in metrics}, data.metrics)
        self.assertEqual({tag.key: tag.value for tag in tags}, {k: v for k, v in data.tags.items() if k[1:].isdigit()})
        done["runs"] += 1
        done["metric values"] += len(metrics)

    def test_status_of_a_failed_run(self) -> None:
        with self.assertRaisesRegex(ZeroDivisionError, "on purpose"), mlflow.start_run() as run:
            raise ZeroDivisionError("on purpose")
        info = self.client().get_run(run.info.run_id).info
        self.assertEqual("FAILED", info.status)
        self.assertGreaterEqual(info.end_time, info.start_time)
        done["runs"] += 1

    def test_nested_runs(self) -> None:
        with mlflow.start_run() as parent:
            children = []
            for depth in (2, 4):
                with mlflow.start_run(nested=True) as child:
                    mlflow.log_param("depth", depth)
                    children.append(child.info.run_id)
        found = self.client().search_runs(
            [self.experiment_id], f"tags.mlflow.parentRunId = '{parent.info.run_id}'", order_by=["params.depth ASC"]
        )
        self.assertEqual(children, [run.info.run_id for run in found])
        done["runs"] += 3

    def test_search(self) -> None:
        marker = self.unique("search")
        ids = {}
        for rate in (0.1, 0.2, 0.4):
            with mlflow.start_run(tags={"marker": marker}) as run:
                mlflow.log_param("rate", rate)
                mlflow.log_metric("accuracy", 1 - rate)
                ids[rate] = run.info.run_id
        search = self.client().search_runs
        mine = f"tags.marker = '{marker}'"

        best = search([self.experiment_id], mine, order_by=["metrics.accuracy DESC"])
        self.assertEqual([ids[0.1], ids[0.2], ids[0.4]], [run.info.run_id for run in best])
        good = search([self.experiment_id], f"{mine} and metrics.accuracy > 0.7 and params.rate LIKE '0.%'")
        self.assertEqual({ids[0.1], ids[0.2]}, {run.info.run_id for run in good})
        self.assertEqual([], list(search([self.experiment_id], f"{mine} and params.rate = '9'")))

        first = search([self.experiment_id], mine, order_by=["metrics.accuracy ASC"], max_results=2)
        rest = search([self.experiment_id], mine, order_by=["metrics.accuracy ASC"], page_token=first.token)
        self.assertEqual([ids[0.4], ids[0.2]], [run.info.run_id for run in first])
        self.assertEqual([ids[0.1]], [run.info.run_id for run in rest])

        table = mlflow.search_runs([self.experiment_id], mine)
        self.assertEqual(set(ids.values()), set(table["run_id"]))
        done["runs"] += 3
        done["metric values"] += 3

    def test_delete_and_restore_a_run(self) -> None:
        marker = self.unique("deleted")
        with mlflow.start_run(tags={"marker": marker}) as run:
            mlflow.log_metric("kept", 1.0)
        run_id, mine = run.info.run_id, f"tags.marker = '{marker}'"
        self.client().delete_run(run_id)
        self.assertEqual("deleted", self.client().get_run(run_id).info.lifecycle_stage)
        self.assertEqual([], list(self.client().search_runs([self.experiment_id], mine)))
        deleted = self.client().search_runs([self.experiment_id], mine, ViewType.DELETED_ONLY)
        self.assertEqual([run_id], [found.info.run_id for found in deleted])
        self.client().restore_run(run_id)
        restored = self.client().search_runs([self.experiment_id], mine)
        self.assertEqual([{"kept": 1.0}], [found.data.metrics for found in restored])
        done["runs"] += 1

    def test_delete_and_restore_an_experiment(self) -> None:
        client = self.client()
        name = self.unique("experiment")
        experiment_id = client.create_experiment(name, tags={"purpose": UNICODE})
        self.assertEqual(experiment_id, self.client().get_experiment_by_name(name).experiment_id)
        with self.assertRaisesRegex(mlflow.MlflowException, "already exists"):
            client.create_experiment(name)
        client.delete_experiment(experiment_id)
        self.assertEqual("deleted", self.client().get_experiment(experiment_id).lifecycle_stage)
        self.assertEqual([], list(self.client().search_experiments(filter_string=f"name = '{name}'")))
        client.restore_experiment(experiment_id)
        self.assertEqual({"purpose": UNICODE}, self.client().get_experiment(experiment_id).tags)
        client.delete_experiment(experiment_id)

    def test_a_run_that_does_not_exist(self) -> None:
        self.assert_missing(self.client().get_run, "0" * 32)
