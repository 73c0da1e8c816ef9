# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""python -m laboratory.network: see main.py."""

import sys

from laboratory.network.main import main

sys.exit(main(sys.argv[1:]))
