# SPDX-License-Identifier: GPL-3.0-or-later
"""Promises of systemd_units, with a systemd that is played."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule

from plugins.module_utils.fleet.ports import systemd as port
from plugins.module_utils.fleet.ports.commands import Answer
from plugins.module_utils.fleet.units import Step, Unit
from plugins.modules import systemd_units
from tests.unit.modules.conftest import Call

Run = Callable[..., dict[str, Any]]
UP = Unit("a.service", load="loaded", active="active", sub="running", file="enabled", type="simple", can_reload=True)


class PlayedSystemd:
    """A systemd in which a start can fail, or bring up a unit that dies at once."""

    def __init__(self, *units: Unit) -> None:
        self.units = {unit.name: unit for unit in units}
        self.done: list[str] = []
        self.broken = ""
        self.dies = False

    def observe(self, names: list[str], timeout: float = 0) -> dict[str, Unit]:
        return {name: self.units.get(name, Unit(name)) for name in names}

    def perform(self, step: Step, timeout: float) -> Answer:
        self.done.append(step.describe())
        if self.broken == step.verb:
            return Answer(1, "", f"Job for {step.unit} failed.")
        if step.verb in ("start", "restart"):
            up = replace(self.units[step.unit], active="active", sub="running")
            self.units[step.unit] = replace(up, active="failed", sub="failed", result="exit-code") if self.dies else up
        if step.verb == "enable":
            self.units[step.unit] = replace(self.units[step.unit], file="enabled")
        return Answer(0)

    def journal(self, unit: str) -> str:
        return f"the last words of {unit}"


@pytest.fixture
def run(call: Call, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(systemd_units, "SETTLE", 0)
    monkeypatch.setattr(AnsibleModule, "warn", lambda *_: None)

    def run(systemd: PlayedSystemd, *units: dict[str, Any], check: bool = False) -> dict[str, Any]:
        for name in ("observe", "perform", "journal"):
            monkeypatch.setattr(port, name, getattr(systemd, name))
        return call(systemd_units, {"units": list(units), "_ansible_check_mode": check})

    return run


def test_units_are_made_as_wanted_and_then_left_alone(run: Run) -> None:
    systemd = PlayedSystemd(replace(UP, active="inactive", file="disabled"))
    wanted = {"name": "a.service", "state": "started", "enabled": True}
    first = run(systemd, wanted)
    assert first["plan"] == systemd.done == ["a.service: enable", "a.service: start"]
    assert first["units"] == {"a.service": "active (running), enabled"}
    assert not run(systemd, wanted)["changed"]


def test_check_mode_plans_the_same_and_does_nothing(run: Run) -> None:
    systemd = PlayedSystemd(replace(UP, active="inactive"))
    told = run(systemd, {"name": "a.service", "state": "started"}, check=True)
    assert (told["changed"], told["plan"], systemd.done) == (True, ["a.service: start"], [])


def test_a_unit_nobody_knows_is_an_error_and_in_check_mode_a_change(run: Run) -> None:
    wanted = {"name": "b.service", "state": "started"}
    systemd = PlayedSystemd(UP)
    told = run(systemd, {"name": "a.service", "state": "restarted"}, wanted)
    assert told["msg"].startswith("Nothing was changed. b.service: systemd knows no such unit")
    assert systemd.done == []
    checked = run(PlayedSystemd(), wanted, check=True)
    assert (checked["changed"], checked["missing"]) == (True, ["b.service"])


def test_a_start_that_fails_shows_state_and_journal(run: Run) -> None:
    systemd = PlayedSystemd(replace(UP, active="inactive", sub="dead"))
    systemd.broken = "start"
    told = run(systemd, {"name": "a.service", "state": "started"})
    assert told["msg"].splitlines() == [
        "a.service: start failed: Job for a.service failed.",
        "a.service is inactive (dead), enabled. Its last log lines:",
        "the last words of a.service",
    ]


def test_a_unit_that_dies_at_once_is_a_failure(run: Run) -> None:
    systemd = PlayedSystemd(UP)
    systemd.dies = True
    told = run(systemd, {"name": "a.service", "state": "restarted"})
    assert told["failed"]
    assert "it did not stay up" in told["msg"]
    assert "a.service is failed (failed), result exit-code, enabled" in told["msg"]
    assert "the last words of a.service" in told["msg"]


def test_a_name_without_suffix_or_given_twice_is_refused(run: Run) -> None:
    assert "write the suffix too (such as a.service)" in run(PlayedSystemd(), {"name": "a"})["msg"]
    assert run(PlayedSystemd(), {"name": "a.b"}, {"name": "a.b"})["msg"] == "given twice: a.b"
