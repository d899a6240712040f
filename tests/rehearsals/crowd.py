# SPDX-License-Identifier: GPL-3.0-or-later
"""Visitors who read and post at a fixed rate through all edges, in a process of their own (``load.py``)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Self

from bin.programs import LOGS, ROOT, tail
from tests.rehearsals.answers import Answer, Books, parse, well
from tests.visitors import PATIENCE, SOCIAL, Site, Visitor

# Per second. What the lab carries on two cores with room to spare: docs/decisions/0009-visitors-by-locust.md.
READS = float(os.environ.get("UPSTAIRS_READS", "40"))
POSTS = float(os.environ.get("UPSTAIRS_POSTS", "8"))


@dataclass
class Crowd:
    """A fixed rate of reads and posts; use as a context manager. They are shared over all edges, or over those that a name leads to."""

    site: Site
    story: str
    reads: float = READS
    posts: float = POSTS
    # The name that they follow; empty for nobody's.
    name: str = ""
    # Seconds that each of them waits for an answer.
    patience: float = PATIENCE
    fault: float | None = None
    mended: float | None = None
    books: Books | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._answers = LOGS / f"{self.site.name}-crowd-{self.story}.jsonl"
        self._log = LOGS / f"{self.site.name}-crowd-{self.story}.log"

    def __enter__(self) -> Self:
        LOGS.mkdir(parents=True, exist_ok=True)
        self._answers.unlink(missing_ok=True)
        users = str(len(self.site.edges))
        command = [sys.executable, "-m", "locust", "-f", "tests/rehearsals/load.py", "--headless", "--only-summary"]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [*command, "--users", users, "--spawn-rate", users, "--stop-timeout", f"{self.patience + 10:.0f}"],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={
                    **os.environ,
                    "PYTHONPATH": str(ROOT),
                    "UPSTAIRS_LAB": self.site.name,
                    "CROWD_ANSWERS": str(self._answers),
                    "CROWD_READS": str(self.reads),
                    "CROWD_POSTS": str(self.posts),
                    "CROWD_EDGES": " ".join(self.site.edges),
                    "CROWD_NAME": self.name,
                    "CROWD_PATIENCE": str(self.patience),
                    "CROWD_SERVERS": " ".join(self.site.address(host) for host in self.site.hosts("nameserver")),
                },
            )
        self._wait_for_the_first()
        return self

    def _wait_for_the_first(self) -> None:
        assert self._process
        deadline = time.monotonic() + 300
        while {bool(answer.uuid) for answer in self.answers if answer.good} != {True, False}:
            assert self._process.poll() is None, f"Locust did not start:\n{tail(self._log.read_text(), 40)}"
            assert time.monotonic() < deadline, f"nobody got a good answer: {self.answers[:5]}"
            time.sleep(0.2)

    def __exit__(self, *_: object) -> None:
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(timeout=self.patience + 60)

    @property
    def answers(self) -> list[Answer]:
        """Return all that was answered so far."""
        return parse(self._answers.read_text()) if self._answers.exists() else []

    @property
    def failures(self) -> list[Answer]:
        """Return the answers that were no good."""
        return [answer for answer in self.answers if not answer.good]

    def mark_mended(self) -> None:
        """Say that a fault is mended now that nothing could recover from by itself: recovery counts from here."""
        self.mended = time.monotonic()

    def strike(self) -> float:
        """Say that the fault begins now."""
        self.fault = time.monotonic()
        return self.fault

    def go_on(self, seconds: float) -> None:
        """Let visitors come for so long: the only thing that is measured by a clock here is what they see."""
        time.sleep(seconds)

    def until_well(self, seconds: float, calm: float = 5) -> None:
        """Wait until those who come from now on have read and posted well for ``calm`` seconds."""
        begun = time.monotonic()
        while True:
            now = time.monotonic()
            # Who came before may have been served before it broke, or be told only now that it was broken.
            ours = [answer for answer in self.answers if answer.sent >= begun]
            if now - begun >= calm and well(ours, now - calm, now):
                return
            bad = [answer for answer in ours if not answer.good]
            assert now - begun < seconds, f"not well after {seconds} s: {bad[-3:] or 'reads or posts are not answered'}"
            time.sleep(0.5)

    def judge(self, seconds: float = 180) -> Books:
        """Send the visitors home and compare what they were told with the site's own books."""
        self.__exit__()
        mine = {answer.uuid for answer in self.answers if answer.uuid and answer.good}
        visitor = Visitor(self.site, self.site.edges[0], patience=self.patience)
        deadline = time.monotonic() + seconds
        while True:
            answer = visitor.ask(
                "GET", SOCIAL, "/api/v1/admin/audit", headers={"Authorization": f"Bearer {visitor.token}"}
            )
            assert answer.status == 200, (answer.status, answer.data[:500])
            books: list[dict[str, Any]] = json.loads(answer.data)["statuses"]
            runs = {status["uuid"]: status["fan_out_runs"] for status in books}
            times = Counter(status["uuid"] for status in books)
            self.books = Books(
                lost=frozenset(mine - runs.keys()),
                # The database takes a uuid once, refuses and counts a second post of it; unless two primaries took one each.
                doubled=frozenset(
                    s["uuid"] for s in books if s["uuid"] in mine and (s["duplicate_posts"] or times[s["uuid"]] > 1)
                ),
                idle=frozenset(uuid for uuid in mine if runs.get(uuid) == 0),
            )
            if not self.books.idle or time.monotonic() > deadline:
                return self.books
            time.sleep(1)
