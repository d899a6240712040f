# SPDX-License-Identifier: GPL-3.0-or-later
"""Promises about a restore in place: one at a time, to its end, and with a way back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plugins.module_utils.fleet.in_place import Note, ended_short, overtaken, read, refusal, undo_of

BEGUN = Note("2026-11-20 12:00:00.000000+00", "full", "", "3", "0/9000028", "alice")
FOUNDED = replace(BEGUN, founded_on="4")
LATEST = replace(BEGUN, target="")
HISTORY = "1\t0/3000000\tno recovery target specified\n3\t{}\tno recovery target specified\n"


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
    assert "-e restore_time=latest -e restore_timeline=3" in why


def test_the_way_back_goes_to_the_end_of_the_old_timeline() -> None:
    assert undo_of({"newest": 1795179600.25, "timeline": "3", "lsn": "0/9000028"}) == ("3", "0/9000028")
    assert BEGUN.undo.endswith("-e restore_to=in_place -e restore_time=latest -e restore_timeline=3")


def test_without_marks_there_is_no_way_back_and_that_is_said() -> None:
    assert undo_of({}) == ("", "")
    assert "no way back" in Note("", "full", "").undo


def test_a_note_of_one_that_was_founded_says_so() -> None:
    assert read(FOUNDED.text()) == FOUNDED
    assert "founded on timeline 4" in (refusal(FOUNDED, Note("", "full", "")) or "")


def test_what_another_member_wrote_since_is_never_thrown_away() -> None:
    why = overtaken(FOUNDED, ["http://10.44.1.14:8008"]) or ""
    assert "founded on timeline 4" in why
    assert "10.44.1.14" in why
    assert overtaken(FOUNDED, []) is None
    # Before it is founded another member leads, and is stopped.
    assert overtaken(BEGUN, ["http://10.44.1.14:8008"]) is None
    assert overtaken(None, ["http://10.44.1.14:8008"]) is None


def test_the_latest_that_ends_before_the_mark_is_short() -> None:
    assert "0/8FFFFFF of timeline 3" in (ended_short(LATEST, HISTORY.format("0/8FFFFFF"), []) or "")
    assert ended_short(LATEST, HISTORY.format("0/9000028"), []) is None
    assert ended_short(replace(LATEST, timeline="3"), HISTORY.format("0/10"), []) is not None


def test_what_was_meant_to_end_earlier_is_not_short() -> None:
    assert ended_short(BEGUN, HISTORY.format("0/10"), []) is None
    assert ended_short(replace(LATEST, timeline="2"), HISTORY.format("0/10"), []) is None
    assert ended_short(replace(LATEST, mark=""), HISTORY.format("0/10"), []) is None


def test_wal_that_could_not_be_read_is_short_whatever_was_asked_for() -> None:
    assert "unable to read 5" in (ended_short(BEGUN, "", ["unable to read 5"]) or "")
