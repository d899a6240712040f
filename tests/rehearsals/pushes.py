# SPDX-License-Identifier: GPL-3.0-or-later
"""What does a Redis master acknowledge when it is cut off, and what of that remains? Asked by something that writes there all the time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bin.programs import LOGS
from tests.rehearsals.answers import Window
from tests.rehearsals.faults import Faults, Program
from tests.rehearsals.tier import REDIS, Tier

ON_THE_MASTER = Path(__file__).with_name("pushing.py").read_text()
LIST = "rehearsal"
# Seconds between two pushes.
PAUSE = 0.2


@dataclass(frozen=True)
class Push:
    """One number that a Redis was given: when that began and ended, and the first word of its answer."""

    number: int
    sent: float
    done: float
    said: str

    @property
    def taken(self) -> bool:
        """Tell whether it was acknowledged: Redis says how long the list is now."""
        return self.said.startswith(":")


def parse(text: str) -> list[Push]:
    """Read the lines that the writer has finished; its first one is its process id."""
    whole, _, _ = text.rpartition("\n")
    lines = [line.split() for line in whole.splitlines()[1:]]
    return [Push(int(number), float(sent), float(done), said) for number, sent, done, said in lines]


def lost(pushes: Iterable[Push], kept: Iterable[int], window: Window) -> list[Push]:
    """Return what was acknowledged, is gone, and is not excused."""
    there = set(kept)
    return [p for p in pushes if p.taken and p.number not in there and not window.excuses(p.sent, p.done)]


@dataclass
class Pushes:
    """A writer on one host of Redis; use as a context manager."""

    tier: Tier
    faults: Faults
    host: str
    _writer: Program | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._file = LOGS / f"{self.tier.site.name}-pushes-{self.host}.log"

    def __enter__(self) -> Pushes:
        # A story that was killed may have left one.
        self.tier.redis_forget(self.host, LIST)
        self.faults.also("list", lambda: self.tier.redis_forget(self.tier.redis_master("data"), LIST))
        password = self.tier.site.secrets["redis_data"] + "\n"
        words = ("python3", "-c", ON_THE_MASTER, str(REDIS["data"]), LIST, str(PAUSE))
        self._writer = self.faults.start_on(self.host, self._file, "nobody", *words, stdin=password)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._writer
        self._writer.stop()

    @property
    def all(self) -> list[Push]:
        """Return every push that was answered so far."""
        return parse(self._file.read_text())

    def refused(self, since: float) -> list[Push]:
        """Return those since then that were refused because nobody copies them."""
        return [push for push in self.all if push.sent > since and push.said == "-NOREPLICAS"]

    def taken(self, since: float = 0) -> list[Push]:
        """Return those since then that were acknowledged."""
        return [push for push in self.all if push.sent > since and push.taken]

    def kept(self) -> set[int]:
        """Return the numbers that the master has."""
        return set(map(int, self.tier.redis_list(self.tier.redis_master("data"), LIST)))
