# SPDX-License-Identifier: GPL-3.0-or-later
"""Visitors who read and post at a fixed rate through all edges, and remember every answer."""

from __future__ import annotations

import itertools
import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Self

import urllib3

from tests.visitors import SOCIAL, Site, Visitor


@dataclass(frozen=True)
class Answer:
    """One request: when it was sent (monotonic seconds), how long it took, what came, and the status uuid if it posted."""

    sent: float
    took: float
    status: int
    uuid: str | None = None
    said: str = ""

    @property
    def good(self) -> bool:
        """Tell whether a visitor got what was asked for."""
        return self.status == 200


@dataclass
class Crowd:
    """A fixed rate of reads and posts, shared over the edges; use as a context manager."""

    site: Site
    reads_per_second: float
    posts_per_second: float
    answers: list[Answer] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        for kind, rate in (("read", self.reads_per_second), ("post", self.posts_per_second)):
            edges = [self.site.address(edge) for edge in self.site.hosts("edge")]
            for edge in edges:
                # Each lane may wait for a slow answer without slowing the others: four lanes a kind and edge.
                for lane in range(4):
                    arguments = (kind, Visitor(self.site, edge), 4 * len(edges) / rate, lane / 4)
                    self._threads.append(threading.Thread(target=self._lane, args=arguments, daemon=True))
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=40)

    def _lane(self, kind: str, visitor: Visitor, period: float, offset: float) -> None:
        due = time.monotonic() + offset * period
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            self.answers.append(self._post(visitor) if kind == "post" else self._read(visitor))
            due += period

    def _timed(self, ask: Any, uuid: str | None) -> Answer:
        sent = time.monotonic()
        try:
            answer = ask()
        except urllib3.exceptions.HTTPError as error:
            return Answer(sent, time.monotonic() - sent, 0, uuid, repr(error))
        said = "" if answer.status == 200 else answer.data[:200].decode(errors="replace")
        return Answer(sent, time.monotonic() - sent, answer.status, uuid, said)

    def _read(self, visitor: Visitor) -> Answer:
        return self._timed(lambda: visitor.get("/api/v1/timelines/public"), None)

    def _post(self, visitor: Visitor) -> Answer:
        uuid = secrets.token_hex(12)
        return self._timed(lambda: visitor.post("/api/v1/statuses", {"status": "crowd", "uuid": uuid}), uuid)

    @property
    def failures(self) -> list[Answer]:
        """Return the answers that were no good."""
        return [answer for answer in self.answers if not answer.good]

    def longest_gap(self) -> float:
        """Return the longest time, in seconds, in which nobody got a good answer."""
        done = sorted(answer.sent + answer.took for answer in self.answers if answer.good)
        return max((later - earlier for earlier, later in itertools.pairwise(done)), default=0.0)

    def acknowledged(self) -> set[str]:
        """Return the uuids of all statuses that the site said it took."""
        return {answer.uuid for answer in self.answers if answer.uuid and answer.good}

    def lost_and_doubled(self, seconds: float = 30) -> tuple[set[str], set[str], set[str]]:
        """Ask the site's own books: acknowledged statuses that are missing, that are there twice, whose job never ran."""
        edge = self.site.address(self.site.hosts("edge")[0])
        visitor = Visitor(self.site, edge)
        deadline = time.monotonic() + seconds
        while True:
            answer = visitor.ask(
                "GET", SOCIAL, "/api/v1/admin/audit", headers={"Authorization": f"Bearer {visitor.token}"}
            )
            books: list[dict[str, Any]] = json.loads(answer.data)["statuses"]
            runs = {status["uuid"]: status["fan_out_runs"] for status in books}
            mine = self.acknowledged()
            lost = mine - runs.keys()
            # The uuid is unique in the database; a second post of it is refused and counted.
            doubled = {status["uuid"] for status in books if status["uuid"] in mine and status["duplicate_posts"]}
            idle = {uuid for uuid in mine if runs.get(uuid) == 0}
            if not idle or time.monotonic() > deadline:
                return lost, doubled, idle
            time.sleep(0.5)

    def report(self, story: str) -> str:
        """Return one row for the table of rehearsals."""
        return (
            f"| {story} | {len(self.answers)} requests | {len(self.failures)} failures"
            f" | longest gap {self.longest_gap():.2f} s | {len(self.acknowledged())} statuses |"
        )
