# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The comparison of the own database with another's: what it makes of its samples."""

from __future__ import annotations

import pytest

from laboratory.benchmark import database
from laboratory.benchmark.report import Report

SAMPLES = {
    database.OWN: {"deploy": [40.0, 20.0], "second": [10.0, 10.0], "destroy": [8.0, 4.0], "check": [1.0, 2.0]},
    database.OTHERS: {"deploy": [30.0, 10.0], "second": [11.0, 12.0], "destroy": [4.0, 2.0], "check": [3.0, 3.0]},
}


def test_each_step_is_told_of_both_and_as_ratio_of_pairs():
    report = Report({}, {})
    database.fill(report, SAMPLES, [4.0])
    ratio = report.figures["Deploy with images present"][2]
    assert (ratio.samples, ratio.unit) == ([0.75, 0.5], "ratio")
    assert [row.median for row in report.figures["Second run"]] == [10.0, 11.5, 1.15]
    checks = report.figures[database.CHECKS]
    assert [(row.median, row.target) for row in checks] == [(1.5, 2), (3.0, 2), (4.0, 5)]


@pytest.mark.parametrize("words", [["--repetitions", "0"], ["--port", "65536"]])
def test_numbers_out_of_range_are_refused(words, capsys):
    with pytest.raises(SystemExit) as ended:
        database.arguments(words)
    assert ended.value.code == 2
    assert f"{words[0]} is {words[1]}: give 1 to " in capsys.readouterr().err
