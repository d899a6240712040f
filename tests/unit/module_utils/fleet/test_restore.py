# SPDX-License-Identifier: GPL-3.0-or-later
"""Promises about what can be restored, and what is refused before anything is touched."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.module_utils.fleet.restore import (
    Archive,
    Backup,
    damage,
    describe,
    judge,
    named,
    nameless,
    parse_info,
    parse_target,
    said,
    wal_errors,
)

NOW = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)
ROOM = 1 << 40


def backup(label: str, hours: float, size: int = 1 << 20, faulty: bool = False) -> Backup:
    stopped = NOW - timedelta(hours=hours)
    return Backup(label, "full", stopped - timedelta(minutes=5), stopped, size, faulty)


TWO = Archive((backup("first", 48), backup("second", 24)))


def info(**repo: Any) -> str:
    told = {
        "label": "first",
        "type": "full",
        "timestamp": {"start": 1795000000, "stop": 1795000060},
        "info": {"size": 31000000},
        "error": False,
    }
    return json.dumps([{"name": "upstairs", "backup": [told], "repo": [{"key": 1, "status": {"code": 0}, **repo}]}])


# The time that a person writes


@pytest.mark.parametrize("text", ["2026-11-20 12:00:00+00", "2026-11-20T13:00:00+01:00", "2026-11-20 12:00:00Z"])
def test_a_time_with_a_zone_is_read(text: str) -> None:
    assert parse_target(text, NOW) == NOW - timedelta(hours=1)


def test_latest_is_no_time() -> None:
    assert parse_target("latest", NOW) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2026-11-20 12:00:00", "has no zone"),
        ("yesterday", "is no time"),
        ("", "is no time"),
        ("2026-11-20 13:00:01+00", "is in the future (now it is 2026-11-20T13:00:00+00)"),
        ("2026-11-20 13:30:00-05:00", "is in the future"),
    ],
)
def test_a_time_that_cannot_be_meant_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match="restore_time") as refused:
        parse_target(text, NOW)
    assert words in str(refused.value)


@given(st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2026, 11, 1)), st.integers(-12, 14))
def test_the_zone_is_never_forgotten(naive: datetime, hours: int) -> None:
    assert parse_target(f"{naive.isoformat()}{hours:+03d}:00", NOW) == naive.replace(tzinfo=UTC) - timedelta(
        hours=hours
    )


# Which backup


def test_the_newest_that_was_complete_before_the_target_is_taken() -> None:
    plan, _ = judge(TWO, NOW - timedelta(hours=30), "", ROOM, 0)
    assert plan is not None
    assert plan.backup.label == "first"
    assert plan.argument == "2026-11-19 07:00:00.000000+00"


def test_the_latest_is_the_newest_backup_and_no_target() -> None:
    plan, _ = judge(TWO, None, "", ROOM, 0)
    assert plan is not None
    assert (plan.backup.label, plan.argument) == ("second", "")


def test_before_the_first_backup_was_complete_nothing_can_be_restored() -> None:
    _, refusals = judge(TWO, NOW - timedelta(hours=48, minutes=1), "", ROOM, 0)
    assert refusals == [
        "2026-11-18T12:59:00+00 is before the first backup was complete (first, 2026-11-18T13:00:00+00): nothing earlier can be restored"
    ]


def test_the_very_end_of_the_first_backup_can() -> None:
    assert judge(TWO, NOW - timedelta(hours=48), "", ROOM, 0)[0] is not None


def test_an_unknown_backup_is_refused_with_the_known_ones() -> None:
    assert judge(TWO, None, "third", ROOM, 0)[1] == ["there is no backup third; there are first, second"]


def test_a_backup_after_the_target_is_refused() -> None:
    assert "was complete at" in judge(TWO, NOW - timedelta(hours=30), "second", ROOM, 0)[1][0]


def test_an_earlier_backup_may_be_named() -> None:
    plan, _ = judge(TWO, NOW, "first", ROOM, 0)
    assert plan is not None
    assert plan.backup.label == "first"


def test_a_disk_that_is_too_small_is_refused_with_the_numbers() -> None:
    archive = Archive((backup("big", 1, size=100 << 20),))
    assert judge(archive, None, "", 149 << 20, 50 << 20)[1] == [
        "big needs 100 MiB and 50 MiB of room for WAL, and only 149 MiB are free"
    ]
    assert judge(archive, None, "", 150 << 20, 50 << 20)[0] is not None


def test_a_backup_with_wrong_checksums_is_told() -> None:
    plan, _ = judge(Archive((backup("ill", 1, faulty=True),)), None, "", ROOM, 0)
    assert plan is not None
    assert "ill holds pages whose checksums were wrong" in "\n".join(describe(plan, ROOM))


def test_what_was_begun_is_not_stopped_by_what_it_has_brought_itself() -> None:
    plan, refusals = judge(TWO, None, "", None, 0)
    assert plan is not None
    assert refusals == []
    assert "were there when it was begun" in "\n".join(describe(plan, None))


def test_a_backup_of_a_later_timeline_does_not_lead_to_an_older_one() -> None:
    archive = Archive((replace(backup("old", 48), timeline=1), replace(backup("new", 1), timeline=2)))
    plan, _ = judge(archive, None, "", ROOM, 0, 1)
    assert plan is not None
    assert plan.backup.label == "old"
    later = Archive((replace(backup("new", 1), timeline=2),))
    assert "later timeline than 1" in judge(later, None, "", ROOM, 0, 1)[1][0]


# Whose backups they are


def of_two_databases(*keys: int) -> str:
    told = json.loads(info())[0]
    first = {
        **told["backup"][0],
        "database": {"id": 1, "repo-key": 1},
        "archive": {"start": "000000030000000000000004"},
    }
    second = {**first, "label": "second", "database": {"id": 2, "repo-key": keys[-1]}}
    told["backup"] = [first, second]
    told["db"] = [{"id": n, "repo-key": key, "system-id": 7000 + n, "version": "17"} for n, key in enumerate(keys, 1)]
    return json.dumps([told])


def test_backups_of_the_database_before_are_taken_by_their_name_only() -> None:
    archive = parse_info(of_two_databases(1, 1), "upstairs")
    assert [one.label for one in archive.backups] == ["second"]
    plan, _ = judge(archive, None, "", ROOM, 0)
    assert plan is not None
    assert "first belong to another database" in plan.notes[0]
    named, _ = judge(archive, None, "first", ROOM, 0)
    assert named is not None
    assert (named.backup.label, named.backup.timeline) == ("first", 3)


def test_repositories_of_two_databases_are_not_mixed() -> None:
    archive = parse_info(of_two_databases(1, 2), "upstairs")
    plan, refusals = judge(archive, None, "", ROOM, 0)
    assert plan is None
    assert "hold different databases (system identifiers 7001, 7002)" in refusals[0]
    assert judge(archive, None, "first", ROOM, 0)[0] is not None


# What pgBackRest says


def test_a_list_of_backups_is_read() -> None:
    archive = parse_info(info(), "upstairs")
    assert archive.complaints == ()
    assert (archive.backups[0].label, said(archive.backups[0].stopped)) == ("first", "2026-11-18T11:07:40+00")


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("[CryptoError] cipher header invalid", "repository 1: it does not open with this passphrase"),
        ("[HostConnectError] unable to connect to 's3.upstairs.test:443'", "repository 1: its store cannot be reached"),
        (
            "[FormatError] key/value found outside of section at line 1: \u046e\ufffd{",
            "does not open with this passphrase",
        ),
        (
            "[ProtocolError] HTTP request failed with 403 (Forbidden)",
            "repository 1: its store does not take these keys",
        ),
        ("[FileMissingError] unable to open missing file", "repository 1: [FileMissingError]"),
    ],
)
def test_a_repository_that_cannot_be_read_is_said_in_words(message: str, words: str) -> None:
    text = json.dumps(
        [{"name": "upstairs", "backup": [], "repo": [{"key": 1, "status": {"code": 99, "message": message}}]}]
    )
    plan, refusals = judge(parse_info(text, "upstairs"), None, "", ROOM, 0)
    assert plan is None
    assert words in refusals[0]


@given(st.binary(min_size=1, max_size=60))
def test_whatever_another_passphrase_makes_of_a_file_is_read(garbage: bytes) -> None:
    # pgBackRest escapes quotes, backslashes and line ends, and passes every other byte as it is.
    escaped = garbage.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n").decode(errors="replace")
    template = info(status={"code": 99, "message": "[FormatError] key/value found outside of section at line 1: @"})
    archive = parse_info(template.replace("@", escaped), "upstairs")
    (complaint,) = archive.complaints
    assert "repository 1: it does not open with this passphrase" in complaint
    assert complaint.isprintable()


def test_another_repository_may_still_serve() -> None:
    told = json.loads(info())
    told[0]["repo"].append({"key": 2, "status": {"code": 99, "message": "[HostConnectError] unable to connect"}})
    plan, _ = judge(parse_info(json.dumps(told), "upstairs"), None, "", ROOM, 0)
    assert plan is not None
    assert "not used: repository 2: its store cannot be reached" in plan.notes[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "know no stanza upstairs"),
        ("ERROR: [032]: no", "gave no list of backups: ERROR: [032]: no"),
        (json.dumps([{"name": "upstairs", "backup": [], "repo": []}]), "there is no backup at all"),
    ],
)
def test_nothing_to_restore_from_is_said_in_words(text: str, words: str) -> None:
    assert words in judge(parse_info(text, "upstairs"), None, "", ROOM, 0)[1][0]


# What a damaged repository says

MANIFEST = """
pg_data/base/4/2674={"bni":1,"bno":2505440,"checksum":"aed1","size":8192}
pg_data/base/4/2675={"bni":7,"checksum":"aed2","reference":"20261118-023000F","size":8192}
pg_data/base/4/16384={"checksum":"aed3","size":1073741824}
[backup:option]
option-compress=true
option-compress-type="zst"
"""
SAID = (
    "P00  ERROR: [026]: raised from local-2 protocol: error restoring '/var/lib/restore/postgres/{0}':"
    " actual checksum 'a967' does not match expected checksum 'aed1'\n"
    "  [ChecksumError] on 2 retries: error restoring '/var/lib/restore/postgres/{0}': actual checksum 'a967'"
)


@pytest.mark.parametrize(
    ("file", "place"),
    [
        ("base/4/2674", "backup/upstairs/20261120-142323F/bundle/1"),
        ("base/4/2675", "backup/upstairs/20261118-023000F/bundle/7"),
        ("base/4/16384", "backup/upstairs/20261120-142323F/pg_data/base/4/16384.zst"),
        ("base/4/9", "the object of base/4/9 in 20261120-142323F"),
    ],
)
def test_a_damaged_object_is_named(file: str, place: str) -> None:
    assert damage(SAID.format(file), "/var/lib/restore/postgres", MANIFEST, "upstairs", "20261120-142323F") == [
        f"{place} is damaged: {file} comes out of it with another checksum"
    ]


def test_without_compression_an_object_has_the_files_name() -> None:
    manifest = MANIFEST.replace('"zst"', '"none"')
    told = damage(SAID.format("base/4/16384"), "/var/lib/restore/postgres", manifest, "upstairs", "x")
    assert told[0].startswith("backup/upstairs/x/pg_data/base/4/16384 is damaged")


def test_an_object_that_is_not_there_is_named_by_the_restore() -> None:
    said = "ERROR: [055]: unable to open missing file '/database/backup/upstairs/x/pg_data/base/4/9.zst' for read"
    told = damage(said, "/var/lib/restore/postgres", MANIFEST, "upstairs", "x")
    assert told == ["backup/upstairs/x/pg_data/base/4/9.zst is damaged: it is not there or cannot be read"]
    assert nameless(said) == ""


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (
            "P00  ERROR: [029]: raised from local-1 protocol: zst error: [-20] Data corruption detected\n more",
            "zst error: [-20] Data corruption detected",
        ),
        ("P00  ERROR: [095]: raised from local-1 protocol: unable to flush", "unable to flush"),
    ],
)
def test_what_does_not_come_out_has_no_name_in_a_restore(said: str, why: str) -> None:
    assert damage(said, "/var/lib/restore/postgres", MANIFEST, "upstairs", "x") == []
    assert why in nameless(said)


# As pgBackRest 2.55.1 says it for bytes that were changed in one of the objects of an encrypted repository.
VERIFIED = """\
2026-11-25 16:28:15.756 P01   INFO: invalid checksum '20261125-162423F/bundle/1'
2026-11-25 16:28:15.757 P02   INFO: invalid checksum '20261125-162423F/bundle/1'
2026-11-25 16:28:15.758 P02   INFO: missing file '20261118-023000F/bundle/7'
2026-11-25 16:28:15.869 P00   INFO: stanza: upstairs
                                    status: error
                                      missing: 1, checksum invalid: 2, size invalid: 0, other: 0
"""


def test_verify_names_what_does_not_come_out() -> None:
    assert named("zst error", VERIFIED, "upstairs", "20261125-162423F") == [
        "backup/upstairs/20261125-162423F/bundle/1 is damaged: it does not come out (zst error)",
        "backup/upstairs/20261118-023000F/bundle/7 is damaged: it does not come out (zst error)",
    ]


def test_what_nobody_names_is_damaged_all_the_same() -> None:
    (told,) = named("zst error", "ERROR: [039]: no", "upstairs", "x")
    assert told.startswith("an object of x is damaged")
    assert "zst error" in told


def test_other_failures_name_no_object() -> None:
    assert damage("ERROR: [039]: no", "/var/lib/restore/postgres", MANIFEST, "upstairs", "x") == []
    assert nameless("ERROR: [039]: no") == ""


def test_wal_that_cannot_be_read_is_found_in_what_the_recovery_said() -> None:
    journal = (
        "starting point-in-time recovery\n"
        "2026-11-20 14:31:56.035 P00  ERROR: [029]: unable to read 000000010000000000000005\n"
        "2026-11-20 14:31:57.035 P00  ERROR: [029]: unable to read 000000010000000000000005\n"
        "P00   INFO: unable to find 000000010000000000000009 in the archive"
    )
    assert wal_errors(journal) == ["unable to read 000000010000000000000005"]
