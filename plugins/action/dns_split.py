# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of dns_split: one step after the other, the record of each in the ledger before the next begins.

Documented in plugins/modules/dns_split.py. Self-contained: a plugin of the controller cannot import the repository's module_utils.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

# Arguments that are the plugin's own; all others are the module's.
OWN = ("wait", "endpoints", "on_controller")
# Seconds between two lines that say how long it still waits.
TELL_EVERY = 30.0
# Seconds between two looks whether anybody is left to work for.
LONGEST_SLEEP = 5.0


class Stop(Exception):
    """The task ends here, with this result."""

    def __init__(self, result: Mapping[str, Any]) -> None:
        super().__init__()
        self.result = dict(result)


class ActionModule(ActionBase):  # type: ignore[misc]
    """Make steps until the module says that it is over, or until nothing can be done before a moment."""

    _connection: Any

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Go on from the ledger."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        self._variables = task_vars or {}
        self._parent = os.getppid()
        self._began = time.monotonic()
        own = {key: self._task.args.get(key) for key in OWN}
        if not own["endpoints"] or not self._task.args.get("id"):
            raise AnsibleActionFail(
                "dns_split needs `id` and `endpoints`, the members of etcd: a move that nobody remembers is not begun"
            )
        self._endpoints, self._name = own["endpoints"], f"dns_split/{self._task.args['id']}"
        self._on_controller = _true(own["on_controller"], False)
        try:
            self._go(_true(own["wait"], True))
        except Stop as stop:
            result.update(stop.result)
        return result

    def _go(self, wait: bool) -> None:
        """Make steps. Ends with ``Stop``."""
        record, revision = self._read()
        done: list[str] = []
        changed = False
        while True:
            self._be_wanted()
            step = self._step(record)
            if step.get("failed"):
                raise Stop({**step, "changed": changed, "did": done})
            self._say(step, done)
            changed = changed or bool(step.get("changed"))
            if not self._task.check_mode and step.get("record") and step["record"] != record:
                record, revision = step["record"], self._store(step, revision)
            if step.get("over"):
                raise Stop(_ending(step, changed, done))
            if step.get("ready_at") and not wait:
                raise Stop({**step, "changed": changed, "did": done, "pending": True})
            pause = float(step.get("pause") or 0)
            self._pause(pause, float(step.get("left") or 0))
            if pause and not self._task.check_mode:
                self._be_alone(revision)

    def _be_wanted(self) -> None:
        """Stop if ansible-playbook is gone: a task runs in a child, which outlives a parent that was killed, and the next run goes on."""
        if os.getppid() != self._parent:
            raise Stop(_failure("ansible-playbook is gone; its next run goes on from here.", {}))

    def _be_alone(self, revision: int) -> None:
        """Stop if another run went on meanwhile: this machine may have slept for hours, and a step may write what was decided before."""
        asked = {"endpoints": self._endpoints, "name": self._name, "state": "read"}
        answer = self._execute_module("fleet_ledger", module_args=asked, task_vars=self._variables)
        # A ledger that is silent for a moment ends no watch of a day: what is decided next has to be stored anyway.
        now = revision if answer.get("failed") else int(answer["revision"])
        if now != revision:
            raise Stop(
                _failure(
                    f"Another run went on with {self._name} while this one waited (revision {now} and not {revision}). Find out who it is, "
                    "and leave it to that run, or run this again when that one is over.",
                    {},
                )
            )

    def _read(self) -> tuple[dict[str, Any], int]:
        found = self._ledger({"state": "read"})
        if not found.get("readable"):
            raise Stop(
                _failure(
                    f"The record {self._name} in etcd is no JSON object. Look at both names before you remove it.",
                    found,
                )
            )
        return dict(found.get("value") or {}), int(found["revision"])

    def _store(self, step: Mapping[str, Any], revision: int) -> int:
        answer = self._ledger({"state": "stored", "value": step["record"], "revision": revision}, step)
        return int(answer["revision"])

    def _ledger(self, wanted: Mapping[str, Any], step: Mapping[str, Any] | None = None) -> dict[str, Any]:
        arguments = {"endpoints": self._endpoints, "name": self._name, **wanted}
        answer: dict[str, Any] = self._execute_module("fleet_ledger", module_args=arguments, task_vars=self._variables)
        if answer.get("failed"):
            # Whoever reads this may have to put the names back without the ledger.
            before = " | ".join((step or {}).get("restore") or [])
            tail = f" What there was before the move: {before}." if before else ""
            raise Stop(
                _failure(f"{answer.get('msg', 'no answer')}{tail} Run it again: it goes on where it stopped.", answer)
            )
        return answer

    def _step(self, record: Mapping[str, Any]) -> dict[str, Any]:
        arguments = {key: value for key, value in self._task.args.items() if key not in OWN}
        arguments |= {"record": record, "running": time.monotonic() - self._began}
        if not self._on_controller:
            return dict(self._execute_module("dns_split", module_args=arguments, task_vars=self._variables))
        there = self._connection
        self._connection = self._shared_loader_obj.connection_loader.get("ansible.builtin.local", self._play_context)
        try:
            variables = here(self._variables, self._task.delegate_to)
            return dict(self._execute_module("dns_split", module_args=arguments, task_vars=variables))
        finally:
            self._connection = there

    def _say(self, step: Mapping[str, Any], done: list[str]) -> None:
        """Tell what is new; the same line again says nothing."""
        for line in step.get("did") or []:
            if not done or done[-1] != line:
                done.append(line)
                if not step.get("left"):
                    self._tell(line)

    def _tell(self, line: str) -> None:
        Display().display(f"  {self._name}: {line}")

    def _pause(self, seconds: float, left: float) -> None:
        """Wait, and say for how long still."""
        until = time.monotonic() + seconds
        told = until - seconds - TELL_EVERY
        while (rest := until - time.monotonic()) > 0:
            if left and until - rest - told >= TELL_EVERY:
                told = until - rest
                self._tell(f"{max(rest, left - (seconds - rest)):.0f} s left")
            time.sleep(min(rest, LONGEST_SLEEP))
            self._be_wanted()


def _true(given: Any, default: bool) -> bool:
    if given is None or isinstance(given, bool):
        return default if given is None else given
    return str(given).strip().lower() in ("1", "true", "yes", "on")


def _ending(step: Mapping[str, Any], changed: bool, done: list[str]) -> dict[str, Any]:
    result = {**step, "changed": changed or bool(step.get("changed")), "did": done or step.get("did", [])}
    if step.get("turned_back"):
        result.update(failed=True, msg=f"The move was turned back: {done[-1]}.")
    return result


def _failure(message: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    return {**answer, "failed": True, "msg": message, "pending": False}


def here(variables: Mapping[str, Any], delegate: str | None) -> dict[str, Any]:
    """Return the variables with which a module runs on the controller, whomever the task is delegated to."""
    python = {"ansible_python_interpreter": sys.executable, "ansible_connection": "local"}
    delegated = dict(variables.get("ansible_delegated_vars") or {})
    if delegate:
        delegated[delegate] = {**delegated.get(delegate, {}), **python}
    return {**variables, **python, "ansible_delegated_vars": delegated}
