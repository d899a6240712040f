# SPDX-License-Identifier: GPL-3.0-or-later
"""Promises of the controller's half of fleet_lock: which run this is, and which one is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from plugins.action.fleet_lock import break_command, is_gone, machine, started, this_run


def test_a_run_is_the_same_run_for_all_its_tasks() -> None:
    assert this_run(os.getpid()) == this_run(os.getpid())
    assert this_run(os.getpid())["id"] != this_run(os.getppid())["id"]


def test_who_is_behind_sudo_owns_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "ada")
    assert this_run(os.getpid())["owner"].startswith("ada@")


def test_a_process_that_lives_is_not_gone() -> None:
    me = this_run(os.getpid())
    assert not is_gone(this_run(os.getppid()), me)
    # Not ours, and perhaps hidden: it lives all the same.
    assert not is_gone(this_run(1), me)


def test_a_process_that_ended_is_gone_collected_or_not() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    run = this_run(child.pid)
    assert not is_gone(run, this_run(os.getpid()))
    child.kill()
    # Waits for the end and leaves it uncollected.
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert started(child.pid) == ""
    assert is_gone(run, this_run(os.getpid()))
    child.communicate()
    assert is_gone(run, this_run(os.getpid()))


def test_another_process_with_the_same_number_is_not_that_run() -> None:
    me = this_run(os.getpid())
    pid, start, boot = me["process"].split("/")
    assert is_gone({**me, "process": f"{pid}/{int(start) - 1}/{boot}"}, me)
    assert is_gone({**me, "process": f"{pid}/{start}/another-boot"}, me)


def test_of_another_machine_and_of_nonsense_nothing_is_known() -> None:
    me = this_run(os.getpid())
    assert not is_gone({**me, "machine": "elsewhere/1", "process": "999999/1/x"}, me)
    for process in ("", "x", "12", "12//", "12/3/", "-1/3/x"):
        assert not is_gone({**me, "process": process}, me)
    assert not is_gone({}, me)


def test_two_containers_of_one_machine_are_two_machines(tmp_path: Path) -> None:
    here = machine()
    assert here == machine()
    (tmp_path / "self/ns").mkdir(parents=True)
    (tmp_path / "self/ns/pid").symlink_to("pid:[1]")
    assert machine(tmp_path) != here


def test_the_refusal_names_the_command_for_this_inventory() -> None:
    said = break_command("aaaa", {"ansible_inventory_sources": ["/srv/production"]})
    assert said == "ansible-playbook -i /srv/production playbooks/break-lock.yml -e lock_id=aaaa"
