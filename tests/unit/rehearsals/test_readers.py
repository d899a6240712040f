# SPDX-License-Identifier: GPL-3.0-or-later
"""Where people read is told by their own reads, and all of the latest must agree."""

from __future__ import annotations

from dataclasses import replace

from tests.rehearsals.answers import Answer
from tests.rehearsals.readers import SURE, last_at, settled

OLD, NEW = "192.0.2.1", "192.0.2.2"
MANY = [Answer(sent=float(number), took=0.1, status=200, edge=NEW) for number in range(100, 100 + SURE)]


def test_the_last_read_at_an_address_is_by_when_it_was_due() -> None:
    reads = [Answer(5, 0.1, 200, OLD), Answer(4, 9.0, 200, OLD), *MANY]
    assert last_at(reads, OLD) == 5
    assert last_at(MANY, OLD) < 0


def test_people_have_moved_when_all_of_the_latest_reads_were_good_and_there() -> None:
    assert settled(MANY, NEW, since=0)
    assert settled([Answer(5, 0.1, 200, OLD), *MANY], NEW, since=0)
    assert not settled(MANY, OLD, since=0)
    assert not settled([*MANY[:-1], replace(MANY[-1], edge=OLD)], NEW, since=0)
    assert not settled([*MANY[:-1], replace(MANY[-1], status=502)], NEW, since=0)


def test_reads_from_before_prove_nothing() -> None:
    assert not settled(MANY, NEW, since=100)
    assert not settled(MANY[1:], NEW, since=0)
