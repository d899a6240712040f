# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a provider again that is busy, silent or not done yet: after a random share of a growing time, until a deadline."""

from __future__ import annotations

import email.utils
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from .dns_provider import Refused, Unanswered

T = TypeVar("T")
_share = secrets.SystemRandom().random


class Throttled(Refused):
    """The provider is asked too often, or does something else at the moment; it did nothing. ``after``: not before so many seconds."""

    def __init__(self, text: str, after: float = 0.0) -> None:
        super().__init__(text)
        self.after = after


@dataclass(frozen=True)
class Patience:
    """How long to go on asking. Clock, sleep and chance are handed in, so that nothing waits to be tested."""

    # Seconds for one question, all its repetitions together.
    within: float = 60.0
    # Seconds for what the provider has taken and still works at.
    settling: float = 300.0
    first: float = 1.0
    most: float = 20.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    share: Callable[[], float] = _share

    def ask(self, question: Callable[[], T]) -> T:
        """Return the answer. Who is refused for good, or may have written, is not asked again."""
        deadline, pause = self.clock() + self.within, self.first
        while True:
            try:
                return question()
            except (Throttled, Unanswered) as error:
                # All of the time by chance, not a part of it: many who were sent away together must not return together.
                wait = max(self.share() * pause, getattr(error, "after", 0.0))
                if self.clock() + wait > deadline:
                    raise
            self.sleep(wait)
            pause = min(self.most, pause * 2)

    def until(self, lacks: Callable[[], str]) -> str:
        """Ask until nothing lacks any more; return what still lacked at the deadline, or ""."""
        deadline = self.clock() + self.settling
        while (said := lacks()) and self.clock() + self.first <= deadline:
            self.sleep(self.first)
        return said


def patience(params: Mapping[str, Any]) -> Patience:
    """Return the patience that ``within`` and ``settle_within`` ask for, both in seconds."""
    usual = Patience()
    return Patience(
        within=float(params.get("within") or usual.within),
        settling=float(params.get("settle_within") or usual.settling),
    )


def seconds(header: str | None, now: float | None = None) -> float:
    """Return how long ``Retry-After`` says: a number of seconds, or a moment."""
    text = (header or "").strip()
    if text.isdecimal():
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text).timestamp()
    except ValueError:
        return 0.0
    return max(0.0, moment - (time.time() if now is None else now))
