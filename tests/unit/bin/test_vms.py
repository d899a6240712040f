# SPDX-License-Identifier: GPL-3.0-or-later
"""A virtual machine takes a host's place exactly, and what cannot be done is said before anything is stopped."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from typing import Any

import pytest

from bin import vms
from bin.programs import HostError
from bin.site import Site
from bin.vms import Boot, Vm, Vms

BOOT = "0f26c835-c72a-4905-a26e-c0b0eee0d1a3"


@dataclass(frozen=True)
class Machine(Vm):
    """One that answers as it is told to, and whose power is a list of answers: whether it has any."""

    said: list[str] = field(default_factory=list)
    power: list[bool] = field(default_factory=list)

    @property
    def running(self) -> bool:
        return self.power.pop(0) if self.power else True

    def on(self, *command: str, stdin: str = "", seconds: float = 900) -> subprocess.CompletedProcess[str]:
        if command[0] == "systemctl":
            return subprocess.CompletedProcess(command, 0, "running\n", "")
        answer = self.said.pop(0)
        if answer == "silence":
            raise subprocess.TimeoutExpired(command, seconds)
        return subprocess.CompletedProcess(command, 255 if not answer else 0, answer, "")

    def console(self) -> str:
        return "Kernel panic - not syncing"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr("time.sleep", lambda _: None)
    return Machine(Site("test"), "slappy")


def test_it_has_the_address_and_the_hardware_address_of_the_host() -> None:
    told = Vm(Site("test"), "slappy").told(["10.45.1.14", "192.0.2.1"], "both")
    assert told["VM_ADDRESS"] == "10.45.3.12/16"
    assert told["VM_MAC"] == "02:00:0a:2d:03:0c"
    assert told["VM_DNS"] == "10.45.1.14 192.0.2.1"
    assert told["VM_GATEWAY"] == "10.45.0.1"


def test_a_boot_is_an_id_and_a_release_and_nothing_less(machine: Machine) -> None:
    machine.said[:] = ["", "silence", f"{BOOT}\n", f"{BOOT}\n6.12.94\n"]
    assert [machine.boot() for _ in range(4)] == [None, None, None, Boot(BOOT, "6.12.94")]


def test_the_boot_before_the_reboot_is_not_taken_for_the_one_after_it(machine: Machine) -> None:
    machine.said[:] = [f"{BOOT}\nold\n", "", "another\nnew\n"]
    assert machine.wait(after=BOOT) == Boot("another", "new")


def test_one_that_stays_off_is_not_waited_for_and_its_console_is_shown(machine: Machine) -> None:
    machine.said[:], machine.power[:] = [""], [True, False]
    with pytest.raises(HostError, match=r"(?s)slappy is off.*Kernel panic"):
        machine.wait()


def test_one_that_never_answers_is_given_up(machine: Machine) -> None:
    machine.said[:] = [""]
    with pytest.raises(HostError, match="still not true after -1 s: slappy has booted"):
        machine.wait(seconds=-1)


def test_anew_goes_back_to_what_was_remembered_and_its_clock_does_not(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, ...]] = []

    def must(*words: str) -> str:
        done.append(words)
        return ""

    def on(_: Machine, *command: str, seconds: float = 0) -> subprocess.CompletedProcess[str]:
        done.append(command)
        return subprocess.CompletedProcess(command, 0, f"{BOOT}\n6.12.94\n", "")

    monkeypatch.setattr(vms, "must", must)
    monkeypatch.setattr(Machine, "on", on)
    machine.remember()
    assert "savevm booted" in done.pop()[-1]
    machine.anew()
    assert [words[0] for words in done] == ["exec", "kill", "wait", "start", "sh", "date"]
    assert done[0][-2:] == ("touch", "/vm/anew")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["up", "slappy", "nobody"], "no hosts of the lab: nobody"),
        (["up", "slappy:newest"], "newest: say old or both"),
        (["up"], "usage: python -m bin.vms"),
        (["upp"], "usage: python -m bin.vms"),
    ],
)
def test_what_cannot_be_is_refused_before_any_host_is_stopped(
    monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    def touched(*_: Any) -> None:
        raise AssertionError("a host was touched")

    monkeypatch.setattr(vms, "podman", touched)
    monkeypatch.setattr(vms, "must", touched)
    with pytest.raises(SystemExit, match=message):
        vms.do(words)


def test_a_lab_without_hosts_is_said_to_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vms, "podman", lambda *a: subprocess.CompletedProcess(a, 125, "", "no such object"))
    with pytest.raises(HostError, match="the lab test has no hosts: run `make lab` first"):
        Vms(Site("test")).up({"slappy": "old"})


def test_machines_of_a_scenario_are_not_the_sites_to_take_down(monkeypatch: pytest.MonkeyPatch) -> None:
    removed, started = list[str](), list[str]()
    monkeypatch.setattr(vms, "listed", lambda *_: ["machine-2", "slappy"])
    monkeypatch.setattr(vms, "must", lambda *words: removed.append(words[-1]))
    monkeypatch.setattr(vms, "start_host", started.append)
    monkeypatch.setenv("UPSTAIRS_LAB", "test")
    Vms(Site("test")).down()
    assert (removed, started) == (["upstairs-test-slappy-vm"], ["upstairs-test-slappy"])
    Vms(Site.of_scenario("kernel_update_machines")).down()
    assert removed[1:] == [f"{started[1]}-vm"] == ["upstairs-test-machine-2-vm"]
