# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking again: by chance, not before it is allowed, and not for ever."""

from __future__ import annotations

import pytest

from plugins.module_utils.fleet.ports.dns_provider import Ambiguous, Raced, Refused, Unanswered
from plugins.module_utils.fleet.ports.patience import Patience, Throttled, patience, seconds
from tests.unit.module_utils.fleet.ports.conversation import Clock


class Provider:
    """Answers with each error in turn, then well."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.asked = 0

    def __call__(self) -> str:
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        return "well"


def test_who_is_sent_away_comes_back_after_a_share_of_a_growing_time() -> None:
    clock = Clock()
    assert clock.patience(share=0.5).ask(Provider(*[Throttled("busy")] * 3, Unanswered("silent"))) == "well"
    assert clock.naps == [0.5, 1.0, 2.0, 4.0]


def test_the_growing_time_has_an_end() -> None:
    clock = Clock()
    clock.patience(share=0.1).ask(Provider(*[Throttled("busy")] * 9))
    assert clock.naps[-3:] == [2.0, 2.0, 2.0]


def test_nobody_comes_back_before_the_moment_that_the_provider_named() -> None:
    clock = Clock()
    clock.patience().ask(Provider(Throttled("busy", after=17)))
    assert clock.naps == [17]


def test_after_the_deadline_nobody_asks_again() -> None:
    clock, busy = Clock(), Provider(*[Throttled("busy")] * 99)
    with pytest.raises(Refused, match="busy"):
        clock.patience().ask(busy)
    assert clock.now <= 60
    assert busy.asked == len(clock.naps) + 1


def test_a_moment_behind_the_deadline_is_not_waited_for() -> None:
    clock = Clock()
    with pytest.raises(Throttled):
        clock.patience().ask(Provider(Throttled("busy", after=3600)))
    assert clock.naps == []


@pytest.mark.parametrize("error", [Refused("no"), Raced("late"), Ambiguous("perhaps")])
def test_what_may_have_been_written_or_is_refused_is_not_asked_again(error: Exception) -> None:
    clock, once = Clock(), Provider(error)
    with pytest.raises(type(error)):
        clock.patience().ask(once)
    assert (once.asked, clock.naps) == (1, [])


def test_what_is_not_done_is_asked_until_it_is() -> None:
    clock, said = Clock(), ["pending", "pending", ""]
    assert clock.patience().until(lambda: said.pop(0)) == ""
    assert clock.naps == [1.0, 1.0]


def test_what_is_not_done_at_the_deadline_is_told() -> None:
    clock = Clock()
    assert clock.patience().until(lambda: "still pending") == "still pending"
    assert clock.now == 30


def test_whoever_asks_may_have_more_patience() -> None:
    assert patience({"zone": "example.org"}) == Patience()
    asked = patience({"within": "90", "settle_within": 1800})
    assert (asked.within, asked.settling) == (90, 1800)


def test_retry_after_is_a_number_or_a_moment() -> None:
    assert seconds("7") == 7
    assert seconds("Thu, 01 Jan 1970 00:01:40 GMT", now=90.0) == 10
    assert seconds("Thu, 01 Jan 1970 00:01:40 GMT", now=200.0) == 0
    assert seconds(None) == seconds("soon") == 0
