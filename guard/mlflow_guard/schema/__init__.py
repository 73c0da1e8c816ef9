# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The schema step, the only thing that changes a schema: plan, lock, dump, migrate."""
