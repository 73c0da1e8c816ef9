# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of the local Docker engine, for the engines of the beds."""

from __future__ import annotations

import subprocess

from tests.beds.commands import BedFailed, perform


def identities(references: list[str]) -> dict[str, str]:
    """What the images are now; one that is not there is refused."""
    found = {}
    for reference in references:
        found[reference] = perform(
            ["docker", "image", "inspect", "--format", "{{.Id}}", reference], check=False
        ).strip()
        if not found[reference]:
            raise BedFailed(f"The image {reference} is not in the local Docker engine: build or pull it first.")
    return found


def copy(references: list[str], take: list[str], seconds: float) -> None:
    """Hand images to a program that reads an archive of them."""
    with subprocess.Popen(["docker", "save", *references], stdout=subprocess.PIPE) as save:
        try:
            taken = subprocess.run(
                take, stdin=save.stdout, capture_output=True, text=True, timeout=seconds, check=False
            )
        finally:
            # One that is no longer read from would wait for ever.
            save.stdout.close()
            save.wait(60)
    if taken.returncode or save.returncode:
        raise BedFailed(f"The images {', '.join(references)} could not be loaded: {taken.stderr.strip()[-500:]}")
