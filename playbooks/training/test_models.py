# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real scikit-learn models on real data sets: autolog, the model registry, and predictions after loading."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import mlflow
from mlflow.models import infer_signature
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from playbooks.training.support import TrainingTestCase, done

ROOT = Path(__file__).resolve().parents[2]
# What the models need, said here so that mlflow does not import each one in a further process to find out.
REQUIREMENTS = ["scikit-learn"]


class Models(TrainingTestCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.features, cls.labels = load_breast_cancer(return_X_y=True, as_frame=True)

    def train(self) -> object:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.5))
        return model.fit(self.features, self.labels)

    def log(self, model: object) -> mlflow.models.model.ModelInfo:
        done["runs"] += 1
        done["models"] += 1
        return mlflow.sklearn.log_model(
            model,
            name="classifier",
            signature=infer_signature(self.features, model.predict(self.features)),
            input_example=self.features.head(2),
            pip_requirements=REQUIREMENTS,
        )

    def test_autolog(self) -> None:
        features, labels = load_wine(return_X_y=True, as_frame=True)
        train_x, test_x, train_y, test_y = train_test_split(features, labels, random_state=7)
        mlflow.sklearn.autolog(log_datasets=True, silent=True)
        try:
            with mlflow.start_run() as run:
                model = RandomForestClassifier(n_estimators=20, random_state=7).fit(train_x, train_y)
                score = model.score(test_x, test_y)
        finally:
            mlflow.sklearn.autolog(disable=True)
        found = self.client().get_run(run.info.run_id)
        self.assertEqual("20", found.data.params["n_estimators"])
        self.assertEqual("RandomForestClassifier", found.data.tags["estimator_name"])
        self.assertAlmostEqual(model.score(train_x, train_y), found.data.metrics["training_score"])
        logged_scores = [v for k, v in found.data.metrics.items() if k.startswith("RandomForestClassifier_score")]
        self.assertEqual([score], logged_scores)
        self.assertEqual(1, len(found.inputs.dataset_inputs), "autolog did not log the data set that was trained on")
        self.assertIn("training_confusion_matrix.png", {a.path for a in self.client().list_artifacts(run.info.run_id)})
        self.assertEqual(1, len(found.outputs.model_outputs), "autolog did not log the model")
        loaded = mlflow.sklearn.load_model(f"models:/{found.outputs.model_outputs[0].model_id}")
        self.assertEqual(list(model.predict(test_x)), list(loaded.predict(test_x)))
        done["runs"] += 1
        done["models"] += 1

    def test_logged_model(self) -> None:
        model = self.train()
        with mlflow.start_run() as run:
            info = self.log(model)
        logged = self.client().get_logged_model(info.model_id)
        self.assertEqual((run.info.run_id, "READY"), (logged.source_run_id, str(logged.status)))
        found = self.client().search_logged_models([self.experiment_id], f"source_run_id = '{run.info.run_id}'")
        self.assertEqual([info.model_id], [each.model_id for each in found])
        loaded = mlflow.pyfunc.load_model(f"models:/{info.model_id}")
        self.assertEqual(30, len(loaded.metadata.signature.inputs))
        self.assertEqual(list(model.predict(self.features)), list(loaded.predict(self.features)))

    def test_registry(self) -> None:
        name = self.unique("model")
        first = self.train()
        with mlflow.start_run():
            version1 = mlflow.register_model(self.log(first).model_uri, name)
        self.addCleanup(self._forget, name)
        with mlflow.start_run():
            version2 = mlflow.register_model(self.log(self.train()).model_uri, name, tags={"stage": "candidate"})
        self.assertEqual(["1", "2"], [str(version1.version), str(version2.version)])

        client = self.client()
        client.set_registered_model_alias(name, "champion", "1")
        client.update_registered_model(name, description="Größe des Tumors")
        self.assertEqual("1", str(self.client().get_model_version_by_alias(name, "champion").version))
        self.assertEqual("Größe des Tumors", self.client().get_registered_model(name).description)
        self.assertEqual({"stage": "candidate"}, self.client().get_model_version(name, "2").tags)
        found = self.client().search_model_versions(f"name = '{name}'")
        self.assertEqual({"1", "2"}, {str(version.version) for version in found})

        # A process of its own: nothing of the training is left in memory there.
        environment = {**os.environ, "MLFLOW_TRACKING_URI": self.uri, "MLFLOW_REGISTRY_URI": self.uri}
        answer = subprocess.run(
            [sys.executable, "-m", "playbooks.training.predict", f"models:/{name}@champion"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        self.assertEqual(0, answer.returncode, answer.stderr)
        self.assertEqual([int(value) for value in first.predict(self.features)], json.loads(answer.stdout))

        client.delete_registered_model_alias(name, "champion")
        client.delete_model_version(name, "1")
        self.assert_missing(self.client().get_model_version, name, "1")
        found = self.client().search_model_versions(f"name = '{name}'")
        self.assertEqual(["2"], [str(version.version) for version in found])

    def _forget(self, name: str) -> None:
        self.client().delete_registered_model(name)
        self.assert_missing(self.client().get_registered_model, name)
