# SPDX-License-Identifier: GPL-3.0-or-later
"""Says how the database's archive is, founds it and backs up; `database-archive` runs it.

usage: database-archive state | metrics | newest | prepare | back-up full|diff|incr | check [OPTIONS]

state    exits 0 if every moment since the newest backup can be restored, else says what is wrong. A replica has nothing to say.
metrics  writes the same as a textfile of Prometheus.
newest   the newest backup of each repository, from any host that has the keys.
prepare  makes what is missing on the member that leads: the stanza, the first backup.
check    exits 0 if every repository opens, else says what to correct; with options, those of pgBackRest that would be configured.

Run as root it becomes postgres at once. Uses the standard library, psql and pgbackrest.
"""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from judge import (
    MIB,
    SEGMENT,
    Archiver,
    Disk,
    Evidence,
    Limits,
    Repository,
    at,
    complaints,
    metrics,
    parse_dropped,
    parse_history,
    parse_info,
    readable,
    refusal,
    stanza_step,
)

CONFIG = Path("/etc/pgbackrest/pgbackrest.conf")
FACTS = Path("/etc/pgbackrest/database-archive.json")
LOCK = Path("/var/lib/pgbackrest/lock/database-archive.lock")
LOGS = Path("/var/log/pgbackrest")
# Who is asked how things are must say soon that nobody answers: pgBackRest tries for about nine times as long.
BRIEF = ("--io-timeout=3",)
ASK = """
select json_build_object(
  'replica', pg_is_in_recovery(),
  'system_id', (select system_identifier from pg_control_system()),
  'version', current_setting('server_version_num')::int / 10000,
  'timeline', case when not pg_is_in_recovery() then ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int end,
  'segment_size', (select setting::bigint from pg_settings where name = 'wal_segment_size'),
  'last_archived', last_archived_wal, 'last_archived_at', extract(epoch from last_archived_time),
  'last_failed', last_failed_wal, 'last_failed_at', extract(epoch from last_failed_time))
from pg_stat_archiver
"""


def run(argv: Sequence[str], timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a program and return what it said."""
    try:
        return subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(argv, 124, "", f"{argv[0]} did not answer within {timeout:g} s")


def pgbackrest(*arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Ask pgBackRest; errors on standard error, nothing into its log files."""
    quiet = ("--log-level-console=off", "--log-level-stderr=error", "--log-level-file=off")
    return run(["pgbackrest", *quiet, *arguments], timeout)


def repositories() -> list[int]:
    """Return the numbers of the repositories."""
    return sorted({int(found) for found in re.findall(r"^repo(\d+)-type=", CONFIG.read_text(), re.MULTILINE)})


def trouble(said: str) -> str:
    """Return the first error that pgBackRest said, as one line."""
    first = said.partition("\nHINT")[0].strip() or "no answer"
    return " ".join(re.sub(r"^.*?ERROR: \[\d+\]: ", "", line).strip() for line in first.splitlines())[:250]


def become_postgres() -> None:
    """Give up root's rights."""
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.initgroups("postgres", user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    os.environ.update(HOME="/var/lib/postgresql", LC_ALL="C.UTF-8")
    os.chdir("/")


class Host:
    """This host: its Postgres, its disk, and the repositories as it sees them."""

    def __init__(self) -> None:
        self.facts: dict[str, Any] = json.loads(FACTS.read_text())
        self.stanza = f"--stanza={self.facts['stanza']}"
        self.limits = Limits(
            float(self.facts["max_backup_age"]),
            float(self.facts["max_archive_delay"]),
            int(self.facts["wal_bound_mib"]) * MIB,
        )

    def postgres(self) -> dict[str, Any]:
        """Ask the Postgres of this host."""
        argv = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.facts["socket_dir"], "-p", str(self.facts["port"])]
        said = run([*argv, "-d", "postgres", "-c", ASK], 15)
        if said.returncode:
            sys.exit(f"Postgres of this host did not answer, nothing was measured: {said.stderr.strip()}")
        answer: dict[str, Any] = json.loads(said.stdout, strict=False)
        return answer

    def archiver(self, answer: dict[str, Any]) -> Archiver:
        """Return what Postgres says of its archiving, with the history of its timeline."""
        size = int(answer["segment_size"])
        file = Path(self.facts["data_dir"], "pg_wal", f"{answer['timeline']:08X}.history")
        history = parse_history(file.read_text(), size) if file.exists() else ()
        return Archiver(
            last_archived=answer["last_archived"],
            last_archived_at=answer["last_archived_at"],
            last_failed=answer["last_failed"],
            last_failed_at=answer["last_failed_at"],
            segment_size=size,
            history=history,
            timeline=answer["timeline"],
        )

    def disk(self) -> Disk:
        """Measure the disk of the WAL, and what waits on it."""
        directory = Path(self.facts["data_dir"], "pg_wal")
        room = os.statvfs(directory)
        wal, waiting = 0, []
        for path in [*directory.iterdir(), *(directory / "archive_status").glob("*.ready")]:
            try:
                found = path.stat()
            # Postgres recycles and renames them while we look.
            except FileNotFoundError:
                continue
            wal += found.st_size if SEGMENT.fullmatch(path.name) else 0
            waiting += [found.st_mtime] if path.suffix == ".ready" else []
        return Disk(room.f_bavail * room.f_frsize, wal, len(waiting), min(waiting, default=None))

    def repository(self, which: int, answer: dict[str, Any]) -> Repository:
        """Ask one repository for its backups and for the WAL that a restore of the newest one needs."""
        said = pgbackrest(self.stanza, f"--repo={which}", *BRIEF, "info", "--output=json")
        if said.returncode:
            return Repository(which, trouble(said.stderr))
        found = parse_info(json.loads(said.stdout, strict=False), which, answer["system_id"])
        if found.trouble or found.newest is None:
            return found
        try:
            segments = frozenset(self.segments(found))
        except OSError as error:
            return Repository(which, str(error))
        return Repository(which, "", found.backups, segments, found.archive_id)

    def segments(self, found: Repository) -> list[str]:
        """List the WAL files in the archive since the newest backup: a directory for each 4 GiB of a timeline."""
        root = f"archive/{self.facts['stanza']}/{found.archive_id}"
        if found.newest is None:
            return []
        low = found.newest.wal_stop[8:16]
        directories = self.listed(found.number, root)
        files = [
            file
            for directory in directories
            if re.fullmatch(r"[0-9A-F]{16}", directory) and directory[8:] >= low
            for file in self.listed(found.number, f"{root}/{directory}")
        ]
        return [file[:24] for file in files if re.match(r"[0-9A-F]{24}-", file)]

    def listed(self, which: int, path: str) -> list[str]:
        """List one directory of a repository."""
        said = pgbackrest(f"--repo={which}", *BRIEF, "repo-ls", path, "--output=json")
        if said.returncode:
            raise OSError(trouble(said.stderr))
        return sorted(json.loads(said.stdout, strict=False))

    def evidence(self) -> Evidence | None:
        """Ask everybody; nothing if another member leads."""
        answer = self.postgres()
        if answer["replica"]:
            return None
        archiver = self.archiver(answer)
        found = tuple(self.repository(which, answer) for which in repositories())
        since = min((one.newest.stopped_at for one in found if one.newest), default=self.remembered())
        logs = sorted(LOGS.glob(f"{self.facts['stanza']}-archive-push-async.log*"))
        text = "\n".join(file.read_text(errors="replace") for file in logs if not file.name.endswith(".gz"))
        return Evidence(time.time(), archiver, self.disk(), found, parse_dropped(text, since))

    def remembered(self) -> float:
        """Return when this host last made a backup, for when no repository can be asked."""
        stamp = Path("/var/lib/pgbackrest/last-backup")
        return stamp.stat().st_mtime if stamp.exists() else 0.0


def state() -> None:
    """Say how the archive is."""
    host = Host()
    evidence = host.evidence()
    if evidence is None:
        print("a replica: the member that leads speaks for the archive")
        return
    wrong = complaints(evidence, host.limits)
    if wrong:
        sys.exit("; ".join(wrong))
    last = evidence.archiver.last_archived or "nothing yet"
    told = [f"archiving works: {last} at {at(evidence.archiver.last_archived_at)}, {evidence.disk.waiting} files wait"]
    told += [
        f"repository {one.number}: {one.newest.label} of {at(one.newest.stopped_at)}"
        for one in evidence.repositories
        if one.newest
    ]
    print("; ".join(told))


def write_metrics() -> None:
    """Write the textfile in one go: its reader never sees half of it."""
    host = Host()
    target = Path(host.facts["metrics_dir"], "database_archive.prom")
    fresh = target.with_suffix(".new")
    fresh.write_text(metrics(host.evidence(), host.limits))
    fresh.chmod(0o644)
    fresh.replace(target)


def newest() -> None:
    """Say the newest backup of each repository."""
    host = Host()
    for which in repositories():
        said = pgbackrest(host.stanza, f"--repo={which}", "info", "--output=json")
        if said.returncode:
            sys.exit(f"repository {which}: {trouble(said.stderr)}")
        backups = [backup for stanza in json.loads(said.stdout, strict=False) for backup in stanza.get("backup", [])]
        backup = max(backups, key=lambda one: one["timestamp"]["stop"], default=None)
        print(f"repository {which}: {backup['label'] if backup else 'none'}")


def locked() -> Any:
    """Wait until no other of our backups runs; the lock goes with the process."""
    file = LOCK.open("w")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def make(host: Host, which: int, kind: str) -> bool:
    """Make one backup, with its progress on our output; return whether it is whole."""
    argv = ["pgbackrest", host.stanza, f"--repo={which}", f"--type={kind}", "--log-level-console=info", "backup"]
    good = subprocess.run(argv, stdin=subprocess.DEVNULL, check=False).returncode == 0
    print(f"repository {which}: {f'made a backup ({kind})' if good else 'THE BACKUP FAILED'}", flush=True)
    return good


def back_up(kind: str) -> None:
    """Make a backup in each repository; one that fails keeps none of the others from theirs."""
    host = Host()
    lock = locked()
    good = [make(host, which, kind) for which in repositories()]
    if all(good):
        Path("/var/lib/pgbackrest/last-backup").touch()
    write_metrics()
    lock.close()
    sys.exit(0 if all(good) else 1)


def prepare() -> None:
    """Make what the member that leads lacks."""
    host = Host()
    answer = host.postgres()
    if answer["replica"]:
        print("nothing to do: another member leads")
        return
    lock = locked()
    done = []
    steps = {unfounded(host, which, answer) for which in repositories()} - {""}
    if steps:
        found_stanza(host, "stanza-upgrade" if "upgrade" in steps else "stanza-create")
        done.append("made the stanza")
    for which in repositories():
        found = host.repository(which, answer)
        if found.trouble:
            sys.exit(f"repository {which}: {found.trouble}")
        if not found.backups:
            if not make(host, which, "full"):
                sys.exit(f"the first backup in repository {which} failed")
            Path("/var/lib/pgbackrest/last-backup").touch()
            done.append(f"made the first backup in repository {which}")
    lock.close()
    print(", ".join(done) or "nothing to do")


def found_stanza(host: Host, verb: str) -> None:
    """Make the stanza, or tell it of a new major version; an attempt to archive holds the lock for a while."""
    deadline = time.monotonic() + 90
    while True:
        said = pgbackrest(host.stanza, verb, timeout=300)
        if said.returncode == 0:
            return
        if "unable to acquire lock" not in said.stderr or time.monotonic() > deadline:
            sys.exit(f"the stanza could not be made ({verb}): {trouble(said.stderr)}")
        time.sleep(1)


def unfounded(host: Host, which: int, answer: dict[str, Any]) -> str:
    """Return what a repository lacks of this database; refuse one that cannot be read, or that is another database's."""
    said = pgbackrest(host.stanza, f"--repo={which}", "info", "--output=json")
    if said.returncode:
        sys.exit(f"repository {which}: {trouble(said.stderr)}")
    told = json.loads(said.stdout, strict=False)
    unreadable = readable(told, which)
    if unreadable:
        sys.exit(refusal(which, unreadable))
    step, why = stanza_step(told, which, answer["system_id"], answer["version"])
    if why:
        sys.exit(why)
    return step


def check(arguments: list[str]) -> None:
    """Open each repository: of the configuration, or of the options given instead, whose secrets are in the environment."""
    become_postgres()
    text = "\n".join(arguments) or CONFIG.read_text()
    stanza = re.findall(r"^(?:--stanza=(.+)|\[([^:\]]+)\])$", text, re.MULTILINE)[-1]
    options = [
        *(["--no-config", *arguments] if arguments else [f"--config={CONFIG}", f"--stanza={''.join(stanza)}"]),
        *BRIEF,
    ]
    wrong = []
    for which in sorted({int(found) for found in re.findall(r"^(?:--)?repo(\d+)-type=", text, re.MULTILINE)}):
        said = pgbackrest(*options, f"--repo={which}", "info", "--output=json")
        message = said.stderr if said.returncode else readable(json.loads(said.stdout, strict=False), which)
        wrong += [refusal(which, message)] if message else []
    if wrong:
        sys.exit("; ".join(wrong))


def main() -> None:
    """Do what was asked."""
    verb, *rest = sys.argv[1:] or [""]
    verbs = {"state": state, "metrics": write_metrics, "newest": newest, "prepare": prepare}
    if verb == "check":
        check(rest)
    elif verb == "back-up" and rest in (["full"], ["diff"], ["incr"]):
        become_postgres()
        back_up(rest[0])
    elif verb in verbs and not rest:
        become_postgres()
        verbs[verb]()
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
