# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sample of a cluster is accepted by one, in check mode."""

from __future__ import annotations

import json
import uuid

from tests.refusals.test_samples import ROOT, SAMPLES, ansible


def test_the_sample_is_accepted(variables) -> None:
    """All but the name of the cluster is the sample's; the namespace is one that nobody has."""
    name = f"sample-{uuid.uuid4().hex[:8]}"
    where = {each: variables[each] for each in ("kubernetes_context", "kubernetes_kubeconfig")}
    given = json.dumps({**where, "deployment_name": name, "kubernetes_namespace": name})
    inventory = f"--inventory={SAMPLES / 'cluster'}"
    said = ansible("ansible-playbook", inventory, "--check", f"--extra-vars={given}", str(ROOT / "playbooks/k8s.yml"))
    assert "https://mlflow.example.com" in said
    assert "Checked only" in said
