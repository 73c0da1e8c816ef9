# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""Texts of others, as they fit into a sentence."""

from __future__ import annotations


def one_line(text: object, limit: int = 200) -> str:
    """Any text as one line of a bearable length."""
    line = " ".join(str(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
