# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operation remembers between its runs: records by name, changed only by who saw the last change. Pure: no I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ROOT = "/upstairs/ledger/"
# An operation and its subject, such as dns_split/media. A dot first would hide a name nowhere, but confuse people.
NAME = re.compile(r"[a-z0-9_]+(/[a-z0-9_][a-z0-9._-]*)+")


class Mistake(ValueError):
    """What was asked makes no sense; the text says what and what to do."""


@dataclass(frozen=True)
class Entry:
    """A record and the revision of its last change: 0 where there is none. One that is no JSON object has no value."""

    name: str
    revision: int
    value: Mapping[str, Any] | None = None

    @property
    def readable(self) -> bool:
        """Whether it is there and can be believed, or is not there."""
        return not self.revision or self.value is not None


@dataclass(frozen=True)
class Plan:
    """What to do: store a text (or remove, if it is None) in place of the revision that was seen."""

    said: str
    changes: bool = False
    text: str | None = None


def key(name: str) -> str:
    """Return where a record lies."""
    if not NAME.fullmatch(name):
        raise Mistake(f"{name!r} is no name of a record: write an operation and its subject, such as dns_split/media")
    return ROOT + name


def prefix(name: str) -> str:
    """Return where the records of an operation begin; "" is all of them."""
    if name and not re.fullmatch(r"[a-z0-9_]+", name):
        raise Mistake(f"{name!r} is no operation: write its name, such as dns_split, or nothing for all")
    return f"{ROOT}{name}/" if name else ROOT


def read(name: str, text: str, revision: int) -> Entry:
    """Read what lies there."""
    if not revision:
        return Entry(name, 0)
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    return Entry(name, revision, value if isinstance(value, dict) else None)


def text_of(value: Mapping[str, Any]) -> str:
    """Return what is stored."""
    return json.dumps(value, sort_keys=True)


def put(seen: Entry, value: Mapping[str, Any], revision: int) -> Plan:
    """Store a value in place of the revision that its writer saw; 0 is no record."""
    _refuse_others(seen, revision)
    if seen.value == value:
        return Plan(f"{seen.name} holds that already")
    return Plan(f"store {seen.name}", changes=True, text=text_of(value))


def remove(seen: Entry, revision: int) -> Plan:
    """Remove exactly what its writer, or a person, saw."""
    if not seen.revision:
        return Plan(f"{seen.name} is not there")
    _refuse_others(seen, revision)
    return Plan(f"remove {seen.name}", changes=True)


def _refuse_others(seen: Entry, revision: int) -> None:
    if seen.revision != revision:
        raise Mistake(
            f"The record {seen.name} has revision {seen.revision} and not {revision}: somebody else changed it. Read it again, and find "
            "out who else is at work, before you go on."
        )
