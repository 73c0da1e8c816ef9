# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers as they are shown."""

from __future__ import annotations

from laboratory.campaign.measures import Measure
from laboratory.campaign.statistic import Statistic

NONE = "–"


def duration(seconds: float) -> str:
    """For people: '1 h 02 min', '15 min 03 s', '9 s'."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def number(value: float, places: int) -> str:
    return f"{value:,.{places}f}".replace(",", " ")


def median(found: Statistic | None, measure: Measure) -> str:
    if found is None:
        return NONE
    return f"{number(found.median, measure.places)}{' ' + measure.unit if measure.unit else ''}"


def spread(found: Statistic | None, measure: Measure) -> str:
    """From least to most; nothing where there is no more than the median."""
    if found is None or found.count < 2:
        return ""
    least, most = number(found.least, measure.places), number(found.most, measure.places)
    return f"{least} to {most}" if least != most else ""


def ratio(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}"
