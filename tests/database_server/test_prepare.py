# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases and roles are made, are repaired, and are left alone where they are right."""

from __future__ import annotations

from .servers import Server, changed


def test_a_fresh_server_is_prepared_once(each: Server) -> None:
    first = each.play()
    assert first.code == 0, first.text
    again = each.play()
    assert again.code == 0, again.text
    assert changed(again) == 0, again.text
