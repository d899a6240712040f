# SPDX-License-Identifier: GPL-3.0-or-later
"""People who look at a picture by its read name, through a resolver with a cache: what they see, and at which address."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bin.programs import LOGS
from tests.rehearsals.answers import Answer, parse
from tests.rehearsals.faults import Faults, Program
from tests.rehearsals.resolver import PORT
from tests.rehearsals.tier import until

ON_THE_HOST = Path(__file__).with_name("looking.py").read_text()
# Per second.
RATE = 10
# So many reads in a row at one address, and all of them go there.
SURE = 20


def last_at(answers: Iterable[Answer], address: str) -> float:
    """Return when the last read went to an address; before all time if none did."""
    return max((answer.sent for answer in answers if answer.edge == address), default=float("-inf"))


def settled(answers: Iterable[Answer], address: str, since: float) -> bool:
    """Tell whether the latest reads, all from after a moment, went to one address and were answered well."""
    late = sorted((a for a in answers if a.sent > since), key=lambda a: a.sent)[-SURE:]
    return len(late) == SURE and all(a.edge == address and a.good for a in late)


@dataclass
class Readers:
    """Readers on one host; use as a context manager."""

    faults: Faults
    host: str
    name: str
    path: str
    picture: bytes
    fault: float | None = None
    _program: Program | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._file = LOGS / f"{self.faults.site.name}-readers-{self.host}.log"

    def __enter__(self) -> Readers:
        digest = hashlib.sha256(self.picture).hexdigest()
        words = ("python3", "-c", ON_THE_HOST, self.name, self.path, digest, str(RATE), str(PORT))
        self._program = self.faults.start_on(self.host, self._file, "nobody", *words)
        until(lambda: any(a.good for a in self.answers), f"the picture is read: {self._file}", 60)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._program
        self._program.stop()

    @property
    def answers(self) -> list[Answer]:
        """Return all reads that are over."""
        _, _, reads = self._file.read_text().partition("\n")
        return parse(reads)

    @property
    def failures(self) -> list[Answer]:
        """Return the reads that did not show the picture."""
        return [answer for answer in self.answers if not answer.good]

    def strike(self) -> None:
        """Say that the fault begins now."""
        self.fault = time.monotonic()

    def all_at(self, address: str, seconds: float, since: float = 0) -> None:
        """Wait until everybody reads at one address, and well."""
        until(lambda: settled(self.answers, address, since), f"all read at {address}", seconds)
