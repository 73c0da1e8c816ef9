# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The summary in Markdown, for a README or a terminal."""

from __future__ import annotations

from laboratory.campaign.view import Cell, Table, View


def _plain(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _cell(cell: Cell) -> str:
    return _plain(
        " ".join([cell.text, *([f"({cell.spread})"] if cell.spread else []), *([cell.base] if cell.base else [])])
    )


def markdown(table: Table) -> list[str]:
    lines = [f"| | {' | '.join(map(_plain, table.heads))} |", "|---|" + "---:|" * len(table.heads)]
    lines += [f"| {' | '.join([_plain(row.label), *map(_cell, row.cells)])} |" for row in table.rows]
    return lines


def summary(shown: View) -> str:
    facts, machine = shown.facts["Campaign"], shown.facts["Machine"]
    compared = f"; × is the ratio to {shown.names[0]}" if len(shown.names) > 1 else ""
    lines = [
        f"**{shown.verdict}.** {facts['begun']}, in {facts['took']}; {machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory']}. Medians, from least to most in brackets{compared}.",
        *(["", *markdown(shown.glance)] if shown.glance.rows else []),
    ]
    for table in shown.peers:
        lines += ["", f"Beside {table.title}, on the same PostgreSQL and store:", "", *markdown(table)]
    skipped = [f"{each['name']}: {each['reason']}" for each in shown.skipped]
    for title, found in (("Problems", shown.problems), ("Left out", [*skipped, *shown.notes])):
        if found:
            lines += ["", f"{title}:", "", *(f"- {_plain(each)}" for each in found)]
    return "\n".join([*lines, ""])
