# SPDX-License-Identifier: GPL-3.0-or-later
"""What did each authoritative server say of a name, and when? Asked of each of them twenty times a second."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bin.programs import LOGS
from tests.rehearsals.faults import Faults, Program
from tests.rehearsals.tier import until

ON_THE_HOST = Path(__file__).with_name("sampling.py").read_text()
RATE = 20
# Of the questions that were due, this part must have been asked and answered: a sampler that sleeps proves nothing. On a machine that has
# twice as much to do as it can, a sampler asks 30 to 40 times a second, whatever it should.
SHARE = 0.5
SILENCE = "silence"
Lead = tuple[tuple[str, ...], int]


@dataclass(frozen=True)
class Sight:
    """What a server began to say at a moment: addresses and TTL, or what is wrong with its answer."""

    at: float
    server: str
    addresses: tuple[str, ...]
    ttl: int
    said: str = ""

    @property
    def lead(self) -> Lead:
        """Return where the name led, and for how long caches may say so."""
        return self.addresses, self.ttl

    @property
    def silent(self) -> bool:
        """Tell whether there was no answer at all."""
        return self.said.startswith(SILENCE)


@dataclass(frozen=True)
class Count:
    """How many questions to a server were due, and how many were answered."""

    server: str
    due: int
    answered: int


@dataclass(frozen=True)
class Watch:
    """All that a sampler said."""

    sights: tuple[Sight, ...]
    counts: tuple[Count, ...]

    def leads(self, server: str) -> list[Lead]:
        """Return where a server led people, one after the other. One that appears twice came back."""
        said = [s.lead for s in self.sights if s.server == server and not s.silent]
        return [lead for lead, _ in itertools.groupby(said)]

    def useless(self) -> list[Sight]:
        """Return the answers that led nobody anywhere: no address, no authority, or an error."""
        return [s for s in self.sights if not s.silent and (s.said or not s.addresses)]

    def shares(self, servers: Iterable[str]) -> dict[str, float]:
        """Return the part of the questions that were due and were answered, for each server; 0 for one that was not asked."""
        last = {count.server: count for count in self.counts}
        return {s: last[s].answered / last[s].due if s in last else 0.0 for s in servers}

    def began(self, lead: Lead, servers: Sequence[str]) -> list[float]:
        """Return when each server began to lead there, the first time; in the order of time, without those that never did."""
        times: dict[str, float] = {}
        for sight in self.sights:
            if sight.lead == lead and sight.server in servers:
                times.setdefault(sight.server, sight.at)
        return sorted(times.values())

    def latest(self, server: str) -> Lead | None:
        """Return where a server leads now."""
        return next(iter(self.leads(server)[-1:]), None)


def parse(text: str) -> Watch:
    """Read the lines that the sampler has finished; its first one is its process id."""
    whole, _, _ = text.rpartition("\n")
    lines = [json.loads(line) for line in whole.splitlines()[1:]]
    sights = [
        Sight(one["at"], one["server"], tuple(one["addresses"]), one["ttl"], one["said"])
        for one in lines
        if "ttl" in one
    ]
    return Watch(
        tuple(sights), tuple(Count(one["server"], one["due"], one["answered"]) for one in lines if "due" in one)
    )


@dataclass
class Names:
    """A sampler on one host; use as a context manager."""

    faults: Faults
    host: str
    name: str
    servers: list[str]
    _program: Program | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._file = LOGS / f"{self.faults.site.name}-names-{self.host}.log"

    def __enter__(self) -> Names:
        words = ("python3", "-c", ON_THE_HOST, self.name, str(RATE), *self.servers)
        self._program = self.faults.start_on(self.host, self._file, "nobody", *words)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._program
        self._program.stop()

    @property
    def watch(self) -> Watch:
        """Return all that was seen so far."""
        return parse(self._file.read_text())

    def everywhere(self, addresses: Sequence[str], ttl: int, seconds: float = 180) -> None:
        """Wait until all servers lead there."""
        want = (tuple(sorted(addresses)), ttl)
        until(
            lambda: all(self.watch.latest(server) == want for server in self.servers),
            f"{self.servers} say {want} of {self.name}",
            seconds,
        )

    def somewhere(self, addresses: Sequence[str], seconds: float = 300) -> None:
        """Wait until one server leads there."""
        want = tuple(sorted(addresses))
        until(
            lambda: any(sight.addresses == want for sight in self.watch.sights),
            f"one of {self.servers} says {want} of {self.name}",
            seconds,
        )

    def judge(self, *leads: Lead) -> Watch:
        """Require that each server led people through these and nothing else, and was watched closely enough to say so."""
        seen = self.watch
        shares = seen.shares(self.servers)
        assert all(share >= SHARE for share in shares.values()), f"the sampler slept: {shares}"
        assert not seen.useless(), f"a server gave an answer without an address: {seen.useless()[:5]}"
        for server in self.servers:
            assert seen.leads(server) == list(leads), f"{server} led to {seen.leads(server)}"
        return seen
