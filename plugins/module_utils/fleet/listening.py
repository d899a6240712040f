# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a host listens for others, and what of that is another than before. Pure: no I/O."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .checks import Socket


def lasting(sockets: Iterable[Socket], ephemeral: range) -> list[str]:
    """Return what listens beyond loopback, in words.

    UDP tells nobody who listens from who waits for an answer; the latter has a port of the ephemeral range, and is left out.
    """
    found = {
        one
        for one in sockets
        if not ipaddress.ip_address(one.host).is_loopback and not (one.protocol == "udp" and one.port in ephemeral)
    }
    return [str(one) for one in sorted(found, key=lambda one: (one.protocol, one.port, one.host))]


@dataclass(frozen=True)
class Difference:
    """What is open no more, and what is open that was not."""

    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.missing or self.extra)

    def __str__(self) -> str:
        gone = f"nobody listens any more on {', '.join(self.missing)}" if self.missing else ""
        new = f"somebody listens on {', '.join(self.extra)}, where nobody did" if self.extra else ""
        return "; ".join(filter(None, (gone, new)))


def difference(before: Sequence[str], now: Sequence[str], ignored: Iterable[str]) -> Difference:
    """Compare; a pattern of ``ignored`` is a socket in words in which ``*`` is anything."""
    # Not fnmatch: the brackets of an IPv6 address are a choice of letters to it.
    patterns = [re.compile(re.escape(one).replace(r"\*", ".*")) for one in ignored]

    def counts(socket: str) -> bool:
        return not any(pattern.fullmatch(socket) for pattern in patterns)

    return Difference(
        tuple(one for one in before if one not in now and counts(one)),
        tuple(one for one in now if one not in before and counts(one)),
    )
