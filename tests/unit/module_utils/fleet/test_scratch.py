# SPDX-License-Identifier: GPL-3.0-or-later
"""Promises about a scratch host: what was cut off is finished, what is somebody else's stays."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plugins.module_utils.fleet.scratch import Note, Refusal, read, to_remove, to_restore

MINE = Note("restore", "full", "2026-11-20 13:00:00.000000+00")
OTHER = Note("restore", "full", "")
DRILL = Note("drill", "full", "")


def whole(note: Note) -> Note:
    return replace(note, whole=True)


def test_a_note_is_read_as_it_was_written() -> None:
    assert read(whole(MINE).text()) == whole(MINE)
    assert read(None) is None


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"purpose": "drill"}'])
def test_a_note_that_cannot_be_read_is_somebodys(text: str) -> None:
    there = read(text)
    assert there is not None
    assert isinstance(to_restore(there, DRILL, answers=False), Refusal)
    assert to_remove(there, "drill", answers=True, data=True) == ()


def test_an_empty_host_is_restored_to() -> None:
    assert to_restore(None, MINE, answers=False) == ("restore", "start")


def test_what_was_cut_off_is_finished() -> None:
    assert to_restore(MINE, MINE, answers=False) == ("stop", "restore", "start")


def test_what_is_there_is_left_alone() -> None:
    assert to_restore(whole(MINE), MINE, answers=True) == ()
    assert to_restore(whole(MINE), MINE, answers=False) == ("start",)


def test_along_another_timeline_the_same_moment_is_another_one() -> None:
    assert to_restore(whole(MINE), replace(MINE, timeline="2"), answers=True) == ("stop", "restore", "start")


def test_the_latest_that_is_asked_for_later_is_restored_again() -> None:
    there = whole(replace(OTHER, asked="2026-11-20T12:00:00+00:00"))
    assert read(there.text()) == there
    later = replace(OTHER, label="newer", asked="2026-11-20T13:00:00+00:00")
    assert to_restore(there, later, answers=True) == ("stop", "restore", "start")


@pytest.mark.parametrize("wanted", [MINE, DRILL])
def test_nobodys_copy_is_replaced(wanted: Note) -> None:
    refused = to_restore(whole(OTHER), wanted, answers=True)
    assert isinstance(refused, Refusal)
    assert "-e restore_to=nowhere" in refused.why


def test_a_half_copy_is_said_to_be_half() -> None:
    refused = to_restore(OTHER, MINE, answers=False)
    assert isinstance(refused, Refusal)
    assert "half restored" in refused.why


@pytest.mark.parametrize("wanted", [MINE, DRILL])
def test_what_a_drill_left_behind_may_go(wanted: Note) -> None:
    assert to_restore(whole(DRILL), wanted, answers=True) == ("stop", "restore", "start")


def test_a_drill_cleans_up_after_drills_only() -> None:
    assert to_remove(DRILL, "drill", answers=True, data=True) == ("stop", "remove")
    assert to_remove(whole(MINE), "drill", answers=True, data=True) == ()
    assert to_remove(whole(MINE), "restore", answers=True, data=True) == ("stop", "remove")


def test_an_empty_host_is_clean() -> None:
    assert to_remove(None, "restore", answers=False, data=False) == ()
