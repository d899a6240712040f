# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that goes away and comes back, or does not, or comes back as another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from plugins.action.host_reboot import Silence, Wait, is_boot_id, silence

OLD = "11111111-1111-4111-8111-111111111111"
NEW = "22222222-2222-4222-8222-222222222222"
DOWN = Silence("silent", "No route to host")


def answer(boot_id: str = NEW, uptime: float = 1.0, system: str = "running", **more: Any) -> dict[str, Any]:
    return {"boot_id": boot_id, "uptime": uptime, "system": system, "failed_units": [], "refused": "", **more}


class Host:
    """A host that says one thing after the other, and the last one for ever; each question takes a second."""

    def __init__(self, *says: dict[str, Any] | Silence) -> None:
        self.says, self.asked, self.time = list(says), 0, 1000.0

    def ask(self) -> dict[str, Any] | Silence:
        self.time += 1
        said = self.says[min(self.asked, len(self.says) - 1)]
        self.asked += 1
        return said

    def rest(self, seconds: float) -> None:
        self.time += seconds

    def wait(self, within: float = 60, elapsed: float = 0, allowed: Sequence[str] = ()) -> Wait:
        return Wait(self.ask, OLD, within, elapsed, list(allowed), lambda: self.time, self.rest)


def come_back(*says: dict[str, Any] | Silence, **how: Any) -> dict[str, Any]:
    return Host(*says).wait(**how).come_back()


def test_a_host_is_back_when_it_says_another_boot_that_is_young_and_has_come_up() -> None:
    back = come_back(answer(OLD, 900), DOWN, DOWN, answer(uptime=0.5, system="starting"), answer(uptime=3))
    assert back["boot_id"] == NEW
    assert back["changed"]
    assert back["elapsed"] == 13


@pytest.mark.parametrize(
    ("says", "what"),
    [
        (answer(OLD, 900), "It did not come back within 60 s. What is known: it is still in the boot that was to end"),
        (DOWN, "It did not come back within 60 s. What is known: silent: No route to host"),
        (answer("Connection closed by peer"), "'Connection closed by peer', which is no boot id"),
        (answer(""), "which is no boot id"),
        (answer(uptime=5000), "it says that it is up for 5000"),
        (answer(uptime=-1), "it says that it is up for -1"),
        (answer(system="starting"), "systemd is starting"),
        (answer(system="degraded", failed_units=["a.service", "b.service"]), "units have failed: a.service, b.service"),
        (Silence("refuses the login", "Permission denied"), "refuses the login: Permission denied"),
    ],
)
def test_what_is_no_new_boot_is_no_success(says: dict[str, Any] | Silence, what: str) -> None:
    failed = come_back(says)
    assert failed["failed"]
    assert what in failed["msg"]


def test_units_may_have_failed_that_are_known_to() -> None:
    degraded = answer(system="degraded", failed_units=["a.service"])
    assert come_back(degraded, allowed=["a.service"])["changed"]


def test_a_host_key_that_changed_ends_the_wait_at_once() -> None:
    host = Host(DOWN, Silence("another host key", "Host key verification failed."), answer())
    failed = host.wait().come_back()
    assert failed["known"] == "another host key"
    assert "nobody knows whether it is this host" in failed["msg"]
    assert host.asked == 2


def test_a_reboot_that_was_refused_is_not_waited_for() -> None:
    host = Host(answer(OLD, 900), answer(OLD, 901, refused="molly-guard: refused"))
    assert "The reboot was refused. What is known: molly-guard: refused" in host.wait().come_back()["msg"]
    assert host.asked == 2


def test_a_boot_that_an_earlier_run_ordered_may_be_as_old_as_that_order() -> None:
    assert "failed" in come_back(answer(uptime=300))
    assert "failed" not in come_back(answer(uptime=300), elapsed=310)


def test_a_host_that_stays_is_watched_to_the_end() -> None:
    host = Host(answer(OLD), DOWN, answer(OLD))
    assert host.wait().stay(20)["boot_id"] == OLD
    assert host.time >= 1020


def test_a_host_that_boots_again_by_itself_is_found_out() -> None:
    assert "It booted again by itself" in Host(answer(OLD), answer(NEW)).wait().stay(20)["msg"]


def test_a_host_that_falls_silent_while_it_is_watched_is_found_out() -> None:
    assert "It fell silent. What is known: No route to host" in Host(answer(OLD), DOWN).wait().stay(20)["msg"]


@pytest.mark.parametrize(
    ("error", "known"),
    [
        ("@@@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @@@", "another host key"),
        ("Host key verification failed.", "another host key"),
        ("ops@10.0.0.1: Permission denied (publickey).", "refuses the login"),
        ('"System is booting up. Unprivileged users are not permitted to log in yet."', "refuses the login"),
        ("ssh: connect to host 10.0.0.1 port 22: Connection refused", "silent"),
    ],
)
def test_ways_of_not_answering_are_told_apart(error: str, known: str) -> None:
    assert silence(error).known == known


@pytest.mark.parametrize("text", ["", "reboot", NEW[:-1], f"{NEW}\n", "{" + NEW + "}", NEW.replace("-", "")])
def test_what_is_no_boot_id_is_none(text: str) -> None:
    assert not is_boot_id(text)
    assert is_boot_id(NEW)
