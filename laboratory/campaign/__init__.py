# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The campaign: deploy A, test A, destroy A, deploy B, ...; and a page that shows the deployments side by side.

`python -m laboratory.campaign --help` says how to use it; docs/campaign.md how to read what comes out.
"""
