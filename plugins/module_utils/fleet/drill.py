# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a restore drill has brought back what there was: the verdict, its table, its metrics. Pure: no I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .textfile import Family, Sample, before, one, render

LSN = re.compile(r"^([0-9A-F]{1,8})/([0-9A-F]{1,8})$")
LAST_SUCCESS = "upstairs_drill_last_success_timestamp_seconds"


@dataclass(frozen=True)
class Check:
    """One promise of the drill and whether it was kept."""

    name: str
    ok: bool
    said: str


@dataclass(frozen=True)
class Marks:
    """Where a database stands: by its clock, in its WAL, and by what it counts."""

    lsn: str
    # Seconds since 1970: the database's now, and its newest transaction's.
    now: float
    newest: float | None
    values: Mapping[str, str]


def position(lsn: str) -> int:
    """Return the byte that a place in the WAL names; ValueError if it is none."""
    found = LSN.match(lsn)
    if found is None:
        raise ValueError(f"{lsn!r} is no place in the WAL")
    return (int(found[1], 16) << 32) + int(found[2], 16)


def marks(told: Mapping[str, Any]) -> Marks:
    """Return the marks that a host told."""
    newest = told.get("newest")
    return Marks(str(told["lsn"]), float(told["now"]), None if newest is None else float(newest), dict(told["values"]))


def compare(noted: Marks, found: Marks, shrink: Mapping[str, int]) -> list[Check]:
    """Return whether the restored database has all that the primary had; ``shrink`` is the per cent that each value may be smaller."""
    behind = position(noted.lsn) - position(found.lsn)
    checks = [
        Check(
            "the WAL was replayed beyond the mark",
            behind <= 0,
            f"restored to {found.lsn}, the primary was at {noted.lsn}"
            + (f": {behind} bytes are missing" if behind > 0 else ""),
        )
    ]
    for name, value in noted.values.items():
        checks.append(_value(name, value, found.values.get(name, ""), shrink.get(name, 0)))
    return checks


def _value(name: str, was: str, now: str, shrink: int) -> Check:
    told = f"{now or 'nothing'} restored, {was or 'nothing'} on the primary"
    try:
        least = int(was) - abs(int(was)) * shrink / 100
        return Check(name, int(now) >= least, told)
    except ValueError:
        return Check(name, False, f"{told}: a check must give one number")


def rpo(noted: Marks, found: Marks) -> float | None:
    """Return how old the newest restored transaction was when the restore began; None if nothing was replayed."""
    return None if found.newest is None else max(0.0, noted.now - found.newest)


def observed(answers: Mapping[str, Mapping[str, Any]]) -> list[Check]:
    """Return the checks that ``probe`` has made."""
    return [
        Check(name, bool(one["ok"]), "good" if one["ok"] else " ".join(str(one["said"]).split()))
        for name, one in answers.items()
    ]


def plausible(name: str, live: int | None, restored: int | None, least_percent: int) -> Check:
    """Return whether a copy holds about as many keys as the original."""
    if restored is None:
        return Check(name, False, "the copy did not say how many it holds")
    if restored == 0 and live != 0:
        return Check(name, False, "the copy is empty")
    if live is None:
        return Check(name, True, f"{restored} restored; the original was not asked")
    return Check(name, restored * 100 >= live * least_percent, f"{restored} restored, {live} in the original")


def table(checks: Sequence[Check], rto: float | None, exposed: float | None, forced: float | None) -> str:
    """Return the verdict for people. ``exposed`` is what a loss at that moment would have cost, ``forced`` what it cost after a mark."""
    width = max((len(check.name) for check in checks), default=0)
    rows = [f"{'ok ' if check.ok else 'NOT'}  {check.name:<{width}}  {check.said}" for check in checks]
    rows.append(
        f"RTO {_seconds(rto)} from the first byte until it answered; RPO {_seconds(exposed)}, {_seconds(forced)} after a forced switch"
    )
    return "\n".join(rows)


def _seconds(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f} s"


def last_success(text: str) -> float | None:
    """Return when the drill last succeeded, by the metrics that it has written."""
    return before(text, LAST_SUCCESS)


def metrics(
    checks: Sequence[Check],
    rto: float | None,
    lost: tuple[float | None, float | None],
    now: float,
    previous: float | None,
) -> str:
    """Return the metrics as node-exporter's textfile collector reads them. ``lost``: as it was, and after the drill's own switch."""
    good = bool(checks) and all(check.ok for check in checks)
    success = now if good else previous
    return render(
        [
            Family("upstairs_drill_success", "Whether the last restore drill was green.", one(float(good))),
            Family("upstairs_drill_last_run_timestamp_seconds", "When the last restore drill ended.", one(now)),
            Family(LAST_SUCCESS, "When a restore drill was last green.", one(success)),
            Family(
                "upstairs_drill_rto_seconds", "Seconds from the first byte of a restore until it answered.", one(rto)
            ),
            Family("upstairs_drill_rpo_seconds", "Age of the newest archived WAL when the drill began.", one(lost[0])),
            Family(
                "upstairs_drill_forced_rpo_seconds",
                "Age of the newest restored transaction when the restore began, after a forced switch of WAL.",
                one(lost[1]),
            ),
            Family(
                "upstairs_drill_check",
                "Whether a check of the last restore drill was good.",
                tuple(Sample(float(check.ok), {"check": check.name}) for check in checks),
            ),
        ]
    )
