# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written, computed from a seed: who knows a run's seed can say what must be in it."""

from __future__ import annotations

import hashlib
import random
from functools import lru_cache
from pathlib import Path

METRICS = ("loss", "accuracy", "learning_rate", "gradient_norm")
BLOCK = 2**20
MASK = 2**64 - 1


def seed_of(experiment: str, worker: int, number: int) -> int:
    """The seed of a process's run: 64 bits."""
    return int.from_bytes(hashlib.sha256(f"{experiment}/{worker}/{number}".encode()).digest()[:8], "big")


def metric_place(index: int) -> tuple[str, int]:
    """A run's metrics are counted through: the index gives name and step."""
    return METRICS[index % len(METRICS)], index // len(METRICS)


def metric_index(name: str, step: int) -> int:
    return step * len(METRICS) + METRICS.index(name)


def metric_value(seed: int, index: int) -> float:
    """From 0 to 1, and exactly the same after a way through JSON and a database (splitmix64)."""
    state = (seed + (index + 1) * 0x9E3779B97F4A7C15) & MASK
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
    return ((state ^ (state >> 31)) >> 11) / 2**53


def text_name(kind: str, index: int) -> str:
    """Of a param or a tag."""
    return f"{kind}_{index:03}"


def text_value(seed: int, kind: str, index: int) -> str:
    """Of a param or a tag; with what databases and URLs like to spoil."""
    return f"{kind} {index}: {seed:016x} '\"\\%&/ äß漢"


@lru_cache(maxsize=1)
def _block() -> bytes:
    return random.Random(0).randbytes(BLOCK)


def write_artifact(path: Path, seed: int, index: int, size: int) -> str:
    """Write a file that no other artifact equals, in none of its blocks, and return its SHA-256."""
    digest = hashlib.sha256()
    with path.open("wb") as stream:
        for number in range(-(-size // BLOCK)):
            stamp = hashlib.sha256(f"{seed}/{index}/{number}".encode()).digest()
            block = (stamp + _block()[len(stamp) :])[: size - number * BLOCK]
            digest.update(block)
            stream.write(block)
    return digest.hexdigest()


def sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
