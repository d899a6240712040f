# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of dns_split: the ledger before the next step, and no wait that is not asked for."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from plugins.action import dns_split
from plugins.action.dns_split import ActionModule, here

ARGS = {"id": "media", "endpoints": ["192.0.2.1:2379"], "zone": "example.org"}


class Played(ActionModule):
    """A plugin whose modules are played: a script of steps, and a ledger that can be changed by others."""

    def __init__(self, steps: list[dict[str, Any]], check: bool = False, **args: Any) -> None:
        self._task = SimpleNamespace(args={**ARGS, **args}, check_mode=check, delegate_to=None)
        self._play_context = None
        self._connection = "the host's"
        self._shared_loader_obj = SimpleNamespace(connection_loader=SimpleNamespace(get=lambda *_: "the controller's"))
        self.steps = steps
        self.ledger: tuple[dict[str, Any], int] = ({}, 0)
        self.fails = ""
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self.connections: list[object] = []

    def _execute_module(self, name: str, module_args: Mapping[str, Any], task_vars: Any) -> dict[str, Any]:
        self.asked.append((name, module_args))
        self.connections.append(self._connection)
        if name == "dns_split":
            return {"pending": False, **self.steps.pop(0)}
        if self.fails and module_args["state"] == "stored":
            return {"failed": True, "msg": self.fails}
        if module_args["state"] == "stored":
            self.ledger = (dict(module_args["value"]), self.ledger[1] + 1)
        return {"value": self.ledger[0], "revision": self.ledger[1], "readable": True}


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nothing waits, and what would have been waited is counted."""
    waited: list[float] = []
    clock = [0.0]

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr(ActionBase, "run", lambda *_: {})
    monkeypatch.setattr(dns_split, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=sleep))
    monkeypatch.setattr(dns_split, "Display", lambda: SimpleNamespace(display=lambda _: None))
    return waited


def step(said: str, number: int, **more: Any) -> dict[str, Any]:
    return {"did": [said], "record": {"n": number}, "restore": ["media. 300 A 192.0.2.1"], **more}


def test_each_step_gets_the_record_of_the_last_and_each_record_is_stored_before_the_next_step() -> None:
    plugin = Played([step("a", 1), step("b", 2, changed=True), step("c", 2, over=True)])
    result = plugin.run()
    assert [(name, args.get("record"), args.get("value")) for name, args in plugin.asked] == [
        ("fleet_ledger", None, None),
        ("dns_split", {}, None),
        ("fleet_ledger", None, {"n": 1}),
        ("dns_split", {"n": 1}, None),
        ("fleet_ledger", None, {"n": 2}),
        ("dns_split", {"n": 2}, None),
    ]
    assert result["changed"]
    assert result["did"] == ["a", "b", "c"]
    assert "failed" not in result


def test_the_next_run_goes_on_from_the_ledger() -> None:
    plugin = Played([step("c", 3, over=True)])
    plugin.ledger = ({"n": 3}, 9)
    assert not plugin.run()["changed"]
    assert plugin.asked[1][1]["record"] == {"n": 3}


def test_a_wait_is_waited_in_pieces(quiet: list[float]) -> None:
    Played([step("wait", 1, pause=70.0, left=70.0, ready_at="soon"), step("done", 1, over=True)]).run()
    assert quiet == [5.0] * 14


def test_a_wait_says_now_and_then_for_how_long_still(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(dns_split, "Display", lambda: SimpleNamespace(display=told.append))
    Played([step("wait", 1, pause=70.0, left=70.0, ready_at="soon"), step("done", 1, over=True)]).run()
    assert [line.rpartition(": ")[2] for line in told] == ["70 s left", "40 s left", "10 s left", "done"]


def test_a_child_whose_ansible_playbook_was_killed_stops_before_the_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    parents = iter([100, 100, 1])
    monkeypatch.setattr(dns_split, "os", SimpleNamespace(getppid=lambda: next(parents)))
    plugin = Played([step("a", 1), step("b", 2)])
    result = plugin.run()
    assert "is gone" in result["msg"]
    assert len(plugin.steps) == 1
    assert plugin.ledger[0] == {"n": 1}


def test_who_does_not_want_to_wait_is_told_when_it_goes_on(quiet: list[float]) -> None:
    plugin = Played([step("again", 1, pause=1.0), step("wait", 1, pause=70.0, left=70.0, ready_at="soon")], wait="no")
    result = plugin.run()
    assert (result["pending"], result["ready_at"]) == (True, "soon")
    assert quiet == [1.0]
    assert plugin.ledger[0] == {"n": 1}


def test_a_move_that_was_turned_back_is_a_failure_and_is_remembered() -> None:
    plugin = Played([step("put back because it broke", 5, over=True, turned_back=True)])
    result = plugin.run()
    assert result["failed"]
    assert "it broke" in result["msg"]
    assert plugin.ledger[0] == {"n": 5}


def test_a_step_that_fails_ends_the_run_and_changes_no_record() -> None:
    plugin = Played([step("a", 1, changed=True), {"failed": True, "msg": "refused", "record": {"n": 7}}])
    result = plugin.run()
    assert (result["failed"], result["msg"], result["changed"]) == (True, "refused", True)
    assert plugin.ledger[0] == {"n": 1}


def test_without_the_ledger_nothing_goes_on_and_what_there_was_is_said() -> None:
    plugin = Played([step("a", 1)])
    plugin.fails = "no majority of etcd answers."
    result = plugin.run()
    assert result["failed"]
    assert "no majority" in result["msg"]
    assert "media. 300 A 192.0.2.1" in result["msg"]
    assert len(plugin.steps) == 0


def test_a_record_that_cannot_be_read_is_not_taken_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = Played([])
    monkeypatch.setattr(plugin, "_execute_module", lambda *_, **__: {"readable": False, "value": {}, "revision": 3})
    assert "no JSON object" in plugin.run()["msg"]


def test_check_mode_stores_nothing() -> None:
    plugin = Played([step("a", 1, over=True, plan=["1. a"])], check=True)
    assert plugin.run()["plan"] == ["1. a"]
    assert plugin.ledger == ({}, 0)


def test_the_plugins_own_arguments_are_not_the_modules() -> None:
    plugin = Played([step("a", 1, over=True)], wait=True, on_controller=False)
    plugin.run()
    assert set(plugin.asked[1][1]) == {"id", "zone", "record", "running"}


def test_each_step_is_told_for_how_long_its_run_goes_on() -> None:
    plugin = Played([step("a", 1, pause=3.0), step("b", 2, pause=4.0), step("c", 3, over=True)])
    plugin.run()
    assert [args["running"] for name, args in plugin.asked if name == "dns_split"] == [0.0, 3.0, 7.0]


def test_steps_run_on_the_controller_when_told_so_and_the_record_stays_where_etcd_is_reached() -> None:
    plugin = Played([step("a", 1), step("b", 1, over=True)], on_controller="true")
    plugin.run()
    assert plugin.connections == ["the host's", "the controller's", "the host's", "the controller's"]
    assert plugin._connection == "the host's"


def test_on_the_controller_the_controllers_python_is_used_whomever_the_task_is_delegated_to() -> None:
    variables = here({"ansible_delegated_vars": {"alice": {"ansible_user": "ops"}}, "x": 1}, "alice")
    assert variables["x"] == 1
    assert variables["ansible_delegated_vars"]["alice"]["ansible_connection"] == "local"
    assert variables["ansible_delegated_vars"]["alice"]["ansible_user"] == "ops"
    assert "ansible_python_interpreter" in here({}, None)


@pytest.mark.parametrize("missing", ["id", "endpoints"])
def test_a_move_that_nobody_would_remember_is_not_begun(missing: str) -> None:
    plugin = Played([])
    plugin._task.args[missing] = None
    with pytest.raises(AnsibleActionFail, match="not begun"):
        plugin.run()


def test_a_run_that_slept_while_another_went_on_does_not_write_what_was_decided_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plugin = Played([step("not yet", 1, pause=1.0), step("wrote", 2, over=True)])
    clock = [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds
        plugin.ledger = ({"n": 9}, 9)

    monkeypatch.setattr(dns_split, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=sleep))
    result = plugin.run()
    assert result["failed"]
    assert "Another run went on with dns_split/media" in result["msg"]
    assert len(plugin.steps) == 1
    assert plugin.ledger == ({"n": 9}, 9)


def test_a_ledger_that_is_silent_while_nothing_is_stored_ends_no_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = Played([step("well", 1, pause=10.0), step("well still", 1, over=True)])
    plugin.ledger = ({"n": 1}, 4)
    played = plugin._execute_module
    reads = iter([False, True])

    def silent(name: str, module_args: Mapping[str, Any], task_vars: Any) -> dict[str, Any]:
        if module_args.get("state") == "read" and next(reads):
            return {"failed": True, "msg": "no majority of etcd answers"}
        return played(name, module_args, task_vars)

    monkeypatch.setattr(plugin, "_execute_module", silent)
    assert plugin.run()["did"] == ["well", "well still"]
