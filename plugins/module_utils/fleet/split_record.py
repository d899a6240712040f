# SPDX-License-Identifier: GPL-3.0-or-later
"""What is remembered of a move between runs, as the ledger holds it. Pure: no I/O."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from .records import Mistake
from .split import Picture, Split, as_data, from_data

VERSION = 1
OBSERVED, PREPARED, TTL_LOWERED, WAITED = "observed", "prepared", "ttl_lowered", "waited"
CUT, CONVERGED, VERIFIED, BAKING = "cut", "converged", "verified", "baking"
FINALISED, ROLLED_BACK = "finalised", "rolled_back"
PHASES = (OBSERVED, PREPARED, TTL_LOWERED, WAITED, CUT, CONVERGED, VERIFIED, BAKING, FINALISED, ROLLED_BACK)
OVER = (FINALISED, ROLLED_BACK)
# Writes of a move, each with its phase when all servers have it.
LOWER, MOVE, FINISH, RESTORE = "lower", "move", "finish", "restore"
WRITES = (LOWER, MOVE, FINISH, RESTORE)
# Lines of history that are kept.
KEPT = 40


@dataclass(frozen=True)
class Moment:
    """A moment by two clocks: the calendar's, and the seconds since this boot, which nobody can set."""

    utc: float
    boot: str = ""
    ticks: float = 0.0

    def elapsed_since(self, earlier: Moment) -> float | None:
        """Return the seconds since a moment; None if the clock went back, so that nobody knows."""
        same_boot = bool(self.boot) and self.boot == earlier.boot
        passed = self.ticks - earlier.ticks if same_boot else self.utc - earlier.utc
        return passed if passed >= 0 else None

    def __str__(self) -> str:
        return datetime.fromtimestamp(self.utc, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


@dataclass(frozen=True)
class Intent:
    """A write that was decided: from what, to what, when. ``written`` is when it was seen to be done, all servers apart."""

    write: str
    base: Picture
    want: Picture
    decided: Moment
    written: Moment | None = None
    receipt: tuple[str, ...] = ()


@dataclass(frozen=True)
class Record:
    """Where a move stands. ``desired`` is what was asked for when it began, ``snapshot`` what there was before its first write."""

    marker: str
    desired: Picture
    snapshot: Picture
    moving: tuple[str, ...]
    transit_ttl: int
    phase: str = OBSERVED
    # The longest TTL that caches may have of what moves, and whether they may remember that something was missing.
    old_ttl: int = 0
    absent: bool = False
    intent: Intent | None = None
    # When all servers were seen to serve the lowered TTL, and how long caches may remember the old one from then on.
    lowered: Moment | None = None
    wait: int = 0
    verified: Moment | None = None
    # When all servers were seen to serve the end: caches may hold what was served before it, counted from then.
    ended: Moment | None = None
    # Checks of the new target that failed in a row.
    failures: int = 0
    # Why it is rolled back; ``asked`` tells that a person wanted it.
    reason: str = ""
    asked: bool = False
    history: tuple[str, ...] = ()

    def told(self, now: Moment, what: str) -> Record:
        """Return the record with one more line of history."""
        return replace(self, history=(*self.history, f"{now}: {what}")[-KEPT:])

    def held(self, now: Moment) -> int:
        """Return for how many seconds caches may still hold what was served before this move was over."""
        if self.ended is None:
            return 0
        served = (
            record.ttl for shown in (self.snapshot, self.desired) for records in shown.values() for record in records
        )
        longest = max([self.old_ttl, *served])
        passed = now.elapsed_since(self.ended)
        return longest if passed is None else max(0, math.ceil(longest - passed))

    def data(self) -> dict[str, Any]:
        """Return what is stored."""
        return {
            "version": VERSION,
            "marker": self.marker,
            "desired": as_data(self.desired),
            "snapshot": as_data(self.snapshot),
            "moving": list(self.moving),
            "transit_ttl": self.transit_ttl,
            "phase": self.phase,
            "old_ttl": self.old_ttl,
            "absent": self.absent,
            "intent": _intent_data(self.intent),
            "lowered": _moment_data(self.lowered),
            "wait": self.wait,
            "verified": _moment_data(self.verified),
            "ended": _moment_data(self.ended),
            "failures": self.failures,
            "reason": self.reason,
            "asked": self.asked,
            "history": list(self.history),
        }


def _moment_data(moment: Moment | None) -> dict[str, Any] | None:
    return None if moment is None else {"utc": moment.utc, "boot": moment.boot, "ticks": moment.ticks}


def _intent_data(intent: Intent | None) -> dict[str, Any] | None:
    if intent is None:
        return None
    return {
        "write": intent.write,
        "base": as_data(intent.base),
        "want": as_data(intent.want),
        "decided": _moment_data(intent.decided),
        "written": _moment_data(intent.written),
        "receipt": list(intent.receipt),
    }


def _moment(data: Mapping[str, Any] | None) -> Moment | None:
    return None if data is None else Moment(float(data["utc"]), str(data["boot"]), float(data["ticks"]))


def _intent(data: Mapping[str, Any] | None) -> Intent | None:
    if data is None:
        return None
    decided = _moment(data["decided"])
    if data["write"] not in WRITES or decided is None:
        raise ValueError(f"unknown write {data['write']}")
    return Intent(
        str(data["write"]),
        from_data(data["base"]),
        from_data(data["want"]),
        decided,
        _moment(data["written"]),
        tuple(map(str, data["receipt"])),
    )


def read(data: Mapping[str, Any] | None, split: Split) -> Record | None:
    """Return the record that is stored, or say that it cannot be believed: a wait that is not known must not be skipped."""
    if not data:
        return None
    try:
        record = _read(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Mistake(
            f"the record of the split {split.id} cannot be read ({error!r}): look at the names and at the ledger, and remove the "
            "record only when you know that nothing is under way"
        ) from error
    if record.marker != split.marker or set(record.desired) != set(split.names):
        raise Mistake(
            f"the record of the split {split.id} is about {record.marker} with {', '.join(sorted(record.desired))}, not about "
            f"{split.marker} with {', '.join(sorted(split.names))}: another pair needs another id"
        )
    return record


def _read(data: Mapping[str, Any]) -> Record:
    if data["version"] != VERSION or data["phase"] not in PHASES:
        raise ValueError(f"version {data['version']}, phase {data['phase']}")
    return Record(
        marker=str(data["marker"]),
        desired=from_data(data["desired"]),
        snapshot=from_data(data["snapshot"]),
        moving=tuple(map(str, data["moving"])),
        transit_ttl=int(data["transit_ttl"]),
        phase=str(data["phase"]),
        old_ttl=int(data["old_ttl"]),
        absent=bool(data["absent"]),
        intent=_intent(data["intent"]),
        lowered=_moment(data["lowered"]),
        wait=int(data["wait"]),
        verified=_moment(data["verified"]),
        ended=_moment(data.get("ended")),
        failures=int(data["failures"]),
        reason=str(data["reason"]),
        asked=bool(data["asked"]),
        history=tuple(map(str, data["history"])),
    )
