# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m laboratory.campaign`."""

import sys

from laboratory.campaign.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
