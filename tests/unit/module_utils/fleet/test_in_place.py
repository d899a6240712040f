# SPDX-License-Identifier: GPL-3.0-or-later
"""Promises about a restore in place: one at a time, to its end, and with a way back."""

from __future__ import annotations

import pytest

from plugins.module_utils.fleet.in_place import Note, read, refusal, undo_of

BEGUN = Note("2026-11-20 12:00:00.000000+00", "full", "", "2026-11-20T13:00:00.000000+00", "3")


def test_a_note_is_read_as_it_was_written() -> None:
    assert read(BEGUN.text()) == BEGUN
    assert read(None) is None


@pytest.mark.parametrize("text", ["", "{}"])
def test_something_else_is_not_taken_for_nothing(text: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        read(text)


def test_the_same_restore_goes_on() -> None:
    assert refusal(BEGUN, Note("2026-11-20 12:00:00.000000+00", "full", "")) is None
    assert refusal(None, BEGUN) is None


@pytest.mark.parametrize(
    "wanted", [Note("", "full", ""), Note(BEGUN.target, "other", ""), Note(BEGUN.target, "full", "2")]
)
def test_another_one_is_refused_with_the_words_that_finish_the_first(wanted: Note) -> None:
    why = refusal(BEGUN, wanted) or ""
    assert "-e restore_time=2026-11-20T12:00:00.000000+00 -e restore_set=full" in why
    assert "-e restore_time=2026-11-20T13:00:00.000000+00 -e restore_timeline=3" in why


def test_the_way_back_names_the_old_timeline() -> None:
    assert undo_of({"newest": 1795179600.25, "timeline": "3"}) == ("2026-11-20T13:00:00.250000+00", "3")
    assert BEGUN.undo.endswith(
        "-e restore_to=in_place -e restore_time=2026-11-20T13:00:00.000000+00 -e restore_timeline=3"
    )


def test_without_marks_there_is_no_way_back_and_that_is_said() -> None:
    assert undo_of({}) == ("", "")
    assert "no way back" in Note("", "full", "").undo
