# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Artifacts up and down through a public address, by MLflow's client: MB/s of one large file, and of small ones.

A process of its own, so that MLflow is not loaded into the one that waits.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import uuid
from pathlib import Path

from laboratory.benchmark.artifacts import MIB, SMALL_BYTES, Public, make_files, read_back, seconds
from laboratory.benchmark.processes import COMMAND_SECONDS, StepFailed, perform
from laboratory.load.record import one_line

MEGABYTE = 10**6
# A single transfer takes less than a second, and what else a machine does in that second is chance.
ROUNDS = 4
# Of the large file, in each round: a single one takes a fifth of a second, in which chance weighs much.
DOWNLOADS = 3


def rates(url: str, large_mib: int, small: int, **variables: str) -> dict[str, list[float]]:
    """MB/s of the large file and of the small ones, up and down, in each round; 0 leaves one kind out.

    1 MB is 1,000,000 bytes. variables: of the client's environment.
    """
    words = ["python", "-m", "laboratory.campaign.artifacts", url, str(large_mib), str(small)]
    done = perform(words, timeout=COMMAND_SECONDS, check=False, expendable=True, **variables)
    if done.returncode:
        raise StepFailed((done.stderr.strip().splitlines() or ["the process that sends them ended without a word"])[-1])
    return json.loads(done.stdout.splitlines()[-1])


def measure(url: str, large_mib: int, small: int) -> dict[str, list[float]]:
    side = Public(url, f"campaign-{uuid.uuid4().hex[:12]}")
    kinds = {"large": (1, large_mib * MIB), "small": (small, SMALL_BYTES)}
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="mlops-mlflow-campaign-") as name:
        # The first round is not counted: it opens connections, and makes the store lay out its files.
        for number in range(ROUNDS + 1):
            for kind, (count, size) in kinds.items():
                if not count or not size:
                    continue
                files = make_files(Path(name), count, size, f"{kind}-{number}")
                amount = count * size / MEGABYTE
                up = seconds(lambda files=files: [side.upload(file) for file in files])
                times = DOWNLOADS if kind == "large" and number else 1
                down = statistics.median(read_back(side, files) for _ in range(times))
                for file in files:
                    file.unlink()
                if number:
                    found.setdefault(f"{kind}_up", []).append(amount / up)
                    found.setdefault(f"{kind}_down", []).append(amount / down)
    return found


if __name__ == "__main__":
    try:
        print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
    except Exception as error:
        sys.exit(one_line(error))
