# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backup brings back which moment, and whether that can be done here. Pure: no I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

LATEST = "latest"
# Without a blank: `-e name=value` ends at the first one.
FORM = "write it with its zone and without a blank, as 2026-11-20T13:00:00+00"
# A restore writes the backup and then the WAL that it replays.
MEBI = 1 << 20
# pgBackRest's codes of a repository that has no usable backup.
OK, NO_BACKUPS = 0, 2
# How pgBackRest says that a file did not come out as it went in, and an error of its own. An object that was damaged comes out
# with another checksum, or does not come out at all: it cannot be decrypted or decompressed, or is shorter than it was.
FAILED_FILE = re.compile(r"error restoring '([^']+)': ([^\n]*)")
# What could not be decrypted or decompressed has no name in the words of a restore; what is not there has. `verify` names both, and
# that some bytes are wrong is told in either way, by chance.
FAILED_NAMELESS = re.compile(
    r"(?:zst|gz|lz4|bz2|bzip2) error: [^\n]*|[^\n]*(?:CipherError|unable to flush|cipher header)[^\n]*", re.IGNORECASE
)
NAMED_BY_VERIFY = re.compile(r"(?:invalid checksum|invalid size|missing file|could not verify) '([^'\n]+)'")
MISSING_OBJECT = re.compile(r"(?:missing file|unable to (?:open|read|get)[^\n']*) '[^'\n]*?(backup/[^'\n]+)'")
# Where files are not bundled, each is an object, which has the name of its compression.
EXTENSIONS = {"zst": ".zst", "gz": ".gz", "lz4": ".lz4", "bz2": ".bz2", "none": ""}
WAL_ERROR = re.compile(r"ERROR: \[\d+\]: (.*)")


@dataclass(frozen=True)
class Backup:
    """One backup as ``pgbackrest info`` tells it."""

    label: str
    kind: str
    started: datetime
    stopped: datetime
    size: int
    faulty: bool
    # The timeline that it was made on; 0 where pgBackRest does not say.
    timeline: int = 0
    # Whose it is: the system identifier; empty where pgBackRest does not say.
    database: str = ""


@dataclass(frozen=True)
class Archive:
    """What the repositories hold, or why that is not known."""

    backups: tuple[Backup, ...]
    complaints: tuple[str, ...] = ()
    # Of a database that the repositories held before: an older version, or one that was lost. Only by their name.
    others: tuple[Backup, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A restore that can be done."""

    backup: Backup
    # None is all that was archived.
    target: datetime | None
    needs: int
    notes: tuple[str, ...] = ()

    @property
    def argument(self) -> str:
        """The target as pgBackRest reads it; empty for the latest."""
        return self.target.strftime("%Y-%m-%d %H:%M:%S.%f+00") if self.target else ""


def parse_target(text: str, now: datetime) -> datetime | None:
    """Return the moment that a person wrote, in UTC; None for the latest. ValueError says what is wrong with it."""
    if text.strip().lower() == LATEST:
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"restore_time {text!r} is no time: {FORM}, or `{LATEST}`") from None
    if moment.tzinfo is None:
        raise ValueError(f"restore_time {text!r} has no zone, and yours may not be the server's: {FORM}")
    moment = moment.astimezone(UTC)
    if moment > now:
        raise ValueError(
            f"restore_time {text!r} is in the future (now it is {said(now)}): `{LATEST}` is all that there is"
        )
    return moment


def parse_info(text: str, stanza: str) -> Archive:
    """Return what ``pgbackrest info --output=json`` told."""
    try:
        # pgBackRest quotes what another passphrase makes of a file, control characters and all.
        stanzas = json.loads(text, strict=False)
    except ValueError:
        return Archive((), (f"pgBackRest gave no list of backups: {text.strip()[-300:] or 'it said nothing'}",))
    told = next((one for one in stanzas if one.get("name") == stanza), None)
    if told is None:
        return Archive((), (f"the repositories know no stanza {stanza}: is its name right, was a backup ever made?",))
    complaints = tuple(
        f"repository {repo.get('key')}: {_reason(repo.get('status') or {})}"
        for repo in told.get("repo", [])
        if (repo.get("status") or {}).get("code") not in (OK, NO_BACKUPS)
    )
    owners = {(entry.get("repo-key", 1), entry["id"]): str(entry["system-id"]) for entry in told.get("db", [])}
    backups = sorted((_backup(one, owners) for one in told.get("backup", [])), key=lambda one: one.stopped)
    newest = _newest_databases(told.get("db", []))
    if len(newest) > 1:
        complaints += (
            f"the repositories hold different databases (system identifiers {', '.join(sorted(newest))}): name the backup with "
            "restore_set, or correct pgbackrest_repositories",
        )
        return Archive((), complaints, tuple(backups))
    ours = tuple(one for one in backups if not newest or one.database in newest)
    others = tuple(one for one in backups if one not in ours)
    if others:
        complaints += (
            f"{', '.join(one.label for one in others)} belong to another database than the one that the repositories hold now (system"
            " identifiers differ); if that one is meant, name its backup with restore_set",
        )
    return Archive(ours, complaints, others)


def _newest_databases(entries: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the system identifiers of the databases that the repositories hold now: of each the newest entry."""
    newest: dict[Any, Mapping[str, Any]] = {}
    for entry in entries:
        key = entry.get("repo-key", 1)
        if key not in newest or entry["id"] > newest[key]["id"]:
            newest[key] = entry
    return {str(entry["system-id"]) for entry in newest.values()}


def _reason(status: Mapping[str, Any]) -> str:
    # What another passphrase makes of a file is no text.
    message = " ".join(
        "".join(char for char in str(status.get("message", "")) if " " <= char <= "~" or char.isspace()).split()
    )
    low = message.lower()
    if "crypto" in low or "cipher" in low or "formaterror" in low:
        return f"it does not open with this passphrase ({message})"
    if "403" in low or "accessdenied" in low or "invalidaccesskeyid" in low or "signaturedoesnotmatch" in low:
        return f"its store does not take these keys ({message})"
    if "hostconnect" in low or "unable to connect" in low or "unable to get address" in low or "timeout" in low:
        return f"its store cannot be reached ({message})"
    return message or "no reason was given"


def _backup(told: Mapping[str, Any], owners: Mapping[tuple[Any, Any], str]) -> Backup:
    times = told["timestamp"]
    database = told.get("database") or {}
    first = str((told.get("archive") or {}).get("start") or "")
    return Backup(
        label=told["label"],
        kind=told["type"],
        started=datetime.fromtimestamp(times["start"], UTC),
        stopped=datetime.fromtimestamp(times["stop"], UTC),
        size=int(told["info"]["size"]),
        faulty=bool(told.get("error")),
        timeline=int(first[:8], 16) if first else 0,
        database=owners.get((database.get("repo-key", 1), database.get("id")), ""),
    )


def judge(
    archive: Archive,
    target: datetime | None,
    label: str,
    free: int | None,
    headroom: int,
    timeline: int | None = None,
) -> tuple[Plan | None, list[str]]:
    """Return the plan, or what speaks against it.

    ``free`` is the space in bytes where the database will lie, what lies there now and will be replaced included; None not to judge it.
    A backup that was made on a later ``timeline`` than the one to follow does not lead there.
    """
    pool = [*archive.backups, *(one for one in archive.others if label and one.label == label)]
    if not pool:
        return None, list(archive.complaints) or ["there is no backup at all: nothing can be restored"]
    pool = [one for one in pool if timeline is None or one.timeline <= timeline]
    if not pool:
        return None, [f"every backup was made on a later timeline than {timeline}: nothing leads there any more"]
    backup, refusal = _choose(pool, target, label)
    if backup is None:
        return None, [refusal]
    needs = backup.size + headroom
    if free is not None and free < needs:
        refusal = f"{backup.label} needs {_mib(backup.size)} and {_mib(headroom)} of room for WAL, and only {_mib(free)} are free"
        return None, [refusal]
    notes = [f"not used: {complaint}" for complaint in archive.complaints]
    if backup.faulty:
        notes.append(f"{backup.label} holds pages whose checksums were wrong when it was made")
    return Plan(backup, target, needs, tuple(notes)), []


def _choose(backups: Sequence[Backup], target: datetime | None, label: str) -> tuple[Backup | None, str]:
    first = backups[0]
    if target and target < first.stopped:
        return None, (
            f"{said(target)} is before the first backup was complete ({first.label}, {said(first.stopped)}):"
            " nothing earlier can be restored"
        )
    if label:
        named = next((one for one in backups if one.label == label), None)
        if named is None:
            return None, f"there is no backup {label}; there are {', '.join(one.label for one in backups)}"
        if target and target < named.stopped:
            return None, (
                f"{label} was complete at {said(named.stopped)}, after {said(target)}: take an earlier one or leave restore_set out"
            )
        return named, ""
    return [one for one in backups if target is None or one.stopped <= target][-1], ""


def said(moment: datetime) -> str:
    """Return a moment as a person may write it back."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00")


def _mib(size: int) -> str:
    return f"{size / MEBI:.0f} MiB"


def describe(plan: Plan, free: int | None) -> list[str]:
    """Return the plan as the lines of a table."""
    there = "and were there when it was begun" if free is None else f"{_mib(free)} are free"
    rows = [
        ("backup", f"{plan.backup.label} ({plan.backup.kind}), complete at {said(plan.backup.stopped)}"),
        ("then all WAL until", said(plan.target) if plan.target else "the end of what is archived"),
        (
            "size",
            f"{_mib(plan.backup.size)}; {_mib(plan.needs)} are wanted, {there}",
        ),
        *(("note", note) for note in plan.notes),
    ]
    return [f"{name:<20} {value}" for name, value in rows]


def damage(said: str, data_dir: str, manifest: str, stanza: str, label: str) -> list[str]:
    """Return which objects of the repository a failed restore has found damaged; the manifest says where each file lies."""
    found: dict[str, str] = {}
    for path, why in FAILED_FILE.findall(said):
        found.setdefault(path, why)
    compression = re.search(r'^option-compress-type="(\w+)"$', manifest, re.MULTILINE)
    extension = EXTENSIONS.get(compression[1], "") if compression else ""
    told = []
    for path, why in found.items():
        name = path.removeprefix(data_dir.rstrip("/") + "/")
        place = next((line for line in manifest.splitlines() if line.startswith(f"pg_data/{name}={{")), "")
        how = (
            "comes out of it with another checksum"
            if why.startswith("actual checksum")
            else f"does not come out of it: {why[:150]}"
        )
        told.append(f"{_object(place, name, stanza, label, extension)} is damaged: {name} {how}")
    gone = [
        f"{path} is damaged: it is not there or cannot be read" for path in dict.fromkeys(MISSING_OBJECT.findall(said))
    ]
    return told + gone


def nameless(said: str) -> str:
    """Return why something did not come out of the repository where a failed restore does not say what, or ""."""
    found = FAILED_NAMELESS.search(said)
    return " ".join(found[0].split())[:150] if found else ""


def named(why: str, verified: str, stanza: str, label: str) -> list[str]:
    """Return which objects did not come out, for that reason, by the word of ``pgbackrest verify``."""
    objects = dict.fromkeys(NAMED_BY_VERIFY.findall(verified))
    return [f"backup/{stanza}/{name} is damaged: it does not come out ({why})" for name in objects] or [
        f"an object of {label} is damaged, or of one that it builds on: it does not come out ({why}); "
        f"pgbackrest --stanza={stanza} verify, as postgres, did not say which: try it again"
    ]


def _object(place: str, name: str, stanza: str, label: str, extension: str) -> str:
    try:
        told = json.loads(place.partition("=")[2])
    except ValueError:
        return f"the object of {name} in {label}"
    backup = f"backup/{stanza}/{told.get('reference', label)}"
    return f"{backup}/bundle/{told['bni']}" if "bni" in told else f"{backup}/pg_data/{name}{extension}"


def wal_errors(journal: str) -> list[str]:
    """Return pgBackRest's errors in what the recovery said: Postgres takes WAL that cannot be read for WAL that is not there."""
    return list(dict.fromkeys(found[1] for line in journal.splitlines() if (found := WAL_ERROR.search(line))))
