# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures from the record: pure functions of the calls and of the time that the load took."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

import numpy

from laboratory.load.record import Call

MEGABYTE = 10**6


def latency(seconds: Iterable[float]) -> dict:
    """count, p50, p95, p99 and max of durations in seconds; None where there are none."""
    values = numpy.fromiter(seconds, dtype=float)
    if not values.size:
        return {"count": 0, "p50": None, "p95": None, "p99": None, "max": None}
    p50, p95, p99 = numpy.percentile(values, (50, 95, 99))
    points = {"p50": p50, "p95": p95, "p99": p99, "max": values.max()}
    return {"count": int(values.size), **{name: round(float(value), 6) for name, value in points.items()}}


def longest_gap(successes: Iterable[float], start: float, end: float) -> dict:
    """The longest time in which no call was completed with success, the edges of the load included."""
    longest, since, before = 0.0, start, start
    for moment in [*sorted(moment for moment in successes if start <= moment <= end), end]:
        if moment - before > longest:
            longest, since = moment - before, before
        before = moment
    return {"seconds": round(longest, 3), "start": round(since, 3)}


def time_line(calls: Iterable[Call], start: float, end: float) -> dict:
    """Calls that were completed in each second since the start: two lists of the same length."""
    length = max(1, math.ceil(end - start))
    ok, failed = [0] * length, [0] * length
    for call in calls:
        second = min(max(0, int(call.end - start)), length - 1)
        (ok if call.ok else failed)[second] += 1
    return {"ok": ok, "failed": failed}


def failures(calls: Iterable[Call]) -> dict:
    """Failed calls by operation and by class of error, with one message of each class."""
    failed = [call for call in calls if not call.ok]
    return {
        "by_operation": dict(Counter(call.operation for call in failed)),
        "by_error": dict(Counter(call.error_class for call in failed)),
        "examples": {call.error_class: call.error for call in reversed(failed)},
    }


def transfer(calls: Iterable[Call], operation: str, elapsed: float) -> dict:
    """Bytes of an operation's successful calls, in MB/s of the whole time and in MB/s of the time inside the calls."""
    mine = [call for call in calls if call.ok and call.operation == operation]
    amount, inside = sum(call.bytes for call in mine), sum(call.seconds for call in mine)
    return {
        "bytes": amount,
        "mb_per_second": round(amount / MEGABYTE / elapsed, 3) if elapsed else 0.0,
        "mb_per_second_in_calls": round(amount / MEGABYTE / inside, 3) if inside else 0.0,
    }


def whole_runs(calls: Iterable[Call], since: float) -> dict:
    """Successful runs, metrics and calls per second, of the runs that began after a time and came to their end.

    Over the whole time of a short load the rates are uneven: by chance a run more or less is begun, and the calls of a
    run take their time very differently. So each process counts from its first such run to the end of its last one.
    """
    rates = {"runs_per_second": 0.0, "metrics_per_second": 0.0, "calls_per_second": 0.0}
    for own in _by_worker(calls).values():
        first = next((n for n, call in enumerate(own) if call.operation == "create_run" and call.start >= since), None)
        last = next((n for n in range(len(own) - 1, -1, -1) if own[n].operation == "end_run"), None)
        if first is None or last is None or last < first:
            continue
        whole = own[first : last + 1]
        ok = [call for call in whole if call.ok]
        seconds = whole[-1].end - whole[0].start
        rates["runs_per_second"] += sum(call.operation == "end_run" for call in ok) / seconds
        rates["metrics_per_second"] += sum(call.metrics for call in ok) / seconds
        rates["calls_per_second"] += len(ok) / seconds
    return {name: round(rate, 3) for name, rate in rates.items()}


def _by_worker(calls: Iterable[Call]) -> dict[int, list[Call]]:
    found: dict[int, list[Call]] = {}
    for call in calls:
        found.setdefault(call.worker, []).append(call)
    return found


def figures(calls: list[Call], start: float, end: float, warm_up: float) -> dict:
    """All of them. Percentiles are of calls that succeeded and began after the warm-up; all else is of all calls."""
    elapsed = end - start
    ok = [call for call in calls if call.ok]
    warm = [call for call in ok if call.start >= start + warm_up]
    runs = sum(call.operation == "create_run" for call in ok)
    metrics = sum(call.metrics for call in ok)

    def rate(amount: int) -> float:
        return round(amount / elapsed, 3) if elapsed else 0.0

    return {
        "calls": len(calls),
        "failed_calls": len(calls) - len(ok),
        "failures": failures(calls),
        "retried_calls": sum(call.retries > 0 for call in calls),
        "retries": sum(call.retries for call in calls),
        "http_requests": sum(call.requests + call.retries for call in calls),
        "wrong_answers": sum(call.error_class == "WrongAnswer" for call in calls),
        "runs": runs,
        "metrics": metrics,
        "calls_per_second": rate(len(ok)),
        "runs_per_second": rate(runs),
        "metrics_per_second": rate(metrics),
        "whole_runs": whole_runs(calls, start + warm_up),
        "upload": transfer(ok, "upload", elapsed),
        "download": transfer(ok, "download", elapsed),
        "latency": {
            "all": latency(call.seconds for call in warm),
            **{
                operation: latency(call.seconds for call in warm if call.operation == operation)
                for operation in sorted({call.operation for call in calls})
            },
        },
        "longest_gap": longest_gap((call.end for call in ok), start, end),
        "time_line": time_line(calls, start, end),
    }
