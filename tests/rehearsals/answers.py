# SPDX-License-Identifier: GPL-3.0-or-later
"""What visitors saw, and what that means: gaps, failures, recovery, and the row of a story."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# An answer that takes longer is a sign that something is being waited for.
SLOW = 1.0
HEAD = (
    "| story | requests | failures | longest gap | of posts | statuses lost | doubled | jobs never run | recovery |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


@dataclass(frozen=True)
class Answer:
    """One request: when it was sent (monotonic seconds), how long it took, what came, and the status uuid if it posted.

    ``status`` is 0 where no answer came at all.
    """

    sent: float
    took: float
    status: int
    edge: str = ""
    uuid: str | None = None
    said: str = ""

    @property
    def good(self) -> bool:
        """Tell whether a visitor got what was asked for."""
        return self.status == 200

    @property
    def done(self) -> float:
        """Return when the answer was there."""
        return self.sent + self.took


def parse(text: str) -> list[Answer]:
    """Read the lines that the load tool has finished."""
    whole, _, _ = text.rpartition("\n")
    return [Answer(**json.loads(line)) for line in whole.splitlines()]


def longest_gap(answers: Iterable[Answer]) -> float:
    """Return the longest time, in seconds, in which nobody got a good answer."""
    done = sorted(answer.done for answer in answers if answer.good)
    return max((later - earlier for earlier, later in itertools.pairwise(done)), default=0.0)


def recovery(answers: Iterable[Answer], fault: float) -> float:
    """Return the seconds from the fault until the last answer that was bad or slow; 0 if all stayed well."""
    trouble = [a.done for a in answers if a.done > fault and (not a.good or a.took > SLOW)]
    return max(trouble, default=fault) - fault


def well(answers: Iterable[Answer], begin: float, end: float) -> bool:
    """Tell whether in both halves of a time reads and posts were sent and answered well, and nobody got a bad answer in it.

    In both halves, because who still waits for an answer has left no line: posts that hang would be missed by looking for bad ones.
    """
    come = [answer for answer in answers if begin <= answer.done <= end or begin <= answer.sent <= end]
    middle = (begin + end) / 2
    served = {(a.sent >= middle, a.uuid is not None) for a in come if begin <= a.sent <= end}
    return all(answer.good for answer in come) and len(served) == 4


@dataclass(frozen=True)
class Window:
    """The time in which what was acknowledged may be lost."""

    begin: float
    end: float

    def excuses(self, sent: float, done: float) -> bool:
        """Tell whether it could have been written then: at some time between the request and its answer."""
        return done >= self.begin and sent <= self.end


NEVER = Window(math.inf, -math.inf)


def unexcused(answers: Iterable[Answer], uuids: Iterable[str], window: Window) -> list[Answer]:
    """Return the answers to these posts that no window excuses."""
    lost = set(uuids)
    return [a for a in answers if a.uuid in lost and not window.excuses(a.sent, a.done)]


def percentile(answers: Sequence[Answer], part: float) -> float:
    """Return the seconds within which this part of the answers came."""
    took = sorted(answer.took for answer in answers)
    return took[min(int(len(took) * part), len(took) - 1)] if took else 0.0


@dataclass(frozen=True)
class Books:
    """What the site's own books say of the statuses that it acknowledged."""

    lost: frozenset[str]
    doubled: frozenset[str]
    idle: frozenset[str]  # their job never ran

    @property
    def whole(self) -> bool:
        """Tell whether every acknowledged status is there, once."""
        return not self.lost | self.doubled

    def __str__(self) -> str:
        """Say what is wrong, with examples."""
        kinds = (("lost", self.lost), ("doubled", self.doubled), ("without a job", self.idle))
        return "; ".join(f"{len(found)} {kind}: {sorted(found)[:3]}" for kind, found in kinds if found) or "all is well"


def recovered(answers: Sequence[Answer], fault: float | None, mended: float | None) -> str:
    """Say how long it took until all was well: from the fault, or, where the fault had to end first, from its end."""
    if fault is None:
        return ""
    if mended is None:
        return f"{recovery(answers, fault):.1f} s"
    return f"{recovery(answers, mended):.1f} s after it was mended"


def row(
    story: str, answers: Sequence[Answer], books: Books | None, fault: float | None = None, mended: float | None = None
) -> str:
    """Return a story's line of the table. No fault and no books leave their columns empty."""
    posts = [answer for answer in answers if answer.uuid]
    cells = (
        story,
        len(answers),
        sum(not answer.good for answer in answers),
        f"{longest_gap(answers):.2f} s",
        f"{longest_gap(posts):.2f} s",
        *(("", "", "") if books is None else (len(books.lost), len(books.doubled), len(books.idle))),
        recovered(answers, fault, mended),
    )
    return "| " + " | ".join(map(str, cells)) + " |"
