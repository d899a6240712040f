# SPDX-License-Identifier: GPL-3.0-or-later
"""Promises of the gate: nothing that burns is overlooked, and who is silent is no good news."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from plugins.modules import alert_gate
from tests.unit.module_utils.fleet.ports.played_alertmanager import Played
from tests.unit.modules.conftest import Call

Run = Callable[..., dict[str, Any]]
Both = tuple[Played, Played]


@pytest.fixture
def run(call: Call, both: Both) -> Run:
    def run(**params: Any) -> dict[str, Any]:
        given = {"alertmanagers": [one.url for one in both], "run_id": "roll1", **params}
        return call(alert_gate, given)

    return run


def silenced(played: Played, creator: str) -> None:
    played.silences["s"] = {
        "id": "s",
        "createdBy": creator,
        "matchers": [{"name": "instance", "value": "dot:9100", "isRegex": False, "isEqual": True}],
        "startsAt": "2025-01-01T10:00:00Z",
        "endsAt": "2099-01-01T10:00:00Z",
    }
    played.fire("Down", status={"state": "suppressed", "silencedBy": ["s"], "inhibitedBy": []})


def test_nothing_that_fires_is_no_reason(run: Run) -> None:
    told = run()
    assert (told["blocked"], told["reasons"], told["firing"]) == (False, [], [])
    assert told["said"] == "2 Alertmanagers: nothing fires"


def test_what_one_of_them_knows_is_a_reason_and_is_told_once(run: Run, both: Both) -> None:
    both[0].fire("Down")
    both[1].fire("Down")
    both[1].fire("Full")
    told = run()
    assert told["blocked"]
    assert told["reasons"] == [
        "Down at dot:9100 (critical) since 2025-01-01T10:00:00.000Z: It is down.",
        "Full at dot:9100 (critical) since 2025-01-01T10:00:00.000Z: It is down.",
    ]
    assert [one["labels"]["alertname"] for one in told["firing"]] == ["Down", "Full"]


def test_only_a_silence_of_this_very_run_makes_an_alert_not_count(run: Run, both: Both) -> None:
    silenced(both[0], "upstairs run roll1 for dot")
    assert not run()["blocked"]
    assert run(run_id="roll")["blocked"]
    assert run(run_id="")["blocked"]


@pytest.mark.parametrize("creator", ["ada", "upstairs run roll10 for dot", "upstairs run roll0 for dot"])
def test_what_somebody_else_silenced_burns_all_the_same(run: Run, both: Both, creator: str) -> None:
    silenced(both[1], creator)
    assert run()["blocked"]


def test_an_alert_that_another_one_inhibits_burns_too(run: Run, both: Both) -> None:
    both[0].fire("Down", status={"state": "suppressed", "silencedBy": [], "inhibitedBy": ["x"]})
    assert run()["blocked"]
    asked = next(path for path in both[0].heard if "/alerts" in path)
    assert all(f"{state}=true" in asked for state in ("active", "silenced", "inhibited", "unprocessed"))


@pytest.mark.parametrize(
    ("status", "text"),
    [(500, "no"), (200, "<html>Please log in</html>"), (200, "{}"), (200, '[{"labels": {}}]'), (404, "[]"), (200, "")],
)
def test_what_is_no_answer_of_an_alertmanager_is_a_reason(run: Run, both: Both, status: int, text: str) -> None:
    both[1].broken["GET /api/v2/alerts"] = (status, text)
    told = run()
    assert told["blocked"]
    assert told["reasons"][0].startswith(both[1].url)


def test_whose_silences_are_not_known_is_not_believed(run: Run, both: Both) -> None:
    both[0].broken["GET /api/v2/silences"] = (500, "no")
    assert run()["blocked"]


def test_one_that_does_not_answer_blocks(run: Run, both: Both) -> None:
    told = run(alertmanagers=[both[0].url, "http://127.0.0.1:1"])
    assert told["blocked"]
    assert "http://127.0.0.1:1: it does not answer (" in told["reasons"][0]


def test_nobody_named_is_nobody_asked_and_that_is_said(run: Run) -> None:
    told = run(alertmanagers=[])
    assert not told["blocked"]
    assert told["said"] == "no Alertmanager is named: nobody is asked whether something burns"


def test_a_watchdog_does_not_count_and_its_silence_does(run: Run, both: Both) -> None:
    for one in both:
        one.fire("Watchdog", "prometheus:9090")
        one.filtered['alertname="Watchdog"'] = [*one.alerts]
    assert run()["blocked"]
    assert not run(watchdog=["alertname=Watchdog"])["blocked"]
    both[1].filtered.clear()
    told = run(watchdog=["alertname=Watchdog"])
    assert told["blocked"]
    assert f'{both[1].url}: alertname="Watchdog" does not fire' in told["reasons"][0]


def test_which_alerts_count_is_asked_of_the_alertmanager_itself(run: Run, both: Both) -> None:
    both[0].fire("Warned")
    both[0].filtered['severity=~"critical|page"'] = []
    assert not run(matchers=['severity=~"critical|page"'])["blocked"]


@pytest.mark.parametrize("wrong", [{"matchers": ["severity"]}, {"watchdog": ["=x"]}, {"run_id": "a b"},
                                   {"alertmanagers": ["192.0.2.7:9093"]}])  # fmt: skip
def test_what_makes_no_sense_is_refused(run: Run, both: Both, wrong: dict[str, Any]) -> None:
    assert run(**wrong)["failed"]
    assert both[0].heard == []


def test_a_password_in_an_address_is_refused_and_not_repeated(run: Run) -> None:
    told = run(alertmanagers=["http://ada:sesame@192.0.2.7:9093"])
    assert "password" in told["msg"]
    assert "sesame" not in told["msg"]
