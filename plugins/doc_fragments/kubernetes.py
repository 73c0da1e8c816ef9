# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Which namespace of which cluster a module works in, once the cluster has been looked at."""

    DOCUMENTATION = r"""
options:
  kubeconfig:
    description: The kubeconfig file.
    type: str
    required: true
  context:
    description: The context in it.
    type: str
    required: true
  namespace:
    description: The namespace of the deployment.
    type: str
    required: true
requirements:
  - kubernetes >= 24.2.0 (Python)
"""
