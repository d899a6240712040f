# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of host_reboot: it waits for a host that goes away and comes back, and tells the ways of not coming back apart.

Documented in plugins/modules/host_reboot.py. Self-contained: a plugin of the controller cannot import the repository's module_utils.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

# Seconds between two questions.
PAUSE = 2.0
# What a kernel and this machine may disagree by in counting the same seconds.
SLACK = 2.0
CHANGED_KEY = ("REMOTE HOST IDENTIFICATION HAS CHANGED", "Host key verification failed", "host key is known for")
REFUSED = ("Permission denied", "System is booting up", "System is going down", "Too many authentication failures")
Answer = Mapping[str, Any]


@dataclass(frozen=True)
class Silence:
    """Why a host did not answer."""

    known: str
    said: str


def silence(error: str) -> Silence:
    """Tell a host that is away from one that is there and is another, or lets nobody in."""
    said = " ".join(error.split())[-300:]
    if any(words in error for words in CHANGED_KEY):
        return Silence("another host key", said)
    if any(words in error for words in REFUSED):
        return Silence("refuses the login", said)
    return Silence("silent", said)


def is_boot_id(text: str) -> bool:
    """Tell whether it is one: the text of an error was taken for a new boot before."""
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def still_false(answer: Answer, old: str, elapsed: float, allowed: list[str]) -> str:
    """Say what keeps an answer from being that of a new boot which has come up; nothing if it is."""
    if not is_boot_id(str(answer.get("boot_id", ""))):
        return f"it says {answer.get('boot_id')!r}, which is no boot id"
    if answer["boot_id"] == old:
        return "it is still in the boot that was to end"
    if not 0 <= float(answer["uptime"]) <= elapsed + SLACK:
        return f"it says that it is up for {answer['uptime']} s, {elapsed:.0f} s after the order to reboot"
    if answer["system"] == "degraded":
        wrong = sorted(set(answer["failed_units"]) - set(allowed))
        return f"units have failed: {', '.join(wrong)}" if wrong else ""
    return "" if answer["system"] == "running" else f"systemd is {answer['system']}"


@dataclass
class Wait:
    """A wait for a host: how it is asked, and the clock, which tests replace."""

    ask: Callable[[], Answer | Silence]
    old: str
    within: float
    elapsed: float = 0.0
    allowed: list[str] = field(default_factory=list)
    now: Callable[[], float] = time.monotonic
    rest: Callable[[float], None] = time.sleep

    def come_back(self) -> dict[str, Any]:
        """Wait for the new boot."""
        began = self.now()
        answer, wrong = self.ask(), ""
        while True:
            passed = self.elapsed + self.now() - began
            if isinstance(answer, Silence):
                wrong, known = f"{answer.known}: {answer.said}", answer.known
                if known == "another host key":
                    return failure(
                        "Its host key has changed, so that nobody knows whether it is this host", wrong, known
                    )
            else:
                wrong, known = still_false(answer, self.old, passed, self.allowed), "up"
                if not wrong:
                    return {**answer, "elapsed": round(passed, 1), "changed": True}
                if answer.get("refused") and answer["boot_id"] == self.old:
                    return failure("The reboot was refused", answer["refused"], known)
            if self.now() - began > self.within:
                return failure(f"It did not come back within {self.within:g} s", wrong, known)
            self.rest(PAUSE)
            answer = self.ask()

    def stay(self, seconds: float) -> dict[str, Any]:
        """See that the same boot goes on for so long."""
        began = self.now()
        while True:
            answer = self.ask()
            if isinstance(answer, Silence):
                # Once is a lost packet, twice is a host that is gone.
                self.rest(PAUSE)
                answer = self.ask()
            if isinstance(answer, Silence):
                return failure("It fell silent", answer.said, answer.known)
            if answer["boot_id"] != self.old:
                return failure("It booted again by itself", f"its boot id is {answer['boot_id']}", "up")
            left = seconds - (self.now() - began)
            if left <= 0:
                return {**answer, "changed": False}
            self.rest(min(PAUSE, left))


def failure(what: str, why: str, known: str) -> dict[str, Any]:
    """Return a failure."""
    return {"failed": True, "msg": f"{what}. What is known: {why}", "known": known}


class ActionModule(ActionBase):  # type: ignore[misc]
    """Give the order, then ask again and again over connections of its own."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Do what the task asks."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = {"within": 600, "elapsed": 0.0, "seconds": 0.0, "degraded": [], "boot_id": "", **self._task.args}
        if arguments["state"] in ("asked", "fired") or self._task.check_mode:
            # Also to judge the arguments: the module knows them.
            once = {**self._task.args, "state": "fired" if arguments["state"] == "rebooted" else "asked"}
            return {**result, **self._execute_module("host_reboot", module_args=once, task_vars=task_vars)}
        wait = Wait(
            lambda: self._ask(arguments, task_vars),
            str(arguments["boot_id"]),
            float(arguments["within"]),
            float(arguments["elapsed"]),
            list(arguments["degraded"]),
        )
        if arguments["state"] == "watched":
            return {**result, **wait.stay(float(arguments["seconds"]))}
        return {**result, **(self._fire(task_vars) or wait.come_back())}

    def _fire(self, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """Give the order; return why it was not taken. A host that falls silent now may be on its way down already."""
        order = {**self._task.args, "state": "fired"}
        try:
            fired: dict[str, Any] = self._execute_module("host_reboot", module_args=order, task_vars=task_vars)
        except AnsibleConnectionFailure:
            return {}
        return fired if fired.get("failed") else {}

    def _ask(self, arguments: Mapping[str, Any], task_vars: dict[str, Any] | None) -> Answer | Silence:
        """Ask over a new connection: the old one may be to a host that is gone, or that another has replaced."""
        question = {"state": "asked", "root": arguments.get("root", "/")}
        try:
            self._connection.reset()
            answer = self._execute_module("host_reboot", module_args=question, task_vars=task_vars)
        except AnsibleError as error:
            return silence(str(error))
        if answer.get("unreachable") or answer.get("failed") or "boot_id" not in answer:
            return silence(str(answer.get("module_stderr") or answer.get("msg") or answer))
        return dict(answer)
