# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The comparison of S3 with NFS: what it makes of its samples."""

from __future__ import annotations

import pytest

from laboratory.benchmark import stores

SAMPLES = {
    "S3": {
        "large_up": [10.0, 30.0, 20.0],
        "large_down": [8.0],
        "small_up": [1.0, 3.0],
        "small_down": [4.0],
        "deploy": [40.0],
    },
    "NFS": {
        "large_up": [40.0, 40.0, 41.0],
        "large_down": [2.0],
        "small_up": [1.0],
        "small_down": [6.0],
        "deploy": [60.0],
        "memory": [9.0],
    },
}
MEANINGS = stores.kinds(stores.arguments(["--large", "16", "--small", "9"]))


def test_a_row_has_medians_their_spread_and_the_ratio():
    rows = stores.table(SAMPLES, MEANINGS).splitlines()[2:]
    assert rows[0] == "| 1 file of 16 MiB, up, MB/s | 20.0 (10.0 to 30.0) | 40.0 (40.0 to 41.0) | 2.00 |"
    assert rows[1] == "| 1 file of 16 MiB, down, MB/s | 8.0 (8.0 to 8.0) | 2.0 (2.0 to 2.0) | 0.25 |"
    assert [row.split(" | ")[0] for row in rows[2:]] == [
        "| 9 files of 64 KiB, up, MB/s",
        "| 9 files of 64 KiB, down, MB/s",
        "| deploying, s",
    ]
    assert rows[4] == "| deploying, s | 40.0 (40.0 to 40.0) | 60.0 (60.0 to 60.0) | 1.50 |"


def test_the_plot_names_both_stores_and_is_the_same_every_time(tmp_path):
    drawn = []
    for name in ("one.svg", "two.svg"):
        stores.draw(SAMPLES, MEANINGS, tmp_path / name)
        drawn.append((tmp_path / name).read_text(encoding="utf-8"))
    assert drawn[0] == drawn[1]
    assert all(f">{word}</text>" in drawn[0] for word in ("S3", "NFS", "40.0", "9 files of 64 KiB, MB/s"))


@pytest.mark.parametrize("words", [["--repetitions", "0"], ["--large", "5000"], ["--small", "-1"], ["--port", "65536"]])
def test_numbers_out_of_range_are_refused(words, capsys):
    with pytest.raises(SystemExit) as ended:
        stores.arguments(words)
    assert ended.value.code == 2
    assert f"{words[0]} is {words[1]}: give 1 to " in capsys.readouterr().err
