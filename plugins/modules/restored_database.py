#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restore a database to a scratch host with pgBackRest, or take it away."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet.ports import systemd
from ..module_utils.fleet.ports.commands import run
from ..module_utils.fleet.ports.whole import write_whole
from ..module_utils.fleet.restore import damage, named, nameless, wal_errors
from ..module_utils.fleet.scratch import Note, Refusal, read, to_remove, to_restore

DOCUMENTATION = r"""
---
module: restored_database
short_description: Restore a database to a scratch host with pgBackRest, or take it away
description:
  - Restores into a directory of its own, starts a unit that listens on a socket only and archives nothing, and waits until the
    database has replayed what it was asked for and answers.
  - A run that was cut off is finished by the next. A database that somebody else restored is left alone.
author: [Upstairs]
options:
  state:
    description: Whether it is there.
    type: str
    choices: [present, absent]
    default: present
  data_dir:
    description: Its directory, which belongs to the user.
    type: path
    required: true
  note:
    description: The file that says whose it is.
    type: path
    required: true
  unit:
    description: The systemd unit that runs it.
    type: str
    required: true
  socket_dir:
    description: The directory of its socket.
    type: path
    required: true
  port:
    description: Its port, which names the socket.
    type: int
    default: 5432
  stanza:
    description: The cluster's name in the repositories.
    type: str
    default: ""
  label:
    description: The backup.
    type: str
    default: ""
  target:
    description: The moment as pgBackRest reads it; empty for all that was archived.
    type: str
    default: ""
  timeline:
    description: The timeline to follow; empty for the newest.
    type: str
    default: ""
  delta:
    description: Whether only what differs is brought where files lie already; needs a store that answers ranges of an object.
    type: bool
    default: true
  purpose:
    description: Who wants it, V(drill) or V(restore). What a drill left behind may be replaced.
    type: str
    choices: [drill, restore]
    default: restore
  user:
    description: The server's own user.
    type: str
    default: postgres
  within:
    description: Seconds that the restore may take, and again the recovery.
    type: int
    default: 21600
attributes:
  check_mode:
    description: Says what it would do.
    support: full
  diff_mode:
    description: There is no file content to show.
    support: none
"""

EXAMPLES = r"""
- name: scratch | Restore it
  restored_database:
    data_dir: /var/lib/restore/postgres
    note: /var/lib/restore/postgres.json
    unit: restored-postgres.service
    socket_dir: /run/restored-postgres
    stanza: upstairs
    label: 20261120-023000F
"""

RETURN = r"""
plan:
  description: What was done, or would be.
  returned: success
  type: list
  elements: str
wal_errors:
  description: What pgBackRest could not bring of the WAL. Postgres takes that for the end of the archive.
  returned: when it was started
  type: list
  elements: str
seconds:
  description: From the first byte until it answered; absent where nothing was restored.
  returned: when it was restored
  type: float
"""

SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "data_dir": {"type": "path", "required": True},
    "note": {"type": "path", "required": True},
    "unit": {"type": "str", "required": True},
    "socket_dir": {"type": "path", "required": True},
    "port": {"type": "int", "default": 5432},
    "stanza": {"type": "str", "default": ""},
    "label": {"type": "str", "default": ""},
    "target": {"type": "str", "default": ""},
    "timeline": {"type": "str", "default": ""},
    "delta": {"type": "bool", "default": True},
    "purpose": {"type": "str", "choices": ["drill", "restore"], "default": "restore"},
    "user": {"type": "str", "default": "postgres"},
    "within": {"type": "int", "default": 21600},
}
PAUSE = 0.5
LAST_LINES = 20


class Problem(Exception):
    """What went wrong, in words."""


class Scratch:
    """The place of a restored database on this host."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.data = Path(params["data_dir"])
        self.note = Path(params["note"])
        self.unit: str = params["unit"]
        self.wal_errors: list[str] = []
        asked = "" if params["target"] else datetime.now(UTC).isoformat(timespec="seconds")
        self.wanted = Note(
            params["purpose"], params["label"], params["target"], timeline=params["timeline"], asked=asked
        )

    def there(self) -> Note | None:
        """Return whose database is here."""
        if self.note.exists():
            return read(self.note.read_text(encoding="utf-8"))
        return read("") if self.has_data() else None

    def has_data(self) -> bool:
        """Return whether anything lies where the database will."""
        return self.data.is_dir() and any(self.data.iterdir())

    def runs(self) -> bool:
        """Return whether the unit is up or coming up. On a busy host systemd has not yet looked at what it was asked to start."""
        unit = systemd.observe([self.unit])[self.unit]
        return unit.active in ("active", "activating", "reloading") or bool(unit.job)

    def answers(self) -> bool:
        """Return whether it takes questions."""
        argv = ["pg_isready", "--quiet", f"--host={self.params['socket_dir']}", f"--port={self.params['port']}"]
        return run(argv, 10.0).rc == 0

    def perform(self, step: str) -> None:
        """Carry out one step."""
        {"restore": self._restore, "start": self._start, "stop": self._stop, "remove": self._remove}[step]()

    def _write(self, note: Note) -> None:
        write_whole(self.note, note.text().encode())

    def _restore(self) -> None:
        params = self.params
        if not params["delta"]:
            self._remove()
        self._write(self.wanted)
        argv = ["runuser", "-u", params["user"], "--", "pgbackrest", f"--stanza={params['stanza']}"]
        # What a run that was cut off has brought is not brought again. archive-mode=off: never into the real archive.
        argv += [
            f"--pg1-path={self.data}",
            *(["--delta"] if params["delta"] else []),
            "--archive-mode=off",
            f"--set={params['label']}",
        ]
        if params["target"]:
            argv += ["--type=time", f"--target={params['target']}", "--target-action=promote"]
        if params["timeline"]:
            argv.append(f"--target-timeline={params['timeline']}")
        answer = run([*argv, "restore"], params["within"])
        if answer.rc != 0:
            manifest = self.data / "backup.manifest"
            text = manifest.read_text(encoding="utf-8") if manifest.exists() else ""
            broken = damage(answer.output, str(self.data), text, params["stanza"], params["label"])
            broken = broken or self._unnamed(answer.output)
            raise Problem("; ".join(broken) or f"pgBackRest could not restore {params['label']}: {last(answer.output)}")

    def _unnamed(self, said: str) -> list[str]:
        """Return what did not come out, which costs that the whole backup is read once more."""
        why, params = nameless(said), self.params
        if not why:
            return []
        argv = ["runuser", "-u", params["user"], "--", "pgbackrest", f"--stanza={params['stanza']}"]
        argv += [f"--set={params['label']}", "--output=text", "--verbose", "--log-level-console=info", "verify"]
        return named(why, run(argv, params["within"]).output, params["stanza"], params["label"])

    def _start(self) -> None:
        run(["systemctl", "reset-failed", "--", self.unit], 30.0)
        begun = time.strftime("%Y-%m-%d %H:%M:%S")
        run(["systemctl", "start", "--no-block", "--", self.unit], 30.0)
        deadline = time.monotonic() + self.params["within"]
        while not self.answers():
            if not self.runs():
                raise Problem(f"the restored database did not start: {last(self._journal(begun))}")
            if time.monotonic() > deadline:
                raise Problem(f"the restored database does not answer after {self.params['within']} s")
            time.sleep(PAUSE)
        self.wal_errors = wal_errors(self._said(begun))
        self._write(replace(self.wanted, whole=True))

    def _said(self, since: str) -> str:
        argv = ["journalctl", "--no-pager", "--quiet", "--output=cat", f"--since={since}", f"--unit={self.unit}"]
        return run(argv, 60.0).output

    def _journal(self, since: str) -> str:
        said = self._said(since)
        # Of what Postgres says, the cause; of what systemd says, nothing.
        causes = [line for line in said.splitlines() if "FATAL" in line or "ERROR" in line or "PANIC" in line]
        return "\n".join(causes) or said

    def _stop(self) -> None:
        answer = run(["systemctl", "stop", "--", self.unit], 300.0)
        if answer.rc != 0:
            raise Problem(f"{self.unit} could not be stopped: {answer.output}")

    def _remove(self) -> None:
        for path in self.data.iterdir() if self.data.is_dir() else ():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        self.note.unlink(missing_ok=True)


def last(text: str) -> str:
    """Return the end of what a program said."""
    return "\n".join(text.strip().splitlines()[-LAST_LINES:]) or "nothing"


def act(scratch: Scratch, plan: tuple[str, ...]) -> dict[str, Any]:
    """Carry out the plan and return what is told of it."""
    begun = time.monotonic()
    for step in plan:
        scratch.perform(step)
    took = {"seconds": round(time.monotonic() - begun, 2)} if "restore" in plan else {}
    return {**took, "wal_errors": scratch.wal_errors}


def main() -> None:
    """Look, plan, act."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    scratch = Scratch(module.params)
    plan: tuple[str, ...] | Refusal
    if module.params["state"] == "present":
        plan = to_restore(scratch.there(), scratch.wanted, scratch.answers())
    else:
        plan = to_remove(scratch.there(), module.params["purpose"], scratch.runs(), scratch.has_data())
    if isinstance(plan, Refusal):
        module.fail_json(msg=plan.why)
        return
    try:
        told = {} if module.check_mode else act(scratch, plan)
    except Problem as problem:
        module.fail_json(msg=str(problem), plan=list(plan))
    else:
        module.exit_json(changed=bool(plan), plan=list(plan), **told)


if __name__ == "__main__":
    main()
