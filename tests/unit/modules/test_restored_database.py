# SPDX-License-Identifier: GPL-3.0-or-later
"""A restored database that systemd has yet to start is not one that did not start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.fleet.ports.commands import Answer
from plugins.modules import restored_database
from plugins.modules.restored_database import Problem, Scratch

UNIT = "restored-postgres.service"


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    params: dict[str, Any] = {"data_dir": str(tmp_path / "data"), "note": str(tmp_path / "note"), "unit": UNIT}
    params |= {"purpose": "drill", "label": "20261126-120000F", "target": "", "timeline": "", "within": 5}
    return Scratch(params | {"socket_dir": str(tmp_path), "port": 5432})


def played(monkeypatch: pytest.MonkeyPatch, *shown: str) -> None:
    """Let systemd say one state after the other, and the last one for ever; the database answers where that is active."""
    states = list(shown)

    def run(argv: list[str], *_: object, **__: object) -> Answer:
        match argv:
            case ["systemctl", "show", *_]:
                return Answer(0, states.pop(0) if len(states) > 1 else states[0], "")
            case ["pg_isready", *_]:
                return Answer(0 if states[0].startswith("ActiveState=active") else 2, "", "")
            case _:
                return Answer(0, "", "")

    monkeypatch.setattr("plugins.module_utils.fleet.ports.systemd.run", run)
    monkeypatch.setattr(restored_database, "run", run)
    monkeypatch.setattr(restored_database, "PAUSE", 0.0)


def test_a_start_that_is_still_queued_is_waited_for(scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    played(monkeypatch, "ActiveState=inactive\nJob=77", "ActiveState=activating\nJob=77", "ActiveState=active\nJob=")
    scratch.perform("start")


def test_one_that_ended_did_not_start(scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    played(monkeypatch, "ActiveState=inactive\nJob=77", "ActiveState=failed\nJob=")
    with pytest.raises(Problem, match="the restored database did not start"):
        scratch.perform("start")
