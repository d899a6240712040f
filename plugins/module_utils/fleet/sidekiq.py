# SPDX-License-Identifier: GPL-3.0-or-later
"""What Sidekiq's processes must be, taken together over the fleet, and what one says of itself."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SCHEDULER = "scheduler"
NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
TITLE = re.compile(r"sidekiq \S+ .*\[(?P<busy>\d+) of (?P<threads>\d+) busy\](?P<stopping> stopping)?")


@dataclass(frozen=True)
class Title:
    """What a Sidekiq process wrote on its door."""

    busy: int
    quiet: bool


def read_title(command_line: str) -> Title | None:
    """Return what a process says of itself, or None if it does not (it is booting, or no Sidekiq)."""
    found = TITLE.search(command_line)
    return Title(int(found["busy"]), found["stopping"] is not None) if found else None


def queue_name(queue: str) -> str:
    """Return a queue's name without its weight (``default,8``)."""
    return queue.partition(",")[0]


def fleet_faults(fleet: Mapping[str, Sequence[Mapping[str, Any]]], queues: Sequence[str]) -> list[str]:
    """Return what is wrong with the processes of all hosts: each queue has one, the scheduler's exactly one."""
    faults = [fault for host, units in fleet.items() for fault in _unit_faults(host, units, queues)]
    serving: dict[str, list[str]] = {queue: [] for queue in queues}
    for host, units in fleet.items():
        for unit in units:
            for queue in unit["queues"]:
                serving.setdefault(queue_name(queue), []).append(f"{unit['name']} on {host}")
    for queue in queues:
        if not serving[queue]:
            faults.append(f"no process in the fleet serves the queue {queue}; add it to a unit in sidekiq_units")
    if len(serving.get(SCHEDULER, [])) > 1:
        faults.append(
            f"the queue {SCHEDULER} belongs to exactly one process in the fleet and {len(serving[SCHEDULER])} serve it "
            f"({'; '.join(serving[SCHEDULER])}), so every scheduled job would run more than once; keep one of them"
        )
    return faults


def _unit_faults(host: str, units: Sequence[Mapping[str, Any]], queues: Sequence[str]) -> list[str]:
    faults = []
    names = [str(unit["name"]) for unit in units]
    for name in sorted({name for name in names if names.count(name) > 1}):
        faults.append(f"{host} has two units named {name}; give each its own name")
    for name in names:
        if not NAME.fullmatch(name):
            faults.append(f"{name!r} on {host} cannot name a unit; use a-z, 0-9 and -")
    for unit in units:
        for queue in unit["queues"]:
            known, weight = queue_name(queue), queue.partition(",")[2]
            if known not in queues:
                faults.append(
                    f"{unit['name']} on {host} serves {known}, which is no queue of the application ({', '.join(queues)})"
                )
            if weight and not weight.isdigit():
                faults.append(f"{unit['name']} on {host} gives {known} the weight {weight!r}; it is a whole number")
    return faults
