# SPDX-License-Identifier: GPL-3.0-or-later
"""A restore in place: what was begun, what it may go on with, how to come back. Pure: no I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True)
class Note:
    """A restore in place that was begun. It lies beside the data from before the first stop until all is well again."""

    target: str
    label: str
    timeline: str
    # The moment and the timeline to come back to; empty where the present could not be archived.
    undo_time: str = ""
    undo_timeline: str = ""

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
        """How to come back to what there was."""
        if not self.undo_time:
            return "There is no way back: what there was could not be archived."
        return (
            "The way back to what there was: ansible-playbook playbooks/restore-database.yml -e restore_to=in_place"
            f" -e restore_time={self.undo_time} -e restore_timeline={self.undo_timeline}"
        )


def read(text: str | None) -> Note | None:
    """Return the note that was written down; ValueError if something else lies there."""
    if text is None:
        return None
    told = json.loads(text)
    return Note(**{name: str(told[name]) for name in ("target", "label", "timeline", "undo_time", "undo_timeline")})


def refusal(begun: Note | None, wanted: Note) -> str | None:
    """Return why a restore must not begin: another one is half done, and half done is no state to leave."""
    if begun is None or (begun.target, begun.label, begun.timeline) == (wanted.target, wanted.label, wanted.timeline):
        return None
    return (
        f"a restore in place to {begun.target or 'the latest'} was begun and is not finished; finish it first, with"
        f" -e restore_to=in_place {begun.command}. {begun.undo}"
    )


def undo_of(marks: Mapping[str, Any]) -> tuple[str, str]:
    """Return the moment and the timeline to come back to, of the marks that were archived."""
    newest = marks.get("newest")
    if newest is None:
        return "", ""
    moment = datetime.fromtimestamp(float(newest), UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f+00"), str(marks.get("timeline", ""))
