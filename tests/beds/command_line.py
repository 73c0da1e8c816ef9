# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the commands of the beds have in common."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable

from tests.beds.commands import BedFailed

FAILED, REFUSED, NOT_UP = 1, 2, 3


def number(low: int, high: int) -> Callable[[str], int]:
    """The type of an option."""

    def between(word: str) -> int:
        if not word.isdigit() or not low <= int(word) <= high:
            raise argparse.ArgumentTypeError(f"{word} is not between {low} and {high}")
        return int(word)

    return between


def heed_signals() -> None:
    """One that is told to end says so, like one that is interrupted; and so does all that it starts.

    What a shell runs in the background is started deaf to Ctrl-C, and hands that on.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


def carry_out(command: Callable[[], int], removal: str) -> int:
    """Carry a command out, and return its exit code; what removes the bed stands in the word on an interruption."""
    heed_signals()
    try:
        return command()
    except BedFailed as failure:
        print(failure, file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        print(f"Interrupted; `{removal}` removes what there is.", file=sys.stderr)
        return FAILED
