# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""The whole check: from a request to findings, command line and state. Pure: it touches neither files nor network."""

from __future__ import annotations

from typing import Any, Callable, NamedTuple

from ansible_collections.mlops.mlflow.plugins.module_utils import _accept
from ansible_collections.mlops.mlflow.plugins.module_utils._argument_findings import (
    ERROR,
    WARNING,
    Finding,
    make_finding,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._argument_rules_artifacts import check_artifacts
from ansible_collections.mlops.mlflow.plugins.module_utils._argument_rules_database import check_databases
from ansible_collections.mlops.mlflow.plugins.module_utils._argument_rules_files import check_files
from ansible_collections.mlops.mlflow.plugins.module_utils._argument_rules_network import (
    check_network,
    check_prometheus,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._argument_rules_runtime import check_runtime
from ansible_collections.mlops.mlflow.plugins.module_utils._argument_rules_servers import check_servers
from ansible_collections.mlops.mlflow.plugins.module_utils._arguments import (
    Request,
    make_argv,
    resolve,
    show,
    split_secrets,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._catalogue import (
    Catalogue,
    Release,
    make_release,
    parse_version,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._transitions import Transition, compare, make_state


class Result(NamedTuple):
    """The answer of the check."""

    argv: list[str]
    environment: dict[str, str]
    withheld: list[str]
    findings: list[Finding]  # errors that were not accepted, and warnings
    accepted: list[Finding]
    transitions: list[Transition]
    state: dict[str, Any]
    guard_accept: list[str]

    @property
    def errors(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.severity == ERROR]

    @property
    def warnings(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.severity == WARNING]


def find_release(
    version: str, catalogue: Catalogue, introspect: Callable[[str], dict | None] | None = None
) -> tuple[Release, list[Finding]]:
    """The release to check against, and what is wrong with the version."""
    newest = catalogue.newest
    parts = parse_version(version)
    if version in catalogue.releases:
        return catalogue.release(version), []
    if parts is None:
        finding = make_finding(
            "version-invalid",
            "mlflow_version",
            f"{show(version)} names no single release",
            f"name one exact release, such as {newest}",
        )
        return catalogue.release(newest), [finding]
    if parts[:3] < parse_version(catalogue.releases[0])[:3]:
        finding = make_finding("version-too-old", "mlflow_version", f"MLflow {version} is older than the catalogue")
        return catalogue.release(catalogue.releases[0]), [finding]
    if parts[:3] > parse_version(newest)[:3]:
        record = introspect(version) if introspect else None
        if record:
            return make_release(record), []
        finding = make_finding(
            "version-newer",
            "mlflow_version",
            f"MLflow {version} is newer than the catalogue and was checked against {newest}",
        )
        return catalogue.release(version, described_by=newest), [finding]
    nearest = catalogue.nearest_older(parts)
    finding = make_finding(
        "version-unknown",
        "mlflow_version",
        f"MLflow {version} was never published",
        f"use a published release; the next older one is {nearest}",
    )
    return catalogue.release(version, described_by=nearest), [finding]


def check(
    request: Request,
    catalogue: Catalogue,
    previous: dict[str, Any] | None = None,
    introspect: Callable[[str], dict | None] | None = None,
) -> Result:
    """Look at everything, then sort what was found into refused, announced and knowingly accepted."""
    release, findings = find_release(request.mlflow_version, catalogue, introspect)
    resolved, found = resolve(request, release, catalogue)
    findings += found
    for rules in (check_databases, check_prometheus):
        findings += rules(resolved)
    findings += check_artifacts(resolved, catalogue)
    words, found = check_servers(resolved, catalogue)
    findings += found
    findings += check_files(resolved, words)
    findings += check_network(resolved)
    findings += check_runtime(resolved, catalogue)

    argv = make_argv(resolved, catalogue)
    environment, withheld = split_secrets(resolved.environment)
    state = make_state(resolved, argv, environment, withheld)
    transitions: list[Transition] = []
    if previous:
        transitions, found = compare(previous, state)
        findings += found

    findings += _accept.problems(request.accept)
    accepted = [finding for finding in findings if finding.code in request.accept and finding.code not in _accept.OWN]
    rest = [finding for finding in findings if finding not in accepted]
    rest.sort(key=lambda finding: finding.severity != ERROR)
    guard_accept = _accept.for_the_guard(request.accept)
    return Result(argv, environment, withheld, rest, accepted, transitions, state, guard_accept)
