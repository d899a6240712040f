# SPDX-License-Identifier: GPL-3.0-or-later
"""What the answers of Postgres and of the repositories mean. Nothing here asks anybody."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

SEGMENT = re.compile(r"[0-9A-F]{24}")
# A WAL position's upper half counts files of 4 GiB.
LOG_SIZE = 2**32
MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """What is still well."""

    max_backup_age: float
    max_archive_delay: float
    wal_bound: int


@dataclass(frozen=True)
class Archiver:
    """What the Postgres that leads says of its archiving; times in seconds since 1970."""

    last_archived: str | None
    last_archived_at: float | None
    last_failed: str | None
    last_failed_at: float | None
    segment_size: int
    # The timeline's history: (older timeline, segment in which the next one began).
    history: tuple[tuple[int, int], ...] = ()
    timeline: int = 1


@dataclass(frozen=True)
class Disk:
    """The disk of the WAL, and what waits on it."""

    free: int
    wal: int
    waiting: int = 0
    oldest_waiting_at: float | None = None


@dataclass(frozen=True)
class Backup:
    """A backup that is complete."""

    label: str
    kind: str
    stopped_at: float
    wal_stop: str


@dataclass(frozen=True)
class Repository:
    """One repository; ``trouble`` is why it could not be read."""

    number: int
    trouble: str = ""
    backups: tuple[Backup, ...] = ()
    segments: frozenset[str] = frozenset()
    archive_id: str = ""

    @property
    def newest(self) -> Backup | None:
        """The backup that a restore to now would begin with."""
        return max(self.backups, key=lambda backup: backup.stopped_at, default=None)


@dataclass(frozen=True)
class Evidence:
    """All that was asked, at one moment."""

    now: float
    archiver: Archiver
    disk: Disk
    repositories: tuple[Repository, ...]
    # WAL files of which pgBackRest's own log says that they were dropped, for when a repository cannot be asked.
    dropped: tuple[str, ...] = field(default=())


def number(segment: str, size: int) -> int:
    """Return which WAL file it is, counted from the beginning of time."""
    return int(segment[8:16], 16) * (LOG_SIZE // size) + int(segment[16:24], 16)


def name(timeline: int, count: int, size: int) -> str:
    """Return the name of a WAL file."""
    per_log = LOG_SIZE // size
    return f"{timeline:08X}{count // per_log:08X}{count % per_log:08X}"


def parse_history(text: str, size: int) -> tuple[tuple[int, int], ...]:
    """Return (timeline, segment in which it ended) from a timeline history file."""
    rows = [line.split() for line in text.splitlines()]
    ends = []
    for row in rows:
        if len(row) >= 2 and row[0].isdigit() and re.fullmatch(r"[0-9A-F]+/[0-9A-F]+", row[1]):
            high, low = (int(part, 16) for part in row[1].split("/"))
            ends.append((int(row[0]), (high * LOG_SIZE + low) // size))
    return tuple(ends)


def owner(count: int, archiver: Archiver) -> int:
    """Return the timeline that wrote a WAL file: the one that a timeline ended in belongs to the next."""
    return next((timeline for timeline, end in archiver.history if count < end), archiver.timeline)


def last_count(archiver: Archiver, present: Iterable[str]) -> int:
    """Return the last WAL file that should be there: the last that Postgres believes to be archived, or that is.

    At a change of the timeline Postgres names a history file or the half-written end of the old one instead.
    """
    size = archiver.segment_size
    found = [number(wal, size) for wal in present if int(wal[:8], 16) == owner(number(wal, size), archiver)]
    said = archiver.last_archived or ""
    if SEGMENT.fullmatch(said) or said.endswith(".backup"):
        found.append(number(said, size))
    return max(found, default=-1)


def wanted_segments(archiver: Archiver, repository: Repository) -> list[str]:
    """Return the WAL files that a restore of the newest backup to the latest moment needs."""
    if repository.newest is None:
        return []
    size = archiver.segment_size
    first = number(repository.newest.wal_stop, size)
    last = last_count(archiver, repository.segments)
    return [name(owner(count, archiver), count, size) for count in range(first, last + 1)]


def hole(archiver: Archiver, repository: Repository) -> list[str]:
    """Return the WAL files since the newest backup that Postgres believes to be archived and that are not there."""
    return [wal for wal in wanted_segments(archiver, repository) if wal not in repository.segments]


def at(seconds: float | None) -> str:
    """Return a moment as people write it."""
    if seconds is None:
        return "never"
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def archiving(evidence: Evidence, limits: Limits) -> list[str]:
    """Say whether Postgres gets rid of its WAL."""
    archiver, disk = evidence.archiver, evidence.disk
    failed, archived = archiver.last_failed_at or 0, archiver.last_archived_at or 0
    delay = evidence.now - (disk.oldest_waiting_at or evidence.now)
    waiting = f"{disk.waiting} WAL files wait"
    if failed > archived:
        return [
            f"archiving fails: the last WAL file was archived at {at(archiver.last_archived_at)}, "
            f"{archiver.last_failed} failed at {at(archiver.last_failed_at)}; {waiting} (docs/runbooks/archive-failing.md)"
        ]
    if delay > limits.max_archive_delay:
        return [f"archiving stands still: {waiting}, the oldest since {at(disk.oldest_waiting_at)}"]
    return []


def room(evidence: Evidence, limits: Limits) -> list[str]:
    """Say whether the disk holds what the bounds allow."""
    disk = evidence.disk
    missing = limits.wal_bound - disk.wal - disk.free
    if missing <= 0:
        return []
    return [
        f"the disk of the WAL has {disk.free // MIB} MiB free, and WAL may still grow by {(limits.wal_bound - disk.wal) // MIB}: "
        "something else fills it (docs/runbooks/disk-full.md)"
    ]


def one_repository(evidence: Evidence, repository: Repository, limits: Limits) -> list[str]:
    """Say what a restore from this repository would lack."""
    who = f"repository {repository.number}"
    if repository.trouble:
        return [f"{who} was not measured: {repository.trouble}"]
    newest = repository.newest
    if newest is None:
        return [f"{who} has no backup: run playbooks/back-up-database.yml"]
    wrong = []
    missing = hole(evidence.archiver, repository)
    if missing:
        wrong.append(
            f"WAL was dropped: {who} has a hole of {len(missing)} files from {missing[0]} on, so nothing after "
            f"it can be restored: run playbooks/back-up-database.yml (newest backup {newest.label})"
        )
    if evidence.now - newest.stopped_at > limits.max_backup_age:
        wrong.append(f"the newest backup of {who} is old: {newest.label} of {at(newest.stopped_at)}")
    return wrong


def complaints(evidence: Evidence, limits: Limits) -> list[str]:
    """Return what is wrong, worst first; nothing if any moment since the newest backup can be restored."""
    each = [one_repository(evidence, repository, limits) for repository in evidence.repositories]
    told = [line for lines in each for line in lines]
    unread = any(repository.trouble for repository in evidence.repositories)
    if unread and evidence.dropped:
        told.insert(
            0,
            f"WAL was dropped: {len(evidence.dropped)} files from {evidence.dropped[0]} on, says pgBackRest's log; when the repository "
            "answers again, run playbooks/back-up-database.yml",
        )
    holes = [line for line in told if line.startswith("WAL was dropped")]
    return holes + archiving(evidence, limits) + room(evidence, limits) + [line for line in told if line not in holes]


def parse_info(answer: Sequence[Mapping[str, Any]], repository: int, system_id: int) -> Repository:
    """Return what `pgbackrest info` says of one repository, as far as it belongs to this database."""
    if not answer:
        return Repository(repository, "pgBackRest says nothing about the stanza")
    stanza = answer[0]
    state: Mapping[str, Any] = next(
        (entry["status"] for entry in stanza.get("repo", []) if entry["key"] == repository), stanza["status"]
    )
    # 2: no backup yet, which is no trouble in reading.
    if state["code"] not in (0, 2):
        return Repository(repository, refusal(repository, str(state["message"])))
    known = [entry for entry in stanza.get("db", []) if entry["repo-key"] == repository]
    ours = [entry["id"] for entry in known if entry["system-id"] == system_id]
    # The newest entry is whose WAL and backups it takes.
    if not ours or ours[-1] != max(entry["id"] for entry in known):
        return Repository(repository, "it belongs to another database: the system identifiers differ")
    archives = [
        entry["id"]
        for entry in stanza.get("archive", [])
        if entry["database"]["repo-key"] == repository and entry["database"]["id"] == ours[-1]
    ]
    backups = [
        Backup(entry["label"], entry["type"], float(entry["timestamp"]["stop"]), entry["archive"]["stop"])
        for entry in stanza.get("backup", [])
        if entry["database"]["repo-key"] == repository
        and entry["database"]["id"] == ours[-1]
        and entry["archive"]["stop"]
    ]
    return Repository(repository, backups=tuple(backups), archive_id=archives[-1] if archives else "")


def stanza_step(answer: Sequence[Mapping[str, Any]], repository: int, system_id: int, version: int) -> tuple[str, str]:
    """Return what makes a repository this database's (create, upgrade, or nothing), or why it must not become that.

    pgBackRest would take a fresh, empty cluster for the next life of a lost one, and retention would then expire what is left of that.
    """
    known = [
        entry for stanza in answer[:1] for entry in stanza.get("db", []) if int(entry.get("repo-key", 1)) == repository
    ]
    newest = max(known, key=lambda entry: int(entry["id"]), default=None)
    if newest is None:
        return "create", ""
    if int(newest["system-id"]) == system_id:
        return "", ""
    # A new major version is a new cluster with another identifier; the same version with another one is another database.
    unknown = all(int(entry["system-id"]) != system_id for entry in known)
    if unknown and version > int(float(newest["version"])):
        return "upgrade", ""
    return "", (
        f"pgbackrest_repositories, entry {repository}: this repository belongs to another database (system identifier "
        f"{newest['system-id']}, version {newest['version']}; this one is {system_id}, version {version}): restore it "
        "(playbooks/restore-database.yml), or give a new path"
    )


# What pgBackRest says of a repository that it cannot read, and which part of pgbackrest_repositories to look at.
BLAME = (
    (r"HTTP request failed with 404|NoSuchBucket", "there is no such bucket (bucket, endpoint)"),
    (r"HTTP request failed with 403", "the store refuses the keys (access_key, secret_key, bucket)"),
    (
        r"FormatError|unable to flush|CipherError",
        "it does not open with this passphrase (passphrase); it was made with another one",
    ),
    (r"CryptoError", "the store does not prove who it is (ca_file, endpoint)"),
    (
        r"HostConnectError|ServiceError|FileReadError|did not answer",
        "the store does not answer (endpoint; the firewall on the way)",
    ),
    (r"PathOpenError|FileOpenError|Permission denied", "the directory cannot be read (path)"),
)


def refusal(repository: int, message: str) -> str:
    """Return why a repository cannot be used, with the name of what to correct; what it said may be noise and is cut."""
    why = next((words for pattern, words in BLAME if re.search(pattern, message)), "it cannot be read")
    said = re.sub(r"[^ -~]+", " ", message.partition("\n")[0])[:120]
    told = "" if "passphrase" in why else f": {said}"
    return f"pgbackrest_repositories, entry {repository}: {why}{told}"


def readable(answer: Sequence[Mapping[str, Any]], repository: int) -> str:
    """Return what is wrong with a repository by the answer of `pgbackrest info`; nothing if it opens or is new."""
    for stanza in answer:
        for entry in stanza.get("repo", []):
            # 1 to 3: no stanza or no backup there yet.
            if entry["key"] == repository and entry["status"]["code"] not in (0, 1, 2, 3):
                return str(entry["status"]["message"])
    return ""


def parse_dropped(log: str, since: float) -> tuple[str, ...]:
    """Return the WAL files that pgBackRest's log says it dropped after a moment."""
    dropped = []
    for line in log.splitlines():
        found = re.match(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\.\d+ .*dropped WAL file '([0-9A-F]{24})'", line)
        if found and datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S").astimezone().timestamp() >= since:
            dropped.append(found[2])
    return tuple(sorted(set(dropped)))


def metrics(evidence: Evidence | None, limits: Limits) -> str:
    """Return what Prometheus reads. On a replica only that it is one: the member that leads speaks for the archive."""
    lines = ["# TYPE database_archive_leads gauge", f"database_archive_leads {int(evidence is not None)}"]
    if evidence is None:
        return "\n".join([*lines, ""])
    archiver, disk = evidence.archiver, evidence.disk
    single = {
        "database_archive_failing": int(bool(archiving(evidence, limits))),
        "database_archive_last_archived_timestamp_seconds": archiver.last_archived_at or 0,
        "database_archive_waiting_files": disk.waiting,
        "database_archive_wal_bytes": disk.wal,
        "database_archive_disk_free_bytes": disk.free,
    }
    lines += [line for key, value in single.items() for line in (f"# TYPE {key} gauge", f"{key} {value:.0f}")]
    return "\n".join([*lines, *_of_repositories(evidence), ""])


def _of_repositories(evidence: Evidence) -> Iterable[str]:
    for key in ("measured", "hole_files"):
        yield f"# TYPE database_archive_{key} gauge"
        for repository in evidence.repositories:
            value = len(hole(evidence.archiver, repository)) if key == "hole_files" else int(not repository.trouble)
            yield f'database_archive_{key}{{repository="{repository.number}"}} {value}'
    yield "# TYPE database_backup_newest_timestamp_seconds gauge"
    for repository in evidence.repositories:
        for kind in ("full", "diff", "incr"):
            stops = [backup.stopped_at for backup in repository.backups if backup.kind == kind]
            labels = f'repository="{repository.number}",type="{kind}"'
            yield f"database_backup_newest_timestamp_seconds{{{labels}}} {max(stops, default=0):.0f}"
