# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a name leads, as a resolver with a cache knows it: an answer counts for its TTL and no longer, and any server may be asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.rehearsals.names import SILENCE

Ask = Callable[[str, str], Mapping[str, Any]]
TRIES = 3


@dataclass
class Following:
    """A cache of one name. Nothing else may know where it leads: ``shares`` are what those who come do by."""

    name: str
    servers: Sequence[str]
    ask: Ask
    now: Callable[[], float] = time.monotonic
    addresses: tuple[str, ...] = ()
    until: float = 0.0

    def share(self, address: str) -> float:
        """Return the part of all visitors who go to an address now."""
        return 1 / len(self.addresses) if address in self.addresses else 0.0

    def refresh(self) -> str:
        """Ask again if the answer is too old; return what went wrong, after which the name leads nowhere."""
        if self.now() < self.until:
            return ""
        said: dict[str, str] = {}
        # The one that answered last stays the first: a resolver keeps to whoever is quick. A packet may be lost or late.
        for server in [*self.servers] * TRIES:
            if server in said and not said[server].startswith(SILENCE):
                continue
            found = self.ask(self.name, server)
            if not found["said"] and found["addresses"]:
                self.addresses = tuple(found["addresses"])
                self.until = self.now() + found["ttl"]
                self.servers = [server, *(other for other in self.servers if other != server)]
                return ""
            said[server] = found["said"] or "no address"
        self.addresses = ()
        return "; ".join(f"{server}: {what}" for server, what in said.items())


@dataclass(frozen=True)
class Fixed:
    """The same for whoever comes to all edges alike, whatever any name says."""

    addresses: Sequence[str]

    def share(self, _: str) -> float:
        """Return the part of all visitors who go to an address."""
        return 1 / len(self.addresses)

    def refresh(self) -> str:
        """Nothing can be too old."""
        return ""
