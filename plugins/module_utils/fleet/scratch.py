# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do with a scratch database that is there, half there or not there. Pure: no I/O."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

DRILL = "drill"


@dataclass(frozen=True)
class Note:
    """Whose restored database this is, and how far it has come. It lies beside the data."""

    purpose: str
    label: str
    target: str
    whole: bool = False
    # The timeline that it follows, empty for the newest; and when the latest was asked for.
    timeline: str = ""
    asked: str = ""

    def text(self) -> str:
        """Return the note as it is written down."""
        return json.dumps(asdict(self), sort_keys=True) + "\n"


@dataclass(frozen=True)
class Refusal:
    """Why nothing is done."""

    why: str


def read(text: str | None) -> Note | None:
    """Return the note that was written down; one that cannot be read is somebody's all the same."""
    if text is None:
        return None
    try:
        told = json.loads(text)
        return Note(
            str(told["purpose"]),
            str(told["label"]),
            str(told["target"]),
            bool(told["whole"]),
            *(str(told.get(name, "")) for name in ("timeline", "asked")),
        )
    except (ValueError, KeyError, TypeError):
        return Note("unknown", "", "")


def to_restore(there: Note | None, wanted: Note, answers: bool) -> tuple[str, ...] | Refusal:
    """Return the steps to a restored database that answers.

    One that was cut off is finished. What another person restored is never taken away, a drill's leftovers are.
    """
    if there is None:
        return ("restore", "start")
    # Of the latest there is more each time, perhaps even a newer backup; along another timeline the same moment is another one.
    latest = there.purpose == wanted.purpose and not there.target and not wanted.target
    same = latest or (there.purpose, there.label, there.target) == (wanted.purpose, wanted.label, wanted.target)
    fresh = there.timeline == wanted.timeline and (there.label, there.asked) == (wanted.label, wanted.asked)
    if there.purpose != DRILL and not same:
        what = f"{there.label or 'something'} to {there.target or 'the latest'}"
        return Refusal(
            f"a restored database is here already ({there.purpose}: {what}{'' if there.whole else ', half restored'});"
            " take it away first: -e restore_to=nowhere"
        )
    if same and fresh and there.whole and wanted.purpose != DRILL:
        return () if answers else ("start",)
    return ("stop", "restore", "start")


def to_remove(there: Note | None, purpose: str, answers: bool, data: bool) -> tuple[str, ...]:
    """Return the steps to a host without a restored database. A drill takes away only what a drill has made."""
    if purpose == DRILL and there and there.purpose != DRILL:
        return ()
    return (*(("stop",) if answers else ()), *(("remove",) if data or there else ()))
