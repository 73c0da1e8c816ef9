# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""Quantities as Kubernetes writes them, as numbers."""

from __future__ import annotations

import re

UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def bytes_of(quantity: str) -> int:
    """A quantity of memory as a number of bytes."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kMGT]|[KMGT]i|m|)", str(quantity))
    if not match:
        return 0
    return int(float(match[1]) / 1000) if match[2] == "m" else int(float(match[1]) * UNITS[match[2]])


def cpus_of(quantity: str) -> float:
    """A quantity of processors as a number."""
    text = str(quantity)
    try:
        return float(text[:-1]) / 1000 if text.endswith("m") else float(text)
    except ValueError:
        return 0.0


def amount(resource: str, quantity: str) -> float:
    """A quantity of a resource, by its name or by that of a quota: processors, else bytes or a number of objects."""
    return cpus_of(quantity) if resource.endswith("cpu") else float(bytes_of(quantity))
