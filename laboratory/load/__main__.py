# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m laboratory.load`."""

from __future__ import annotations

import sys

from laboratory.load.main import main

if __name__ == "__main__":
    sys.exit(main())
