# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the fleet keeps its lock and its ledger: what every such place promises. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

# What whoever uses such a place takes; explained in plugins/doc_fragments/fleet_store.py.
OPTIONS: dict[str, Any] = {
    "endpoints": {"type": "list", "elements": "str", "default": []},
    "directory": {"type": "path", "default": ""},
}


class Unanswered(Exception):
    """Nobody knows what lies there, and nothing was changed."""


class Unclear(Unanswered):
    """A change was asked for, and whether it was made nobody knows: look again."""


@dataclass(frozen=True)
class Record:
    """What a key holds, and the revision of its last change: 0 where it does not exist."""

    text: str
    revision: int


class Store(Protocol):
    """Records by key. A revision is never used twice, not even after a removal."""

    @property
    def silence(self) -> str:
        """Say what it means that it does not answer."""

    @property
    def remedy(self) -> str:
        """Say what to do then."""

    def read(self, key: str) -> Record:
        """Read a key."""

    def read_all(self, prefix: str) -> dict[str, Record]:
        """Read all keys that begin with a prefix."""

    def swap(self, key: str, seen: int, text: str | None) -> bool:
        """Store a text, or remove the key, if its last change is still the one that was seen. Return whether it was."""


def misplaced(endpoints: Sequence[str], directory: str) -> str:
    """Say why there is not exactly one place, or "". Two would be two locks, and each run could hold one of them."""
    if endpoints and directory:
        return (
            "The fleet's lock can lie in etcd (`endpoints`) or in a directory of a witness (`directory`), not in both: two locks exclude "
            "nobody. Empty lock_directory, or the group etcd, in the inventory."
        )
    if not endpoints and not directory:
        return (
            "The fleet's lock lies nowhere: there are no members of etcd (`endpoints`), and no directory of a witness (`directory`) is "
            "named. Put hosts into the group etcd, or set lock_keeper and lock_directory in the inventory."
        )
    return ""
