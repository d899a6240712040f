# SPDX-License-Identifier: GPL-3.0-or-later
"""Who takes writes? Asked of each database member itself, a few times a second, by something that writes there.

The part below runs on the member: it needs no proxy, no pool and no network, and says each write that was acknowledged, with the
clock that all hosts of the lab share.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from bin.programs import LOGS
from tests.rehearsals.faults import Faults, Program
from tests.rehearsals.tier import Tier

ON_THE_MEMBER = """
import os, sys, time, psycopg2
member, connection, number = sys.argv[1], None, 0
print(os.getpid(), flush=True)
while True:
    time.sleep(0.2)
    try:
        if connection is None:
            connection = psycopg2.connect("host=/run/postgresql dbname=postgres connect_timeout=2")
            connection.autocommit = True
        del connection.notices[:]
        with connection.cursor() as cursor:
            number += 1
            cursor.execute("insert into rehearsal (member, number) values (%s, %s)", (member, number))
        # A commit that stopped waiting for its replica is no promise.
        if not connection.notices:
            print(member, number, time.monotonic(), flush=True)
    except psycopg2.Error:
        if connection is not None:
            connection.close()
        connection = None
"""


@dataclass(frozen=True)
class Write:
    """One write that a member acknowledged, and when."""

    member: str
    number: int
    done: float


def reigns(writes: list[Write]) -> list[str]:
    """Return the members in the order in which they took writes; one that appears twice came back, or never left."""
    return [member for member, _ in itertools.groupby(w.member for w in sorted(writes, key=lambda w: w.done))]


@dataclass
class Claims:
    """Writers on all members; use as a context manager."""

    tier: Tier
    faults: Faults
    _writers: list[Program] = field(default_factory=list)

    def __enter__(self) -> Claims:
        columns = "member text, number int, primary key (member, number)"
        # A story that was killed may have left one.
        self.tier.sql(self.tier.leader(), f"drop table if exists rehearsal; create table rehearsal ({columns})")
        self.faults.also("table", self._forget)
        for host in self.tier.site.hosts("postgres"):
            file = LOGS / f"{self.tier.site.name}-claims-{host}.log"
            self._writers.append(self.faults.start_on(host, file, "postgres", "python3", "-c", ON_THE_MEMBER, host))
        return self

    def __exit__(self, *_: object) -> None:
        for writer in self._writers:
            writer.stop()

    def _forget(self) -> None:
        self.tier.sql(self.tier.leader(), "drop table if exists rehearsal")

    def acknowledged(self) -> list[Write]:
        """Return every write that a member acknowledged."""
        lines = [line.split() for writer in self._writers for line in writer.file.read_text().splitlines()]
        return [Write(line[0], int(line[1]), float(line[2])) for line in lines if len(line) == 3]

    def kept(self) -> set[tuple[str, int]]:
        """Return the writes that the leader has."""
        lines = self.tier.sql(self.tier.leader(), "select member, number from rehearsal").splitlines()
        return {(member, int(number)) for member, number in (line.split("|") for line in lines)}
