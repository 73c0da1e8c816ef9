# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load a model by its URI in a process that has not seen its training, and print what it predicts."""

from __future__ import annotations

import json
import sys

import mlflow
from sklearn.datasets import load_breast_cancer


def main(model_uri: str) -> None:
    features, _labels = load_breast_cancer(return_X_y=True, as_frame=True)
    model = mlflow.pyfunc.load_model(model_uri)
    print(json.dumps([int(value) for value in model.predict(features)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
