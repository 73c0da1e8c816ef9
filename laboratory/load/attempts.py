# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Count the HTTP requests of this process, and how many were repeated without the caller being told."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry


@dataclass
class Attempts:
    requests: int = 0
    retries: int = 0


def count_attempts() -> Attempts:
    """Wrap the two places that every request of the client goes through, for the rest of this process's life."""
    counted = Attempts()
    send, increment = HTTPAdapter.send, Retry.increment

    @functools.wraps(send)
    def counting_send(self, *arguments, **options):
        counted.requests += 1
        return send(self, *arguments, **options)

    @functools.wraps(increment)
    def counting_increment(self, *arguments, **options):
        # It raises when no retry is left.
        following = increment(self, *arguments, **options)
        counted.retries += 1
        return following

    HTTPAdapter.send, Retry.increment = counting_send, counting_increment
    return counted
