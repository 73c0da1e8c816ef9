# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `python -m laboratory.resilience` does, for a deployment on Kubernetes."""

from __future__ import annotations

import sys

from laboratory.benchmark.processes import StepFailed
from laboratory.resilience.cluster_faults import SCENARIOS, check
from laboratory.resilience.faults import Target
from laboratory.resilience.main import REFUSED, arguments, carry_out
from laboratory.resilience.pods import chosen


def main(words: list[str]) -> int:
    given = arguments(words, SCENARIOS, "laboratory.resilience.cluster")
    try:
        deployment = chosen(given.deployment)
        url = deployment.public_url()
        playbook, variables = given.playbook or "k8s", tuple(given.extra_vars)
        target = Target(deployment, url, given.seconds, playbook, variables, recovery=given.recovery)
        check(given.scenarios, target)
    except StepFailed as failure:
        print(failure, file=sys.stderr)
        return REFUSED
    return carry_out(given, target, SCENARIOS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
