# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""python -m mlflow_guard"""

from mlflow_guard.cli import main

if __name__ == "__main__":
    main()
