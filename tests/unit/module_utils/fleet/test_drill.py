# SPDX-License-Identifier: GPL-3.0-or-later
"""Promises about the verdict of a restore drill."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.module_utils.fleet.drill import (
    Check,
    Marks,
    compare,
    last_success,
    marks,
    metrics,
    observed,
    plausible,
    position,
    rpo,
    table,
)

NOTED = Marks("0/5000028", 1000.0, 999.0, {"newest status": "116", "statuses": "100"})


def found(lsn: str = "0/5000028", newest: float | None = 999.5, **values: str) -> Marks:
    return Marks(lsn, 1100.0, newest, {"newest status": "116", "statuses": "100", **values})


def verdict(checks: list[Check]) -> bool:
    return all(check.ok for check in checks)


@given(st.integers(0, 2**64 - 1))
def test_places_in_the_wal_are_numbers(place: int) -> None:
    assert position(f"{place >> 32:X}/{place & 0xFFFFFFFF:X}") == place


def test_ten_is_after_nine_in_the_wal() -> None:
    assert position("A/0") > position("9/FFFFFFFF")


def test_a_place_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no place in the WAL"):
        position("")


def test_all_that_was_there_is_green() -> None:
    assert verdict(compare(NOTED, found(), {}))


def test_more_than_was_noted_is_green_too() -> None:
    assert verdict(compare(NOTED, found("0/6000000", statuses="107"), {}))


def test_wal_that_is_missing_is_told_in_bytes() -> None:
    check = compare(NOTED, found("0/5000000"), {})[0]
    assert not check.ok
    assert "40 bytes are missing" in check.said


def test_a_status_that_is_missing_is_red() -> None:
    older = replace(found(), values={"newest status": "115", "statuses": "100"})
    checks = compare(NOTED, older, {})
    assert [check.name for check in checks if not check.ok] == ["newest status"]


def test_people_delete_what_they_wrote() -> None:
    shrunk = found(statuses="99")
    assert not verdict(compare(NOTED, shrunk, {}))
    assert verdict(compare(NOTED, shrunk, {"statuses": 1}))
    assert not verdict(compare(NOTED, found(statuses="98"), {"statuses": 1}))


@pytest.mark.parametrize("answer", ["", "many", "relation does not exist"])
def test_an_answer_that_is_no_number_is_red(answer: str) -> None:
    assert not verdict(compare(NOTED, found(statuses=answer), {}))


def test_a_check_that_is_gone_is_red() -> None:
    assert not verdict(compare(NOTED, Marks("0/5000028", 0.0, 0.0, {"newest status": "116"}), {}))


def test_rpo_is_the_age_of_the_newest_restored_transaction() -> None:
    assert rpo(NOTED, found(newest=997.5)) == 2.5
    assert rpo(NOTED, found(newest=1001.0)) == 0.0


def test_no_transaction_is_not_an_rpo_of_zero() -> None:
    assert rpo(NOTED, found(newest=None)) is None
    assert "unknown after a forced switch" in table([], 1.0, 3.0, None)


@pytest.mark.parametrize(
    ("live", "restored", "ok"),
    [
        (100, 100, True),
        (100, 50, True),
        (100, 49, False),
        (100, 0, False),
        (0, 0, True),
        (None, 0, False),
        (None, 3, True),
    ],
)
def test_a_copy_is_plausible_that_holds_half_of_the_keys(live: int | None, restored: int, ok: bool) -> None:
    assert plausible("keys", live, restored, 50).ok is ok


def test_a_copy_that_says_nothing_is_red() -> None:
    assert not plausible("keys", 5, None, 50).ok


def test_answers_of_a_probe_become_checks() -> None:
    assert observed({"amcheck": {"ok": False, "said": "exited 2\nand said"}}) == [
        Check("amcheck", False, "exited 2 and said")
    ]


def test_marks_are_what_a_host_told() -> None:
    told = {"lsn": "0/1", "now": 5, "newest": None, "values": {"a": "1"}}
    assert marks(told) == Marks("0/1", 5.0, None, {"a": "1"})


def test_the_table_says_which_is_not_good() -> None:
    text = table([Check("rows", True, "3"), Check("amcheck", False, "broken index")], 12.34, 61.0, 0.5)
    assert text.splitlines() == [
        "ok   rows     3",
        "NOT  amcheck  broken index",
        "RTO 12.3 s from the first byte until it answered; RPO 61.0 s, 0.5 s after a forced switch",
    ]


def test_a_green_drill_moves_the_last_success() -> None:
    text = metrics([Check("rows", True, "")], 12.0, (61.0, 0.5), 2000.0, 1000.0)
    assert last_success(text) == 2000.0
    assert "upstairs_drill_success 1\n" in text
    assert "upstairs_drill_rto_seconds 12\n" in text
    assert "upstairs_drill_rpo_seconds 61\n" in text
    assert "upstairs_drill_forced_rpo_seconds 0.5\n" in text


def test_a_red_drill_keeps_it_and_says_which_check() -> None:
    text = metrics([Check('the "rows"', False, "")], None, (None, None), 2000.0, 1000.0)
    assert last_success(text) == 1000.0
    assert "upstairs_drill_success 0\n" in text
    assert 'upstairs_drill_check{check="the \\"rows\\""} 0\n' in text
    assert "rto_seconds" not in text


def test_a_drill_that_checked_nothing_is_red() -> None:
    text = metrics([], 1.0, (1.0, 1.0), 2000.0, None)
    assert "upstairs_drill_success 0\n" in text
    assert last_success(text) is None
