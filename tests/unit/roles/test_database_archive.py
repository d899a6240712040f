# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roles.pgbackrest.files.usr.local.lib.database_archive import judge
from roles.pgbackrest.files.usr.local.lib.database_archive.judge import (
    MIB,
    Archiver,
    Backup,
    Disk,
    Evidence,
    Limits,
    Repository,
)

SIZE = 16 * MIB
NOW = 1_800_000_000.0
LIMITS = Limits(max_backup_age=108_000, max_archive_delay=300, wal_bound=1024 * MIB)
ARCHIVER = Archiver("000000010000000000000008", NOW - 20, None, None, SIZE)
DISK = Disk(free=4096 * MIB, wal=64 * MIB)
BACKUP = Backup("20270115-000000F", "full", NOW - 3600, "000000010000000000000005")


def segments(*counts: int, timeline: int = 1) -> frozenset[str]:
    return frozenset(judge.name(timeline, count, SIZE) for count in counts)


WHOLE = Repository(1, "", (BACKUP,), segments(3, 4, 5, 6, 7, 8), "17-1")
WELL = Evidence(NOW, ARCHIVER, DISK, (WHOLE,))


def told(evidence: Evidence) -> str:
    return "; ".join(judge.complaints(evidence, LIMITS))


def test_an_archive_that_is_whole_and_young_is_no_complaint() -> None:
    assert told(WELL) == ""


def test_a_file_that_postgres_believes_to_be_archived_and_is_not_there_is_a_hole() -> None:
    said = told(replace(WELL, repositories=(replace(WHOLE, segments=segments(5, 6, 8)),)))
    assert "repository 1 has a hole of 1 files from 000000010000000000000007 on" in said
    assert "playbooks/back-up-database.yml" in said


def test_a_hole_at_the_end_is_seen_too() -> None:
    assert "hole of 2 files" in told(replace(WELL, repositories=(replace(WHOLE, segments=segments(5, 6)),)))


def test_a_hole_stays_until_there_is_a_newer_backup() -> None:
    later = replace(WHOLE, segments=segments(5, 8, 9))
    archiver = replace(ARCHIVER, last_archived="000000010000000000000009")
    assert "hole of 2 files" in told(replace(WELL, archiver=archiver, repositories=(later,)))
    newer = replace(BACKUP, label="20270115-010000F", stopped_at=NOW - 60, wal_stop="000000010000000000000008")
    assert told(replace(WELL, archiver=archiver, repositories=(replace(later, backups=(BACKUP, newer)),))) == ""


def test_each_repository_is_judged_for_itself() -> None:
    second = replace(WHOLE, number=2, segments=segments(5))
    said = told(replace(WELL, repositories=(WHOLE, second)))
    assert "repository 2 has a hole" in said
    assert "repository 1" not in said


def test_after_a_failover_each_timeline_answers_for_its_own_files() -> None:
    archiver = replace(
        ARCHIVER,
        last_archived="000000020000000000000008",
        timeline=2,
        history=judge.parse_history("1\t0/7000028\tno\n", SIZE),
    )
    both = replace(WHOLE, segments=segments(5, 6) | segments(7, 8, timeline=2))
    assert told(replace(WELL, archiver=archiver, repositories=(both,))) == ""
    # The old leader's file of the same number is no substitute.
    old = replace(WHOLE, segments=segments(5, 6, 7) | segments(8, timeline=2))
    assert "000000020000000000000007" in told(replace(WELL, archiver=archiver, repositories=(old,)))


@pytest.mark.parametrize(
    "last", ["00000002.history", "000000010000000000000007.partial", "000000010000000000000008.00000028.backup"]
)
def test_what_is_no_wal_file_makes_no_hole(last: str) -> None:
    assert told(replace(WELL, archiver=replace(ARCHIVER, last_archived=last))) == ""


def test_archiving_that_fails_says_since_when() -> None:
    archiver = replace(ARCHIVER, last_failed="000000010000000000000009", last_failed_at=NOW - 5)
    said = told(replace(WELL, archiver=archiver, disk=replace(DISK, waiting=7)))
    assert "archiving fails: the last WAL file was archived at 2027-01-15 07:59:40 UTC" in said
    assert "7 WAL files wait" in said
    assert told(replace(WELL, archiver=replace(archiver, last_failed_at=NOW - 30))) == ""


def test_archiving_that_never_worked_fails() -> None:
    archiver = replace(ARCHIVER, last_archived=None, last_archived_at=None, last_failed="x", last_failed_at=NOW)
    assert "archived at never" in told(replace(WELL, archiver=archiver))


def test_archiving_that_hangs_is_not_well_because_it_has_not_failed() -> None:
    disk = replace(DISK, waiting=1, oldest_waiting_at=NOW - 301)
    assert "archiving stands still" in told(replace(WELL, disk=disk))
    assert told(replace(WELL, disk=replace(disk, oldest_waiting_at=NOW - 299))) == ""


def test_a_repository_that_was_not_measured_is_a_complaint() -> None:
    silent = Repository(1, "the store does not answer")
    assert told(replace(WELL, repositories=(silent,))) == "repository 1 was not measured: the store does not answer"


def test_what_was_dropped_is_said_while_the_store_cannot_be_asked() -> None:
    silent = Repository(1, "the store does not answer")
    said = told(replace(WELL, repositories=(silent,), dropped=("000000010000000000000009",)))
    assert said.startswith("WAL was dropped: 1 files from 000000010000000000000009 on")
    assert told(replace(WELL, dropped=("000000010000000000000009",))) == ""


def test_the_log_tells_what_was_dropped_after_the_newest_backup() -> None:
    log = (
        "2027-01-15 07:00:00.123 P00   WARN: dropped WAL file '000000010000000000000003' because archive queue exceeded 96MB\n"
        "2027-01-15 09:00:00.123 P00   WARN: dropped WAL file '000000010000000000000009' because archive queue exceeded 96MB\n"
    )
    since = datetime.strptime("2027-01-15 08:00:00", "%Y-%m-%d %H:%M:%S").astimezone().timestamp()
    assert judge.parse_dropped(log, since) == ("000000010000000000000009",)


def test_no_backup_and_an_old_one_are_complaints() -> None:
    assert "repository 1 has no backup" in told(replace(WELL, repositories=(replace(WHOLE, backups=()),)))
    assert "is old" in told(
        replace(WELL, now=NOW + 200_000, archiver=replace(ARCHIVER, last_archived_at=NOW + 200_000))
    )


def test_a_disk_that_cannot_hold_what_the_bounds_allow_is_a_complaint() -> None:
    said = told(replace(WELL, disk=Disk(free=500 * MIB, wal=100 * MIB)))
    assert "has 500 MiB free, and WAL may still grow by 924" in said
    assert told(replace(WELL, disk=Disk(free=924 * MIB, wal=100 * MIB))) == ""


@given(st.integers(1, 9), st.integers(0, 10**7), st.sampled_from([MIB, 16 * MIB, 64 * MIB]))
def test_a_name_and_its_number_are_the_same_thing(timeline: int, count: int, size: int) -> None:
    assert judge.number(judge.name(timeline, count, size), size) == count


INFO: dict[str, Any] = {
    "name": "upstairs",
    "status": {"code": 0, "message": "ok"},
    "repo": [{"key": 1, "status": {"code": 0, "message": "ok"}}],
    "db": [
        {"id": 1, "repo-key": 1, "system-id": 42, "version": "16"},
        {"id": 2, "repo-key": 1, "system-id": 43, "version": "17"},
    ],
    "archive": [{"id": "17-2", "database": {"id": 2, "repo-key": 1}}],
    "backup": [
        {
            "label": "20270115-000000F",
            "type": "full",
            "timestamp": {"start": 1, "stop": 2},
            "archive": {"start": "000000010000000000000004", "stop": "000000010000000000000005"},
            "database": {"id": number, "repo-key": 1},
        }
        for number in (1, 2)
    ],
}


def test_only_the_backups_of_this_database_count() -> None:
    found = judge.parse_info([INFO], 1, 43)
    assert found == Repository(
        1, "", (Backup("20270115-000000F", "full", 2.0, "000000010000000000000005"),), archive_id="17-2"
    )
    assert "another database" in judge.parse_info([INFO], 1, 44).trouble


@pytest.mark.parametrize(
    ("message", "blamed"),
    [
        ("[FormatError] unable to load info file '/database/backup': key/value found outside", "(passphrase)"),
        ("[CryptoError] unable to flush", "(passphrase)"),
        ("[HostConnectError] unable to connect to 's3.upstairs.test:443': [111] Connection refused", "(endpoint;"),
        ("pgbackrest did not answer within 60 s", "(endpoint;"),
        ("[ProtocolError] HTTP request failed with 403 (Forbidden):\n...", "(access_key, secret_key"),
        ("[ProtocolError] HTTP request failed with 404 (Not Found):\n...", "(bucket"),
        ("[CryptoError] unable to set user-defined CA certificate location", "(ca_file"),
        ("something new", "it cannot be read: something new"),
    ],
)
def test_a_refusal_names_what_to_correct(message: str, blamed: str) -> None:
    said = judge.refusal(2, message)
    assert said.startswith("pgbackrest_repositories, entry 2: ")
    assert blamed in said


def test_a_repository_that_is_new_opens_and_one_that_does_not_says_why() -> None:
    for code, message in ((0, ""), (1, ""), (2, ""), (3, ""), (99, "[CryptoError] unable to flush")):
        status = {"code": code, "message": "[CryptoError] unable to flush"}
        assert judge.readable([{**INFO, "repo": [{"key": 1, "status": status}]}], 1) == message


def test_metrics_of_a_replica_say_only_that_it_is_one() -> None:
    assert judge.metrics(None, LIMITS) == "# TYPE database_archive_leads gauge\ndatabase_archive_leads 0\n"


def test_metrics_tell_the_hole_and_the_newest_backup() -> None:
    lines = judge.metrics(replace(WELL, repositories=(replace(WHOLE, segments=segments(5, 6)),)), LIMITS).splitlines()
    assert 'database_archive_hole_files{repository="1"} 2' in lines
    assert f'database_backup_newest_timestamp_seconds{{repository="1",type="full"}} {NOW - 3600:.0f}' in lines
    assert "database_archive_failing 0" in lines


def repository_of(*databases: tuple[int, int, str]) -> list[dict[str, Any]]:
    return [
        {"name": "upstairs", "db": [{"id": n, "repo-key": 1, "system-id": i, "version": v} for n, i, v in databases]}
    ]


@pytest.mark.parametrize(
    ("answer", "step"),
    [
        ([], "create"),
        ([{"name": "upstairs", "db": []}], "create"),
        (repository_of((1, 7001, "17")), ""),
        (repository_of((1, 6001, "16")), "upgrade"),
        (repository_of((1, 6001, "16"), (2, 7001, "17")), ""),
    ],
)
def test_a_stanza_is_made_where_there_is_none_and_told_of_a_new_version(answer: list[Any], step: str) -> None:
    assert judge.stanza_step(answer, 1, 7001, 17) == (step, "")


@pytest.mark.parametrize(
    "answer",
    [
        # A fresh, empty cluster where the lost one was.
        repository_of((1, 7777, "17")),
        repository_of((1, 6001, "16"), (2, 7777, "17")),
        # The database that was upgraded is brought up again.
        repository_of((1, 7001, "17"), (2, 8001, "18")),
        repository_of((1, 8001, "18")),
    ],
)
def test_a_lost_databases_repository_is_never_taken_over(answer: list[Any]) -> None:
    step, why = judge.stanza_step(answer, 1, 7001, 17)
    assert step == ""
    assert "belongs to another database" in why
    assert "playbooks/restore-database.yml" in why
    assert "new path" in why


def test_a_second_repository_is_judged_by_its_own_entries() -> None:
    assert judge.stanza_step(repository_of((1, 7777, "17")), 2, 7001, 17) == ("create", "")
