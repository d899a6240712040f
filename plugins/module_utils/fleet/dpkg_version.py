# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of Debian's package versions, as dpkg has it (deb-version(7)). Pure: no I/O.

Neither strings nor Python's versions nor names of packages have this order: 6.1.0-9 is older than 6.1.0-10, and 1.0~rc1 than 1.0.
"""

from __future__ import annotations

import re

# In turns, beginning with what is no digit: an empty piece is a piece.
PIECES = re.compile(r"([^0-9]*)([0-9]*)")


def compare(one: str, other: str) -> int:
    """Return -1, 0 or 1, as the first version is older than the second, the same, or newer."""
    mine, theirs = _split(one), _split(other)
    if mine[0] != theirs[0]:
        return -1 if mine[0] < theirs[0] else 1
    return _compare(mine[1], theirs[1]) or _compare(mine[2], theirs[2])


def _split(version: str) -> tuple[int, str, str]:
    """Return epoch, upstream version and revision."""
    epoch, colon, rest = version.strip().partition(":")
    if not colon:
        epoch, rest = "0", epoch
    if not epoch.isdecimal() or not rest or rest.endswith("-"):
        raise ValueError(f"{version!r} is no version of a package")
    upstream, hyphen, revision = rest.rpartition("-")
    return int(epoch), *((upstream, revision) if hyphen else (rest, ""))


def _compare(one: str, other: str) -> int:
    mine, theirs = (PIECES.findall(text) for text in (one, other))
    longest = max(len(mine), len(theirs))
    for (text, number), (their_text, their_number) in zip(
        mine + [("", "")] * (longest - len(mine)), theirs + [("", "")] * (longest - len(theirs)), strict=True
    ):
        here, there = (_weight(text), int(number or 0)), (_weight(their_text), int(their_number or 0))
        if here != there:
            return -1 if here < there else 1
    return 0


def _weight(text: str) -> list[int]:
    # A tilde is before the end, the end before letters, letters before all else.
    return [*(-1 if sign == "~" else ord(sign) if sign.isalpha() else ord(sign) + 256 for sign in text), 0]
