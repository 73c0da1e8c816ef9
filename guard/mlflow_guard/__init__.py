# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The guard of an MLflow server: it lets a server start only on its own, current and unbroken data."""
