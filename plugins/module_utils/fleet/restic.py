# SPDX-License-Identifier: GPL-3.0-or-later
"""What restic's answers mean, and whether its snapshots are new enough. Pure: no I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

ABSENT = 10
LOCKED = 11
WRONG_PASSWORD = 12
SHOWN = 300
# restic tells the time to the nanosecond, Python reads microseconds.
FRACTION = re.compile(r"\.(\d{6})\d+")


@dataclass(frozen=True)
class Snapshot:
    """One backup as the repository knows it."""

    id: str
    time: datetime
    host: str
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Judgement:
    """What is wrong with the backups, and which were never made."""

    complaints: tuple[str, ...]
    missing: tuple[str, ...]
    old: tuple[str, ...]


def explain(rc: int | None, said: str, repository: str) -> str:
    """Return in words why restic could not do it."""
    last = (said.strip().splitlines() or ["nothing"])[-1][-SHOWN:]
    if rc == ABSENT:
        return f"there is no repository at {repository}: is the address right? It is made by the host with restic_creates_repository"
    if rc == WRONG_PASSWORD or "wrong password" in said:
        return f"the password (restic_password) does not open the repository at {repository}"
    if rc == LOCKED:
        return f"the repository at {repository} is locked by somebody else: {last}"
    if rc is None:
        return f"the repository at {repository} cannot be reached: {last}"
    return f"the repository at {repository} gave no good answer (restic exited {rc}): {last}"


def parse_time(text: str) -> datetime:
    """Return a time that restic wrote."""
    moment = datetime.fromisoformat(FRACTION.sub(r".\1", text.replace("Z", "+00:00")))
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no zone")
    return moment


def parse_snapshots(text: str) -> list[Snapshot]:
    """Return the snapshots that ``restic snapshots --json`` told; ValueError if it is not that."""
    told = json.loads(text)
    if told is None:
        return []
    if not isinstance(told, list):
        raise ValueError("restic told no list of snapshots")
    return [
        Snapshot(one["id"], parse_time(one["time"]), one.get("hostname", ""), tuple(one.get("tags") or ()))
        for one in told
    ]


def newest(snapshots: Iterable[Snapshot], name: str) -> Snapshot | None:
    """Return the newest snapshot of a backup, whoever made it."""
    return max((one for one in snapshots if name in one.tags), key=lambda one: one.time, default=None)


def judge(
    snapshots: Collection[Snapshot], limits: Mapping[str, int], now: datetime, tolerate: Collection[str] = ()
) -> Judgement:
    """Return what is wrong; ``limits`` are the hours that each backup may be old."""
    complaints, missing, old = [], [], []
    for name, hours in sorted(limits.items()):
        latest = newest(snapshots, name)
        if latest is None:
            missing.append(name)
            if "missing" not in tolerate:
                complaints.append(f"the backup {name} was never made")
        elif now - latest.time > timedelta(hours=hours):
            old.append(name)
            age = (now - latest.time).total_seconds() / 3600
            if "old" not in tolerate:
                complaints.append(
                    f"the newest backup {name} is {age:.1f} hours old ({latest.id[:8]} of {latest.host}), {hours} are allowed"
                )
    return Judgement(tuple(complaints), tuple(missing), tuple(old))
