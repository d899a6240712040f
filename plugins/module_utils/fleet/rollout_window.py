# SPDX-License-Identifier: GPL-3.0-or-later
"""The hours in which a host may be begun with, in UTC: local time has an hour twice a year that is not there, or there twice."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DAY = "|".join(DAYS)
SPAN = re.compile(rf"(?:(?P<first>{DAY})(?:-(?P<last>{DAY}))? )?(?P<from>[0-2]\d:[0-5]\d)-(?P<to>[0-2]\d:[0-5]\d)")


def parse(text: str) -> tuple[frozenset[int], int, int]:
    """Return the days on which a span begins, and the minutes of the day at which it begins and ends."""
    found = SPAN.fullmatch(text)
    minutes = [int(found[part][:2]) * 60 + int(found[part][3:]) for part in ("from", "to")] if found else []
    if found is None or minutes[0] >= 1440 or minutes[1] > 1440 or minutes[0] == minutes[1]:
        raise ValueError(f'{text!r} is no window: write "Mon-Thu 01:00-05:00" or "01:00-05:00", in UTC')
    first = DAYS.index(found["first"]) if found["first"] else 0
    last = DAYS.index(found["last"] or found["first"]) if found["first"] else 6
    days = frozenset((first + day) % 7 for day in range((last - first) % 7 + 1))
    return days, minutes[0], minutes[1]


def inside(text: str, now: datetime) -> bool:
    """Tell whether a moment is in a span. One that ends before it begins goes on past midnight, on the day it began."""
    days, begin, end = parse(text)
    at = now.astimezone(UTC)
    minute, day = at.hour * 60 + at.minute, at.weekday()
    if begin < end:
        return day in days and begin <= minute < end
    return (day in days and minute >= begin) or ((day - 1) % 7 in days and minute < end)


def closed(window: Iterable[str], now: datetime) -> str:
    """Say why it is not the time, or nothing."""
    spans = list(window)
    if not spans or any(inside(span, now) for span in spans):
        return ""
    return f"it is {now.astimezone(UTC):%a %H:%M} UTC, and hosts are begun with in {', '.join(spans)}"
