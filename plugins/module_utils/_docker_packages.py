# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages bring Docker to a host, beside what it has already: packages of either vendor, and sources of apt."""

from __future__ import annotations

from typing import NamedTuple

# Each of one vendor's conflicts with one of the other's, so the two are never mixed.
UPSTREAM = ("docker-ce", "docker-ce-cli", "docker-compose-plugin", "containerd.io")
DISTRIBUTION = ("docker.io", "docker-cli", "docker-compose", "docker-compose-v2")
# What the collection's modules and the engine's network need, from the distribution in both cases.
COMMON = ("iptables", "python3-requests")
# In which package a release has the Compose plugin (Debian 12: that of Debian 13), and the client, where it is not the
# engine's.
COMPOSE = {
    "bookworm": "docker-compose",
    "trixie": "docker-compose",
    "jammy": "docker-compose-v2",
    "noble": "docker-compose-v2",
}
CLIENT = {"trixie": "docker-cli"}


class Source(NamedTuple):
    """One component of a suite that apt has: the file that says so, and what its Release file says of itself."""

    file: str
    address: str
    suite: str
    component: str
    origin: str
    codename: str


# What apt is asked for, in the order of Source's fields.
FORMAT = "$(SOURCESENTRY)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)|$(CODENAME)"


def sources(listing: str) -> list[Source]:
    """The lines of `apt-get indextargets`. What apt does not know before a first update stays as it was asked."""
    found = []
    for line in listing.splitlines():
        words = ["" if word.startswith("$(") else word for word in line.split("|")]
        if len(words) == len(Source._fields):
            file, address, *more = words
            found.append(Source(file.rpartition(":")[0], address.rstrip("/"), *more))
    return sorted(set(found))


def components(known: list[Source], address: str, suite: str) -> list[str]:
    """What apt has of a repository already, whoever wrote it down."""
    return sorted({each.component for each in known if each.address == address.rstrip("/") and each.suite == suite})


def has_suite(known: list[Source], codename: str, address: str, own: str) -> bool:
    """Whether the host takes packages of this Debian release by its own choice, and not by the file `own`."""
    others = [each for each in known if each.file != own and each.component == "main"]
    return any(
        (each.origin == "Debian" and each.codename == codename)
        or (each.suite == codename and each.address == address.rstrip("/"))
        for each in others
    )


def mirror(known: list[Source], codename: str) -> str:
    """Where the host has Debian's release from; nothing where it is from nowhere."""
    found = [each for each in known if codename in (each.codename, each.suite) and each.component == "main"]
    # Others name their releases so too; only a Release file tells them apart, which is not here before a first update.
    found.sort(key=lambda each: each.origin != "Debian")
    return found[0].address if found else ""


class Plan(NamedTuple):
    supply: str
    packages: list[str]
    refusal: str


def plan(
    installed: list[str], codename: str, engine: bool, client: bool, answers: bool, of_repository: list[str]
) -> Plan:
    """From whom the missing parts come, and which they are.

    engine, client: whether their programs are there, from wherever; answers: whether Docker's own repository does;
    of_repository: the components of it that apt has already.
    """
    of_docker = [name for name in UPSTREAM if name in installed]
    of_distribution = [name for name in DISTRIBUTION if name in installed]
    if answers and (of_docker or not of_distribution):
        if of_repository and "stable" not in of_repository:
            return Plan(
                "",
                [],
                f"apt has the components {', '.join(of_repository)} of it, and not stable, which the packages are in",
            )
        missing = ["docker-compose-plugin"]
        missing += [] if client else ["docker-ce-cli"]
        missing += [] if engine else ["docker-ce", "docker-ce-cli", "containerd.io"]
        return Plan("upstream", sorted({*missing, *COMMON}), "")
    if of_docker and not (engine and client):
        return Plan(
            "",
            [],
            f"{', '.join(of_docker)} of Docker's own packages is installed, and the distribution's would take it away",
        )
    missing = [COMPOSE[codename]]
    missing += [] if of_docker or codename not in CLIENT else [CLIENT[codename]]
    missing += [] if engine else ["docker.io"]
    return Plan("distribution", sorted({*missing, *COMMON}), "")


def complaint(said: str) -> str:
    """What apt says is wrong, without what follows from it."""
    found = [line.partition("E: ")[2].rstrip(".") for line in said.splitlines() if line.startswith("E: ")]
    return f"{(found or [said.strip() or 'it says nothing'])[0]}."
