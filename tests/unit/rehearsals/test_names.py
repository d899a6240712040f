# SPDX-License-Identifier: GPL-3.0-or-later
"""What servers said of a name is judged by every change of it, and only if they were watched closely."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.rehearsals.faults import Faults
from tests.rehearsals.names import SHARE, Names, Watch, parse
from tests.visitors import Site

ONE, TWO = "192.0.2.53", "192.0.2.54"
OLD, NEW = ("192.0.2.1",), ("192.0.2.2",)


def sight(
    at: float, addresses: tuple[str, ...] = OLD, ttl: int = 15, server: str = ONE, said: str = ""
) -> dict[str, Any]:
    return {"at": at, "server": server, "addresses": list(addresses), "ttl": ttl, "said": said}


def count(due: int, answered: int, server: str = ONE) -> dict[str, Any]:
    return {"at": 0.0, "server": server, "due": due, "answered": answered}


def watch(*lines: dict[str, Any]) -> Watch:
    return parse("4711\n" + "".join(json.dumps(line) + "\n" for line in lines))


def judge(monkeypatch: pytest.MonkeyPatch, seen: Watch, *leads: tuple[tuple[str, ...], int]) -> Watch:
    monkeypatch.setattr(Names, "watch", seen)
    return Names(Faults(Site("lab")), "host", "media", [ONE]).judge(*leads)


def test_a_line_that_is_being_written_is_not_read_yet() -> None:
    whole = json.dumps(sight(1.0))
    assert parse(f"4711\n{whole}\n{whole[:9]}").leads(ONE) == [(OLD, 15)]
    assert parse("").sights == parse("4711\n").sights == ()


def test_silence_between_two_equal_answers_is_no_change() -> None:
    seen = watch(sight(1), sight(2, (), 0, said="silence: Timeout"), sight(3), sight(4, NEW), sight(5))
    assert seen.leads(ONE) == [(OLD, 15), (NEW, 15), (OLD, 15)]
    assert seen.latest(ONE) == (OLD, 15)
    assert seen.latest(TWO) is None


def test_an_answer_without_address_or_authority_is_useless_and_silence_is_not_an_answer() -> None:
    bad = [sight(1, ()), sight(2, said="no authority"), sight(3, (), said="NXDOMAIN")]
    assert [one.at for one in watch(sight(0), *bad, sight(4, (), said="silence: Timeout")).useless()] == [1, 2, 3]


def test_the_part_that_was_answered_is_of_all_that_was_due_and_nothing_for_who_was_not_asked() -> None:
    assert watch(count(10, 10), count(100, 75)).shares([ONE, TWO]) == {ONE: 0.75, TWO: 0.0}


def test_each_server_begins_to_lead_somewhere_once() -> None:
    seen = watch(sight(5, NEW, server=TWO), sight(4, NEW), sight(6), sight(7, NEW))
    assert seen.began((NEW, 15), [ONE, TWO]) == [4, 5]
    assert seen.began((NEW, 3), [ONE, TWO]) == []


def test_a_story_of_exactly_these_changes_is_good(monkeypatch: pytest.MonkeyPatch) -> None:
    judge(monkeypatch, watch(sight(1), sight(2, NEW), count(100, 100)), (OLD, 15), (NEW, 15))


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (watch(sight(1), sight(2, NEW), count(1000, int(1000 * SHARE) - 1)), "slept"),
        (watch(sight(1), sight(2, NEW)), "slept"),
        (watch(sight(1), sight(1.5, ()), sight(2, NEW), count(9, 9)), "without an address"),
        (watch(sight(1), count(9, 9)), "led to"),
        (watch(sight(1), sight(2, NEW), sight(3), count(9, 9)), "led to"),
    ],
)
def test_a_story_is_bad_in_which_nobody_watched_or_a_name_was_empty_or_led_elsewhere(
    monkeypatch: pytest.MonkeyPatch, seen: Watch, why: str
) -> None:
    with pytest.raises(AssertionError, match=why):
        judge(monkeypatch, seen, (OLD, 15), (NEW, 15))
