# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults reach a virtual machine by its own doors, and whatever was begun there can be mended."""

from __future__ import annotations

import inspect
import subprocess
from dataclasses import dataclass, field

import pytest

from bin.vms import Boot, Vm
from tests.rehearsals.faults import Faults
from tests.rehearsals.kernel_faults import KernelFaults
from tests.visitors import Site

RELEASE = "6.12.107+deb13-cloud-amd64"
ARGUMENTS = {"release": RELEASE, "unit": "nginx.service"}
PLANTED = sorted(
    name for name in vars(KernelFaults) if not name.startswith("_") and name not in {"on", "start_host", "vms"}
)


@dataclass(frozen=True)
class Recorded(Vm):
    """A machine that is told much and does nothing."""

    done: list[tuple[str, ...]] = field(default_factory=list)
    fails: bool = False

    @property
    def running(self) -> bool:
        return False

    def on(self, *command: str, stdin: str = "", seconds: float = 900) -> subprocess.CompletedProcess[str]:
        self.done.append((*command, stdin) if stdin else command)
        # What is planted there fails as it shall.
        failed = self.fails or (command[:2] == ("dpkg", "--configure") and "--pending" not in command)
        return subprocess.CompletedProcess(command, int(failed), "Avail\n9999\n", "no room")

    def start(self) -> None:
        self.done.append(("start",))

    def never_return(self) -> None:
        self.done.append(("never return",))

    def wait(self, after: str = "", seconds: float = 0) -> Boot:
        self.done.append(("wait",))
        return Boot("id", RELEASE)


def faults(*, fails: bool = False) -> tuple[KernelFaults, Recorded]:
    vm = Recorded(Site("test"), "slappy", fails=fails)
    return KernelFaults(Site("test"), vms={"slappy": vm}), vm


def plant(planted: KernelFaults, name: str) -> None:
    method = getattr(planted, name)
    wanted = [p.name for p in inspect.signature(method).parameters.values() if p.default is p.empty]
    method(*(ARGUMENTS.get(word, "slappy") for word in wanted))


@pytest.mark.parametrize("name", PLANTED)
def test_each_fault_is_planted_and_mended_in_the_machine_and_not_in_a_container(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.rehearsals.faults.podman", None)
    planted, vm = faults()
    plant(planted, name)
    before = len(vm.done)
    assert before, "nothing was planted"
    planted.mend()
    assert len(vm.done) > before, "nothing was mended"


@pytest.mark.parametrize("name", [name for name in PLANTED if name != "never_return"])
def test_a_fault_that_was_planted_by_half_can_be_mended(name: str) -> None:
    planted, vm = faults(fails=True)
    with pytest.raises(AssertionError, match="no room"):
        plant(planted, name)
    vm.done.clear()
    with pytest.raises(ExceptionGroup):
        planted.mend()
    assert vm.done, "nobody knew of it"


def test_other_hosts_are_reached_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def on(self: Faults, host: str, *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        asked.append(host)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(Faults, "on", on)
    planted, vm = faults()
    planted.on("alice", "true")
    assert asked == ["alice"]
    assert not vm.done
