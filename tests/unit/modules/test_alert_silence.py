# SPDX-License-Identifier: GPL-3.0-or-later
"""Promises of a silence: at all of them or at none, for one host, by one run, and never for ever."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from plugins.modules import alert_silence
from tests.unit.module_utils.fleet.ports.played_alertmanager import Played
from tests.unit.modules.conftest import Call

Run = Callable[..., dict[str, Any]]
Both = tuple[Played, Played]
HOST = [{"name": "instance", "value": "yakko(:[0-9]+)?", "isRegex": True, "isEqual": True}]


@pytest.fixture
def run(call: Call, both: Both) -> Run:
    def run(check: bool = False, **params: Any) -> dict[str, Any]:
        given = {"alertmanagers": [one.url for one in both], "host": "yakko", "run_id": "roll1", **params}
        return call(alert_silence, {**given, "_ansible_check_mode": check})

    return run


def states(played: Played) -> list[str]:
    return [one["status"]["state"] for one in played.tell()]


def test_the_host_is_silenced_at_each_of_them_for_the_time_that_was_asked_for(run: Run, both: Both) -> None:
    told = run(duration=600, comment="A new kernel")
    assert told["changed"]
    for one in both:
        [silence] = one.silences.values()
        assert silence["matchers"] == HOST
        assert silence["createdBy"] == "upstairs run roll1 for yakko"
        assert silence["comment"] == "A new kernel (upstairs run roll1 for yakko)"
        left = datetime.fromisoformat(silence["endsAt"]) - datetime.now(UTC)
        assert timedelta(0) < left <= timedelta(seconds=600)
        assert told["silences"][one.url][0]["id"] == silence["id"]
        assert f'{one.url}: silence instance=~"yakko(:[0-9]+)?" for 600 s' in told["plan"]


def test_the_same_run_again_changes_nothing_and_later_makes_it_longer(run: Run, both: Both) -> None:
    run()
    again = run()
    assert (again["changed"], again["plan"]) == (False, [])
    both[0].silences["silence-1"]["endsAt"] = (datetime.now(UTC) + timedelta(seconds=1700)).isoformat()
    longer = run()
    assert longer["changed"]
    assert len(longer["plan"]) == 1
    [silence] = both[0].silences.values()
    assert datetime.fromisoformat(silence["endsAt"]) > datetime.now(UTC) + timedelta(seconds=1800)


def test_another_run_and_another_host_have_silences_of_their_own(run: Run, both: Both) -> None:
    run()
    assert run(run_id="roll2")["changed"]
    assert run(host="wakko")["changed"]
    assert run(state="absent")["changed"]
    assert states(both[0]) == ["expired", "active", "active"]


def test_where_one_does_not_answer_nothing_is_silenced_anywhere(run: Run, both: Both) -> None:
    both[1].broken["GET"] = (503, "starting")
    told = run()
    assert told["failed"]
    assert not told["changed"]
    assert f"{both[1].url}: it answers 503" in told["msg"]
    assert both[0].silences == {}


def test_a_silence_that_is_not_kept_is_a_failure_whatever_was_answered(run: Run, both: Both) -> None:
    both[1].broken["POST"] = (200, '{"silenceID": "x"}')
    told = run()
    assert told["failed"]
    assert f"{both[1].url}: it does not keep the silence (200" in told["msg"]
    both[1].broken.clear()
    assert len(run()["plan"]) == 1


def test_an_answer_that_is_lost_is_no_failure_when_the_silence_is_there(run: Run, both: Both) -> None:
    really = both[1].put

    def lost(body: dict[str, Any]) -> tuple[int, Any]:
        really(body)
        return 500, "the answer was lost"

    both[1].put = lost  # type: ignore[method-assign]
    assert not run().get("failed")


@pytest.mark.parametrize("apart", [timedelta(minutes=-10), timedelta(minutes=10)])
def test_a_clock_that_is_a_little_apart_keeps_no_silence_from_beginning(run: Run, both: Both, apart: timedelta) -> None:
    both[0].clock = apart
    assert not run().get("failed")
    assert states(both[0]) == ["active"]


def test_a_clock_that_is_far_apart_is_a_failure(run: Run, both: Both) -> None:
    both[0].clock = timedelta(hours=3)
    told = run()
    assert told["failed"]
    assert "end time can't be in the past" in told["msg"]


def test_one_that_has_not_begun_silences_nothing(run: Run, both: Both) -> None:
    run()
    later = datetime.now(UTC) + timedelta(seconds=1000)
    both[0].silences["silence-1"]["startsAt"] = later.isoformat()
    assert run()["changed"]
    assert states(both[0]) == ["pending", "active"]


def test_it_is_ended_everywhere_and_a_second_time_changes_nothing(run: Run, both: Both) -> None:
    run()
    assert run(state="absent")["changed"]
    assert states(both[0]) == states(both[1]) == ["expired"]
    assert not run(state="absent")["changed"]


def test_one_that_ended_meanwhile_is_ended(run: Run, both: Both) -> None:
    run()
    really = both[0].expire

    def late(identity: str) -> tuple[int, Any]:
        really(identity)
        return really(identity)

    both[0].expire = late  # type: ignore[method-assign]
    told = run(state="absent")
    assert not told.get("failed"), told


def test_one_that_is_not_ended_is_a_failure(run: Run, both: Both) -> None:
    run()
    both[0].broken["DELETE"] = (200, "")
    told = run(state="absent")
    assert told["failed"]
    assert f"{both[0].url}: the silence goes on" in told["msg"]
    assert states(both[1]) == ["expired"]


def test_what_can_be_ended_is_ended_where_another_does_not_answer(run: Run, both: Both) -> None:
    run()
    both[0].broken["GET"] = (503, "starting")
    told = run(state="absent")
    assert told["failed"]
    assert (states(both[0]), states(both[1])) == (["active"], ["expired"])


def test_check_mode_says_it_and_silences_nothing(run: Run, both: Both) -> None:
    told = run(check=True)
    assert told["changed"]
    assert len(told["plan"]) == 2
    assert both[0].silences == both[1].silences == {}
    run()
    assert run(check=True, state="absent")["changed"]
    assert states(both[0]) == ["active"]


def test_nobody_named_is_said(run: Run) -> None:
    told = run(alertmanagers=[])
    assert (told["changed"], told["plan"]) == (False, ["no Alertmanager is named: nobody is told"])


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"matchers": ["severity=warning"]}, "would silence the alerts of others too"),
        ({"matchers": ["instance!=yakko"]}, "would silence the alerts of others too"),
        ({"matchers": ["instance=~yakko|.*"]}, "would silence the alerts of others too"),
        ({"matchers": ["instance=~yakko("]}, "would silence the alerts of others too"),
        ({"duration": 0}, "60 to 86400"),
        ({"duration": 86401}, "60 to 86400"),
        ({"host": "yakko|.*"}, "no name of a host"),
        ({"run_id": ""}, "no name of a run"),
    ],
)
def test_what_would_silence_too_much_or_for_too_long_is_refused(
    run: Run, both: Both, wrong: dict[str, Any], why: str
) -> None:
    told = run(**wrong)
    assert told["failed"]
    assert why in told["msg"]
    assert both[0].heard == []
