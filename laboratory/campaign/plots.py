# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plots as SVG for a page that is bright or dark: text and lines take the page's colours, the bars have their own."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Mapping, Sequence

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot
from matplotlib.figure import Figure

from laboratory.campaign.statistic import Statistic

# Readable on white and on black, and apart for most eyes that see colours differently (after Okabe and Ito).
COLOURS = ("#3b82c4", "#d97706", "#2f9e7a", "#c2558f", "#8a7fd0", "#7f8a94")
MARKERS = ("o", "s", "D", "^", "v", "P")
# Stand-ins that the page's own colours take the place of.
INK, FAINT = "#010203", "#040506"
WIDTH, HEIGHT = 4.6, 2.7

STYLE = {
    # Text stays text, and the same figures make the same file.
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


def svg(figure: Figure, name: str, meaning: str) -> str:
    """For inlining. name: unique in the page, identifiers in it begin with it. meaning: for those who cannot see it."""
    stream = io.StringIO()
    mpl.rcParams["svg.hashsalt"] = name
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    pyplot.close(figure)
    text = stream.getvalue()
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(xlink:href="|url\()#', rf"\g<1>#{name}-", text)
    text = text.replace("xlink:href=", "href=")
    text = text.replace(INK, "currentColor").replace(FAINT, "var(--faint)")
    # The page's font in place of a list of files that the machine of the reader may lack.
    text = re.sub(r"font: ([\d.]+px) [^;\"]+", r"font: \1 var(--font)", text)
    head = re.match(r"<svg[^>]*>", text)[0]
    box = re.search(r'viewBox="[^"]+"', head)[0]
    return f'<svg {box} role="img" aria-label="{meaning}" xmlns="http://www.w3.org/2000/svg">{text[len(head) :]}'


def _bars(
    axes: mpl.axes.Axes, names: Sequence[str], rows: Mapping[str, Sequence[Statistic | None]], values: bool
) -> None:
    """Groups of bars with whiskers from least to most. values: the medians in figures, too."""
    width = 0.8 / len(rows)
    for number, (label, found) in enumerate(rows.items()):
        places = [place + (number - (len(rows) - 1) / 2) * width for place in range(len(names))]
        heights = [each.median if each else 0 for each in found]
        whiskers = [
            [each.median - each.least if each else 0 for each in found],
            [each.most - each.median if each else 0 for each in found],
        ]
        drawn = axes.bar(places, heights, width * 0.92, label=label, color=COLOURS[number % len(COLOURS)])
        if values:
            axes.bar_label(drawn, [f"{each.median:.1f}" if each else "" for each in found], padding=2, fontsize=8.5)
            # So that they do not touch the title.
            axes.margins(y=0.12)
        # A single sample has no spread to show.
        if any(each and each.count > 1 for each in found):
            axes.errorbar(places, heights, whiskers, fmt="none", ecolor=INK, elinewidth=1, capsize=2)
    axes.set_xticks(range(len(names)), names)
    axes.set_xlim(-0.65, len(names) - 0.35)
    axes.tick_params(axis="x", length=0)
    if len(rows) > 1:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=min(3, len(rows)), handlelength=1)


def bars(
    name: str,
    title: str,
    unit: str,
    names: Sequence[str],
    rows: Mapping[str, Sequence[Statistic | None]],
    values: bool = False,
) -> str:
    """One group of bars for each of names, one bar for each of rows."""
    with mpl.rc_context(STYLE):
        figure, axes = pyplot.subplots(figsize=(WIDTH, HEIGHT), layout="constrained")
        _bars(axes, names, rows, values)
        axes.set_title(f"{title}, {unit}" if unit else title, loc="left")
        return svg(figure, name, f"Bars: {title} of {', '.join(names)}; the figures are in the table.")


def stacks(
    name: str, title: str, unit: str, names: Sequence[str], rows: Mapping[str, Sequence[Statistic | None]]
) -> str:
    """One bar for each of names, made of one piece for each of rows."""
    with mpl.rc_context(STYLE):
        figure, axes = pyplot.subplots(figsize=(WIDTH, HEIGHT), layout="constrained")
        bottoms = [0.0] * len(names)
        for number, (label, found) in enumerate(rows.items()):
            heights = [each.median if each else 0.0 for each in found]
            axes.bar(names, heights, 0.55, bottom=bottoms, label=label, color=COLOURS[number % len(COLOURS)])
            bottoms = [bottom + height for bottom, height in zip(bottoms, heights, strict=True)]
        axes.tick_params(axis="x", length=0)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=min(3, len(rows)), handlelength=1)
        axes.set_title(f"{title}, {unit}", loc="left")
        return svg(figure, name, f"Bars: {title} of {', '.join(names)} by component; the figures are in the table.")


def time_lines(name: str, title: str, lines: Mapping[str, dict]) -> str:
    """Calls that were completed in each second, a panel for each deployment; the longest gap is shaded."""
    with mpl.rc_context(STYLE):
        height = 0.7 + 1.15 * len(lines)
        figure, panels = pyplot.subplots(
            len(lines), 1, figsize=(WIDTH, height), sharex=True, squeeze=False, layout="constrained"
        )
        for axes, (deployment, line) in zip(panels[:, 0], lines.items(), strict=True):
            seconds = range(len(line["ok"]))
            axes.bar(seconds, line["ok"], 1.0, align="edge", color=COLOURS[0])
            if any(line["failed"]):
                axes.bar(seconds, line["failed"], 1.0, align="edge", bottom=line["ok"], color=COLOURS[3])
            axes.axvspan(
                line["gap_start"], line["gap_start"] + line["gap_seconds"], color=COLOURS[1], alpha=0.35, linewidth=0
            )
            axes.set_title(f"{deployment}: {line['gap_seconds']:.1f} s without an answer", loc="left", fontsize=9)
            axes.margins(x=0)
        panels[-1, 0].set_xlabel("seconds since the load began")
        return svg(figure, name, f"{title}: answered calls in each second, for {', '.join(lines)}.")


def _ratio_axis(axes: mpl.axes.Axes, values: Sequence[float]) -> None:
    """Logarithmic, so that twice and half are as far from 1, which is in the middle."""
    axes.axvline(1, color=INK, linewidth=1)
    axes.set_xscale("log")
    most = max([1.25, *(max(value, 1 / value) for value in values)]) * 1.1
    axes.set_xlim(1 / most, most)
    # Where the range is wide, those next to 1 would touch it.
    near = (0.8, 1, 1.25) if most < 2.5 else (1,)
    ticks = [tick for tick in (0.01, 0.1, 0.2, 0.5, *near, 2, 5, 10, 100) if 1 / most <= tick <= most]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()


def dots(name: str, title: str, labels: Sequence[str], rows: Mapping[str, Sequence[float | None]]) -> str:
    """A line for each of labels, and on it the ratio of each of rows."""
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure, axes = pyplot.subplots(figsize=(WIDTH, 1.0 + 0.3 * len(labels)), layout="constrained")
        places = range(len(labels))
        for place in places:
            axes.axhline(place, color=FAINT, linewidth=0.6, zorder=0)
        for number, (label, found) in enumerate(rows.items()):
            # Apart from each other where the ratios are the same.
            shift = (number - (len(rows) - 1) / 2) * 0.22
            shown = [(value, place + shift) for place, value in zip(places, found, strict=True) if value]
            across, down = zip(*shown, strict=True) if shown else ((), ())
            colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
            axes.scatter(across, down, 34, color=colour, marker=marker, label=label, zorder=2)
        axes.set_yticks(places, labels, fontsize=8.5)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.margins(y=0.06)
        axes.invert_yaxis()
        _ratio_axis(axes, [value for found in rows.values() for value in found if value])
        axes.legend(loc="upper center", bbox_to_anchor=(0.4, -0.12), ncols=min(3, len(rows)), handletextpad=0.2)
        axes.set_title(title, loc="left")
        return svg(figure, name, f"{title}: {', '.join(rows)}; the figures are in the table.")


def ratios(name: str, title: str, labels: Sequence[str], values: Sequence[float], marks: Sequence[str]) -> str:
    """Horizontal bars from 1 on, on a logarithmic axis. marks: better, worse, or nothing, of each."""
    colours = {"better": COLOURS[2], "worse": COLOURS[1], "": COLOURS[5]}
    with mpl.rc_context({**STYLE, "axes.grid.axis": "x"}):
        words = [textwrap.fill(label, 24) for label in labels]
        height = 0.8 + 0.18 * sum(label.count("\n") + 1.8 for label in words)
        figure, axes = pyplot.subplots(figsize=(WIDTH, height), layout="constrained")
        places = range(len(labels))
        axes.barh(places, [value - 1 for value in values], 0.7, left=1, color=[colours[mark] for mark in marks])
        axes.set_yticks(places, words, fontsize=8.5)
        axes.margins(y=0.01)
        axes.invert_yaxis()
        _ratio_axis(axes, values)
        axes.set_title(title, loc="left")
        return svg(figure, name, f"{title}; the figures are in the table.")
