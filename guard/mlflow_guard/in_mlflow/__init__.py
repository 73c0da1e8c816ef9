# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""What takes the place of parts of MLflow, in the process of its web server. docs/in-mlflow.md says what and why."""
