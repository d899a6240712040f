# SPDX-License-Identifier: GPL-3.0-or-later
"""A roll of kernels on hosts that are virtual machines: what is typed, what it says, and how the machines come and go."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from bin.programs import Outcome, tail
from tests.rehearsals.machines import Machines
from tests.rehearsals.operation import Operation
from tests.visitors import Site

PLAYBOOK = "update-kernels.yml"
# Seconds for one roll of all of them.
PATIENCE = 3000
# An emulated processor takes ten to twenty times as long for everything.
SLOWLY = {
    "base_verify_within": 240,
    "app_verify_within": 240,
    "edge_verify_within": 240,
    "web_verify_within": 240,
    "sidekiq_verify_within": 240,
    "postgres_healthy_within": 240,
    "web_start_seconds": 1500,
    "kernel_update_reboot_within": 900,
    "kernel_update_waves": [],
    "kernel_update_bake_time": 4,
    "kernel_update_checks": 1,
}


@contextmanager
def lent(site: Site, hosts: Mapping[str, str]) -> Iterator[Machines]:
    """Let hosts be virtual machines while the block goes on, each with the old kernel or with both, and know nothing of any roll."""
    machines = Machines(site)
    try:
        machines.forget_rolls()
        machines.become(hosts)
        yield machines
    finally:
        machines.leave()
        machines.forget_rolls()


def typed(*only: str, **more: object) -> tuple[str, ...]:
    """Return what an operator types to roll these hosts."""
    return ("-e", json.dumps({**SLOWLY, "only": ",".join(only), **more}))


def roll(site: Site, *arguments: str) -> Outcome:
    """Roll kernels to the end, and show what went well too: a plan is no change and no failure."""
    # Two scenarios may roll at the same time.
    name = site.inventories[-1].parent.name
    with Operation(
        site, PLAYBOOK, arguments, name, {"ANSIBLE_DISPLAY_OK_HOSTS": "yes", "ANSIBLE_TIMEOUT": "90"}
    ) as rolling:
        return rolling.wait(PATIENCE)


def words_of(output: str) -> str:
    """Return what was said, however it was broken into lines."""
    return " ".join(output.split())


def reboots(output: str) -> float:
    """Return the seconds that all hosts together took to boot, as the report at the end tells them."""
    return sum(map(float, re.findall(r"rebooting (\d+) s", words_of(output))))


def says(run: Outcome, *wanted: str) -> None:
    """Insist that a run says all of this."""
    said = words_of(run.output)
    missing = [words for words in wanted if words not in said]
    assert not missing, f"not said: {missing}\n{tail(run.output, 60)}"
