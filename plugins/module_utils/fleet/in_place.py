# SPDX-License-Identifier: GPL-3.0-or-later
"""A restore in place: what was begun, how far it came, what it may go on with, how to come back. Pure: no I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .drill import position

# A row of a timeline's history: the older timeline, and the place in the WAL in which it was left.
LEFT = re.compile(r"^(\d+)\s+([0-9A-F]+/[0-9A-F]+)", re.MULTILINE)


@dataclass(frozen=True)
class Note:
    """A restore in place that was begun. It lies beside the data from before the first stop until all is well again."""

    target: str
    label: str
    timeline: str
    # The timeline to come back to, and the place in its WAL that is archived; empty where the present could not be archived.
    undo_timeline: str = ""
    mark: str = ""
    # Who led when it was begun: what that member has written last must be archived.
    leader: str = ""
    # The timeline that the restored cluster writes. From then on it is the database, and nothing founds it again.
    founded_on: str = ""

    def text(self) -> str:
        """Return the note as it is written down."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"

    @property
    def command(self) -> str:
        """How the same restore is asked for again."""
        words = [f"-e restore_time={self.target.replace(' ', 'T') or 'latest'}", f"-e restore_set={self.label}"]
        return " ".join([*words, *([f"-e restore_timeline={self.timeline}"] if self.timeline else [])])

    @property
    def undo(self) -> str:
        """How to come back to what there was: to the end of its timeline, which holds every write that was answered."""
        if not self.undo_timeline:
            return "There is no way back: what there was could not be archived."
        return (
            "The way back to what there was: ansible-playbook playbooks/restore-database.yml -e restore_to=in_place"
            f" -e restore_time=latest -e restore_timeline={self.undo_timeline}"
        )

    @property
    def phase(self) -> str:
        """How far it came, for people."""
        return f"founded on timeline {self.founded_on}" if self.founded_on else "begun"


def read(text: str | None) -> Note | None:
    """Return the note that was written down; ValueError if something else lies there."""
    if text is None:
        return None
    told = json.loads(text)
    later = ("undo_timeline", "mark", "leader", "founded_on")
    return Note(
        *(str(told[name]) for name in ("target", "label", "timeline")),
        **{name: str(told.get(name, "")) for name in later},
    )


def refusal(begun: Note | None, wanted: Note) -> str | None:
    """Return why a restore must not begin: another one is half done, and half done is no state to leave."""
    if begun is None or (begun.target, begun.label, begun.timeline) == (wanted.target, wanted.label, wanted.timeline):
        return None
    return (
        f"a restore in place to {begun.target or 'the latest'} was begun and is not finished ({begun.phase}); finish it first, with"
        f" -e restore_to=in_place {begun.command}. {begun.undo}"
    )


def overtaken(begun: Note | None, others: Sequence[str]) -> str | None:
    """Return why one that is founded must not go on here: what another member has written since would be thrown away."""
    if begun is None or not begun.founded_on or not others:
        return None
    return (
        f"the restored cluster was {begun.phase}, and {', '.join(others)} leads it now: nothing is founded again, and nothing is copied"
        " over what was written since. Hand the lead to the founder (playbooks/switch-primary.yml), then repeat this"
    )


def undo_of(marks: Mapping[str, Any]) -> tuple[str, str]:
    """Return the timeline to come back to, and the place in it that is archived."""
    return str(marks.get("timeline", "")), str(marks.get("lsn", "")) if marks.get("timeline") else ""


def ended_short(begun: Note, history: str, errors: Sequence[str]) -> str | None:
    """Return what the restored cluster lacks, by the history of its timeline and by what pgBackRest said while it recovered.

    Postgres takes WAL that cannot be read for the end of the archive: the restore succeeds and is short.
    """
    if errors:
        return f"WAL could not be read, and Postgres took that for the end of the archive: {'; '.join(errors)}"
    left = LEFT.findall(history)
    comparable = not begun.target and begun.mark and begun.timeline in ("", begun.undo_timeline)
    if not left or not comparable or position(left[-1][1]) >= position(begun.mark):
        return None
    return (
        f"it ends at {left[-1][1]} of timeline {left[-1][0]}, before {begun.mark}, which was archived when it was begun"
    )
