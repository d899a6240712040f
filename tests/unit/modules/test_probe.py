# SPDX-License-Identifier: GPL-3.0-or-later
"""Promises of probe as a task sees it."""

from __future__ import annotations

import json
import syslog
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.fleet.ports import systemd
from plugins.module_utils.fleet.units import Unit
from plugins.modules import probe
from tests.unit.modules.conftest import Call

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(call: Call, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(probe, "FIRST_PAUSE", 0.01)
    logged: list[object] = []
    monkeypatch.setattr(syslog, "syslog", lambda *said: logged.append(said))

    def run(*checks: dict[str, Any], within: float = 0, check: bool = False) -> dict[str, Any]:
        args = {"checks": list(checks), "within": within, "_ansible_check_mode": check, "_ansible_no_log": False}
        told = call(probe, args)
        assert logged == []
        return told

    return run


def test_good_answers_are_told_by_name_also_in_check_mode(run: Run) -> None:
    told = run({"name": "It speaks", "command": ["echo", "hello"], "matches": "^hel"}, check=True)
    assert told["answers"] == {"It speaks": {"ok": True, "said": "`echo hello` exited 0 and said: hello"}}
    assert not told["changed"]
    assert not told.get("failed")


def test_a_bad_answer_fails_and_an_observation_does_not(run: Run) -> None:
    bad = {"name": "It is true", "command": ["false"]}
    told = run({"name": "It runs", "command": ["true"]}, bad)
    assert told["msg"] == "1 of 2 checks was false:\n- It is true: `false` exited 1 and said: nothing (wanted: exit 0)"
    assert told["answers"]["It runs"]["ok"]
    observed = run({**bad, "required": False})
    assert not observed.get("failed")
    assert not observed["answers"]["It is true"]["ok"]


def test_it_asks_again_until_the_answer_is_good(run: Run, tmp_path: Path) -> None:
    script = 'echo x >> "$0"; [ "$(wc -l < "$0")" -ge 3 ]'
    told = run({"name": "Third time", "command": ["sh", "-c", script, f"{tmp_path}/asked"]}, within=20)
    assert told["answers"]["Third time"]["ok"]
    assert (tmp_path / "asked").read_text() == "x\n" * 3


def test_without_time_it_asks_once(run: Run, tmp_path: Path) -> None:
    told = run({"name": "Never", "command": ["sh", "-c", 'echo x >> "$0"; false', f"{tmp_path}/asked"]})
    assert told["failed"]
    assert (tmp_path / "asked").read_text() == "x\n"


def test_all_questions_are_asked_at_once(run: Run) -> None:
    told = run(*({"name": f"Slow {number}", "command": ["sleep", "0.3"]} for number in range(8)))
    assert told["waited"] < 1.5


def test_passwords_are_repeated_nowhere(run: Run) -> None:
    says: dict[str, Any] = {
        "command": ["sh", "-c", 'echo "denied: $PASS"; exit $CODE'],
        "env": {"PASS": "sesame-open", "CODE": 1},
    }
    told = [
        run({"name": "It lets me in", **says}),
        run({"name": "It lets me in", **says, "required": False}),
        run({"name": "A", "http": {"url": "http://127.0.0.1:1/", "headers": {"Authorization": "Bearer sesame"}}}),
        run({"name": "wrong type", "env": {"PASS": "sesame-open"}, "command": ["true"], "rc": "many"}),
        run({"name": "two", "env": {"PASS": "sesame-open"}, "command": ["true"], "unit": "a.service"}),
    ]
    assert not any("sesame" in json.dumps(result) for result in told)
    assert "denied: [hidden]" in told[0]["msg"]


def test_a_unit_that_is_down_brings_its_journal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = Unit("a.service", load="loaded", active="failed", sub="failed", file="enabled")
    monkeypatch.setattr(systemd, "observe", lambda names, timeout: dict.fromkeys(names, dead))
    monkeypatch.setattr(systemd, "journal", lambda unit: f"last words of {unit}")
    told = run({"name": "It runs", "unit": "a.service"})
    assert told["msg"].endswith(
        "- It runs: a.service is failed (failed), enabled\nThe last log lines of a.service:\nlast words of a.service"
    )


def test_a_question_that_cannot_be_asked_is_refused_before_any_is(run: Run, tmp_path: Path) -> None:
    asked = {"name": "Good", "command": ["touch", f"{tmp_path}/asked"]}
    wrong: dict[str, dict[str, Any]] = {
        "is not address:port": {"listen": "6379"},
        "is not a http:// or https:// URL": {"http": {"url": "social.example"}},
        "is no regular expression": {"command": ["true"], "matches": "("},
        "the command is empty": {"command": []},
    }
    for words, check in wrong.items():
        assert words in run(asked, {"name": "Bad", **check})["msg"]
    assert "the name is given twice" in run(asked, asked)["msg"]
    assert "mutually exclusive" in run({"name": "Two", "unit": "a.service", "listen": "*:1"})["msg"]
    assert "one of the following is required" in run({"name": "None"})["msg"]
    assert not list(tmp_path.iterdir())


def test_a_question_that_breaks_is_a_bad_answer(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> None:
        raise systemd.SystemdError("no bus")

    monkeypatch.setattr(systemd, "observe", breaks)
    monkeypatch.setattr(systemd, "journal", lambda unit: "")
    assert "could not be asked: no bus" in run({"name": "It runs", "unit": "a.service"})["msg"]


@pytest.mark.parametrize(("within", "usual"), [(0, 5), (30, 5), (240, 30)])
def test_one_answer_may_take_five_seconds_or_longer_where_the_host_is_known_to_be_slow(
    within: float, usual: float
) -> None:
    asked = probe.patient([{"name": "A", "timeout": None}, {"name": "B", "timeout": 0.5}], within)
    assert [check["timeout"] for check in asked] == [usual, 0.5]


def test_whoever_is_slow_is_not_called_false_because_the_time_of_another_is_up(run: Run) -> None:
    told = run(
        {"name": "Never", "command": ["false"]},
        {"name": "Slow", "command": ["sleep", "1.5"]},
        within=2,
    )
    assert told["answers"]["Slow"]["ok"], told
    assert not told["answers"]["Never"]["ok"]
