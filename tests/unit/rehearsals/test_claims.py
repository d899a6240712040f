# SPDX-License-Identifier: GPL-3.0-or-later
"""Two primaries are seen in who took writes, and when."""

from __future__ import annotations

from tests.rehearsals.claims import Write, reigns


def test_one_who_follows_another_is_seen_once() -> None:
    writes = [Write("b", 1, 3.0), Write("a", 1, 1.0), Write("a", 2, 2.0), Write("b", 2, 4.0)]
    assert reigns(writes) == ["a", "b"]
    assert reigns([]) == []


def test_two_at_a_time_are_seen() -> None:
    assert reigns([Write("a", 1, 1.0), Write("b", 1, 2.0), Write("a", 2, 3.0)]) == ["a", "b", "a"]
