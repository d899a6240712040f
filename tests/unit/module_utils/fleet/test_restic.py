# SPDX-License-Identifier: GPL-3.0-or-later
"""Promises about restic's answers and the age of its snapshots."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from plugins.module_utils.fleet.restic import Snapshot, explain, judge, newest, parse_snapshots, parse_time

NOW = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)


def snapshot(name: str, hours: float, host: str = "alice") -> Snapshot:
    return Snapshot(f"{name}-{hours}", NOW - timedelta(hours=hours), host, (name,))


def test_nanoseconds_and_zones_are_read() -> None:
    assert parse_time("2026-11-20T14:00:00.123456789+01:00") == NOW + timedelta(microseconds=123456)
    assert parse_time("2026-11-20T13:00:00Z") == NOW


def test_a_time_without_a_zone_is_none() -> None:
    with pytest.raises(ValueError, match="has no zone"):
        parse_time("2026-11-20T13:00:00")


def test_an_empty_repository_has_no_snapshots() -> None:
    assert parse_snapshots("null") == []
    assert parse_snapshots("[]") == []


def test_snapshots_are_read_and_one_without_tags_is_nobodys() -> None:
    told = [{"id": "ab", "time": "2026-11-20T13:00:00Z", "hostname": "dot"}]
    assert parse_snapshots(json.dumps(told)) == [Snapshot("ab", NOW, "dot", ())]
    assert newest(parse_snapshots(json.dumps(told)), "redis") is None


def test_a_backup_that_was_never_made_is_not_well() -> None:
    found = judge([snapshot("secrets", 1)], {"redis": 26, "secrets": 26}, NOW)
    assert found.complaints == ("the backup redis was never made",)
    assert found.missing == ("redis",)


def test_the_newest_of_all_hosts_counts() -> None:
    found = judge([snapshot("redis", 30, "alice"), snapshot("redis", 2, "nixie")], {"redis": 26}, NOW)
    assert found.complaints == ()


def test_old_is_told_with_its_age_and_its_host() -> None:
    found = judge([snapshot("redis", 30, "nixie")], {"redis": 26}, NOW)
    assert found.complaints == ("the newest backup redis is 30.0 hours old (redis-30 of nixie), 26 are allowed",)


def test_what_is_tolerated_is_still_told() -> None:
    found = judge([snapshot("redis", 30)], {"redis": 26, "secrets": 1}, NOW, ["missing", "old"])
    assert found.complaints == ()
    assert (found.missing, found.old) == (("secrets",), ("redis",))


@pytest.mark.parametrize(
    ("rc", "said", "words"),
    [
        (10, "Fatal: repository does not exist", "there is no repository at s3:x"),
        (12, "Fatal: wrong password or no key found", "does not open the repository"),
        (1, "Fatal: wrong password or no key found", "does not open the repository"),
        (11, "unable to create lock", "is locked by somebody else"),
        (None, "no answer within 15 s", "cannot be reached: no answer within 15 s"),
        (1, "a\nAccess Denied.", "restic exited 1): Access Denied."),
    ],
)
def test_what_went_wrong_is_said_in_words(rc: int | None, said: str, words: str) -> None:
    assert words in explain(rc, said, "s3:x")
