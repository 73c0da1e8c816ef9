# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The result as a file, as a table and as an exit code."""

from __future__ import annotations

import json
import os
from pathlib import Path

FORMAT = 1
OK, NOT_PROVED = 0, 1


def problems(result: dict, fail_on_failed_calls: bool) -> list[str]:
    """Why the result is not good, a line each."""
    proof = result["read_back"]
    lost_writes = sum(proof["lost_writes"].values())
    table = [
        (len(proof["lost_runs"]), "acknowledged runs are lost"),
        (lost_writes, "acknowledged writes are lost"),
        (proof["not_checked"], "things could not be checked: " + "; ".join(proof["reasons"])),
        (result["wrong_answers"], "reads during the load did not show what was acknowledged before"),
        (result["failed_calls"] * fail_on_failed_calls, "calls failed"),
    ]
    lines = [f"{count} {what}" for count, what in table if count]
    lines += [f"process {worker['number']} died: {worker['died']}" for worker in result["workers"] if worker["died"]]
    if not result["ended"]:
        lines.append("the load was cut short: its main process did not come to its end")
    return lines


def write(path: Path, content: dict) -> None:
    """Whole or not at all."""
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(draft, path)


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value * 1000:.0f}"


def table(result: dict) -> str:
    proof, gap = result["read_back"], result["longest_gap"]
    failed = ", ".join(f"{count} {name}" for name, count in result["failures"]["by_error"].items())
    lost = ", ".join(f"{count} {kind}" for kind, count in proof["lost_writes"].items() if count)
    rows = [
        ("time", f"{result['end'] - result['start']:.1f} s, {len(result['workers'])} processes, {result['profile']}"),
        ("calls", f"{result['calls']} ({result['calls_per_second']:.1f} successful a second)"),
        ("failed calls", f"{result['failed_calls']}" + (f" ({failed})" if failed else "")),
        ("calls with a retry", f"{result['retried_calls']}"),
        ("runs", f"{result['runs']} ({result['runs_per_second']:.2f}/s)"),
        ("metrics", f"{result['metrics']} ({result['metrics_per_second']:.0f}/s)"),
        *(
            (
                f"artifacts {way}",
                f"{result[key]['bytes'] / 1e6:.1f} MB ({result[key]['mb_per_second']:.1f} MB/s, "
                f"{result[key]['mb_per_second_in_calls']:.1f} MB/s in a call)",
            )
            for way, key in (("up", "upload"), ("down", "download"))
        ),
        ("longest gap", f"{gap['seconds']:.2f} s, from second {gap['start'] - result['start']:.1f}"),
        ("cpu of the load", "-" if result["cpu_seconds"] is None else f"{result['cpu_seconds']:.1f} s"),
        ("read back", f"{proof['seconds']:.1f} s, {sum(proof['checked'].values())} values of {proof['runs']} runs"),
        ("lost runs", f"{len(proof['lost_runs'])}"),
        ("lost writes", f"{sum(proof['lost_writes'].values())}" + (f" ({lost})" if lost else "")),
        ("not checked", f"{proof['not_checked']}"),
    ]
    width = max(len(name) for name, _value in rows)
    lines = [f"{name:<{width}}  {value}" for name, value in rows]
    lines += ["", f"{'milliseconds':<24}{'count':>8}{'p50':>8}{'p95':>8}{'p99':>8}{'max':>8}"]
    for operation, row in result["latency"].items():
        points = "".join(f"{_milliseconds(row[name]):>8}" for name in ("p50", "p95", "p99", "max"))
        lines.append(f"{operation:<24}{row['count']:>8}{points}")
    lines += ["", *result["problems"]] if result["problems"] else ["", "All that was acknowledged is there."]
    return "\n".join(lines)
