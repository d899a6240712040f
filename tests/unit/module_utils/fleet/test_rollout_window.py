# SPDX-License-Identifier: GPL-3.0-or-later
"""The hours in which hosts are begun with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from plugins.module_utils.fleet.rollout_window import closed, inside, parse

# A Wednesday.
DAY = datetime(2026, 11, 25, tzinfo=UTC)


def at(hours: float, days: int = 0) -> datetime:
    return DAY + timedelta(days=days, hours=hours)


@pytest.mark.parametrize(
    ("span", "moment", "open_"),
    [
        ("01:00-05:00", at(1), True),
        ("01:00-05:00", at(4.99), True),
        ("01:00-05:00", at(5), False),
        ("Mon-Thu 01:00-05:00", at(2), True),
        ("Thu 01:00-05:00", at(2), False),
        ("Sat-Mon 01:00-05:00", at(2, 4), True),
        ("Sat-Mon 01:00-05:00", at(2, 6), False),
        ("Wed 23:00-02:00", at(23.5), True),
        # The night of Wednesday goes on in the morning of Thursday, and that of Tuesday is not named.
        ("Wed 23:00-02:00", at(25), True),
        ("Wed 23:00-02:00", at(1), False),
        ("Sun 23:00-02:00", at(1, 5), True),
        ("00:00-24:00", at(23.99), True),
    ],
)
def test_a_moment_is_in_a_window_or_not(span: str, moment: datetime, open_: bool) -> None:
    assert inside(span, moment) is open_


def test_the_clock_is_utc_wherever_the_controller_is() -> None:
    assert inside("01:00-02:00", at(1.5).astimezone(timezone(timedelta(hours=-9))))


@pytest.mark.parametrize(
    "text", ["", "1:00-2:00", "01:00-25:00", "24:00-02:00", "01:00-01:00", "Foo 01:00-02:00", "01:60-02:00"]
)
def test_what_is_no_window_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="is no window: write"):
        parse(text)


def test_without_a_window_it_is_always_time() -> None:
    assert closed([], at(12)) == ""


def test_one_of_several_windows_is_enough_and_all_are_named_when_none_is_open() -> None:
    assert closed(["01:00-02:00", "11:00-13:00"], at(12)) == ""
    assert closed(["01:00-02:00", "Sun 11:00-13:00"], at(12)) == (
        "it is Wed 12:00 UTC, and hosts are begun with in 01:00-02:00, Sun 11:00-13:00"
    )
