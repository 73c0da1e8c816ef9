# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Running `mlflow server`: the gate before it, the supervisor around it, and what answers whether it is ready."""
