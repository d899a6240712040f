#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Found a Patroni cluster anew from a backup, in place, resumably."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet.in_place import Note, ended_short, overtaken, read, refusal, undo_of
from ..module_utils.fleet.ports import systemd
from ..module_utils.fleet.ports.commands import run
from ..module_utils.fleet.ports.rest import ask
from ..module_utils.fleet.ports.streams import tell
from ..module_utils.fleet.ports.whole import write_whole
from ..module_utils.fleet.restore import wal_errors

DOCUMENTATION = r"""
---
module: database_in_place
short_description: Found a Patroni cluster anew from a backup, in place, resumably
description:
  - V(looked) says whether a restore in place was begun, and refuses another one. V(begun) writes down what is done and how to come back.
  - V(founded) makes Patroni forget the cluster and found it from the backup, by the bootstrap method that lies in its configuration,
    and waits until this member leads. Patroni must be stopped on every member. Once it was founded it is never founded again, because what
    was written since is the database. A founding that failed is not tried again by itself, and what there was lies beside the data
    as C(.before-restore), which Patroni does not touch, until this member leads. V(ended) sees the history of the new timeline archived,
    without which no later restore would follow it, and takes the note away.
author: [Upstairs]
options:
  state:
    description: The step.
    type: str
    choices: [looked, begun, founded, ended]
    required: true
  note:
    description: The file that says what was begun.
    type: path
    required: true
  target:
    description: The moment as pgBackRest reads it; empty for the latest.
    type: str
    default: ""
  label:
    description: The backup.
    type: str
    default: ""
  timeline:
    description: The timeline to follow; empty for the newest.
    type: str
    default: ""
  marks:
    description: What was archived before, for the way back; empty if nothing could be.
    type: dict
    default: {}
  cluster:
    description: The cluster's name.
    type: str
    default: ""
  stanza:
    description: The cluster's name in the repositories.
    type: str
    default: ""
  data_dir:
    description: The cluster's directory.
    type: path
    required: true
  api:
    description: This member's Patroni.
    type: str
    default: ""
  others:
    description: The other members' Patroni. None of them may lead what was founded here.
    type: list
    elements: str
    default: []
  leader:
    description: Who leads when it is begun; empty for nobody.
    type: str
    default: ""
  although_short:
    description: Whether to go on with a restored cluster that lacks WAL which could not be read.
    type: bool
    default: false
  within:
    description: Seconds that the restore and the recovery may take.
    type: int
    default: 21600
attributes:
  check_mode:
    description: Only V(looked) does something, and it only reads.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
"""

EXAMPLES = r"""
- name: in-place | Found the cluster anew
  database_in_place:
    state: founded
    note: /var/lib/restore/in-place.json
    cluster: upstairs
    data_dir: /var/lib/postgresql/17/upstairs
    api: http://10.44.1.11:8008
"""

RETURN = r"""
begun:
  description: Whether a restore in place was begun before.
  returned: success
  type: bool
founded:
  description: Whether the restored cluster took its first write, so that it must not be founded again.
  returned: success
  type: bool
underway:
  description: Whether it was founded or Patroni is at work on it, so that this member must not be stopped.
  returned: success
  type: bool
leader:
  description: Who led when it was begun.
  returned: when one was begun
  type: str
returnable:
  description: Whether what there was is archived.
  returned: when one was begun
  type: bool
attempted:
  description: Whether a founding was begun.
  returned: success
  type: bool
kept:
  description: Where what there was before lies; empty if nowhere.
  returned: success
  type: str
undo:
  description: How to come back.
  returned: when one was begun
  type: str
"""

SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["looked", "begun", "founded", "ended"], "required": True},
    "note": {"type": "path", "required": True},
    "target": {"type": "str", "default": ""},
    "label": {"type": "str", "default": ""},
    "timeline": {"type": "str", "default": ""},
    "marks": {"type": "dict", "default": {}},
    "cluster": {"type": "str", "default": ""},
    "stanza": {"type": "str", "default": ""},
    "data_dir": {"type": "path", "required": True},
    "api": {"type": "str", "default": ""},
    "others": {"type": "list", "elements": "str", "default": []},
    "leader": {"type": "str", "default": ""},
    "although_short": {"type": "bool", "default": False},
    "within": {"type": "int", "default": 21600},
}
UNIT = "patroni.service"
CONFIG = "/etc/patroni/config.yml"
PAUSE = 1.0
MOST_RESTARTS = 2


class Problem(Exception):
    """What went wrong, in words."""


class InPlace:
    """One member, and the restore that was begun on it."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.path = Path(params["note"])
        self.data = Path(params["data_dir"])
        # Made by the founding method: when it began, when pgBackRest had brought everything back, when it was asked a second time.
        self.attempted, self.restored, self.refused = (
            self.data.with_name(f"{self.data.name}.{word}") for word in ("attempted", "restored", "refused")
        )
        self.kept = self.data.with_name(f"{self.data.name}.before-restore")
        self.begun = read(self.path.read_text(encoding="utf-8") if self.path.exists() else None)

    def look(self) -> None:
        """Refuse another restore than the one that was begun, and one that another member has gone on with."""
        params = self.params
        why = refusal(self.begun, Note(params["target"], params["label"], params["timeline"]))
        if why:
            raise Problem(why)
        self._not_overtaken()

    def _not_overtaken(self) -> None:
        leading = [api for api in self.params["others"] if ask(f"{api}/leader").status == 200]
        why = overtaken(self._as_it_is(), leading)
        if why:
            raise Problem(why)

    def begin(self) -> bool:
        """Write down what is done and how to come back, once."""
        self.look()
        if self.begun:
            return False
        params = self.params
        if self.kept.exists():
            raise Problem(f"{self.kept} is what a restore before this one has kept: look at it, then take it away")
        self._forget_attempt()
        self._write(
            Note(params["target"], params["label"], params["timeline"], *undo_of(params["marks"]), params["leader"])
        )
        return True

    def _write(self, note: Note) -> None:
        self.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        write_whole(self.path, note.text().encode())
        self.begun = note

    def _forget_attempt(self) -> None:
        for path in (self.attempted, self.restored, self.refused):
            path.unlink(missing_ok=True)

    @property
    def founded(self) -> bool:
        """Whether the restored cluster takes writes, or took some. Postgres removes the signal when the recovery ends, before the first."""
        if self.begun is None:
            return False
        promoted = Path(self.data, "global/pg_control").exists() and not Path(self.data, "recovery.signal").exists()
        return bool(self.begun.founded_on) or (self.restored.exists() and promoted)

    @property
    def underway(self) -> bool:
        """Whether this member must not be stopped: it was founded, or Patroni is at it."""
        at_it = self.begun is not None and self.attempted.exists() and not self.refused.exists()
        return self.founded or (at_it and self._patroni_is_up())

    def _as_it_is(self) -> Note | None:
        """Return the note, with what a run that was cut off could not write any more."""
        if self.begun and self.founded and not self.begun.founded_on:
            return replace(self.begun, founded_on=self._timeline() or "unknown")
        return self.begun

    def found(self) -> bool:
        """Have Patroni found the cluster from the backup, once, and wait until this member leads."""
        self._not_overtaken()
        if self.begun is None:
            raise Problem(f"nothing was begun: there is no {self.path}")
        changed = not self.underway
        if changed:
            self._put_aside()
        if not self._patroni_is_up():
            run(["systemctl", "reset-failed", "--", UNIT], 30.0)
            answer = run(["systemctl", "start", "--", UNIT], 120.0)
            if answer.rc != 0:
                raise Problem(f"Patroni did not start: {systemd.journal(UNIT)}")
        self._wait()
        self._write(replace(self.begun, founded_on=self._timeline() or "unknown"))
        self._judge()
        # Where there is no other way back it stays.
        if self.begun.undo_timeline:
            shutil.rmtree(self.kept, ignore_errors=True)
        return changed

    def _put_aside(self) -> None:
        """Patroni founds a cluster only where no data lies. What there was is kept; anything beside it is half of an attempt."""
        run(["systemctl", "stop", "--", UNIT], 600.0)
        failed = self.data.with_name(f"{self.data.name}.failed")
        again = self.attempted.exists()
        self._forget()
        if self.kept.exists():
            shutil.rmtree(self.data, ignore_errors=True)
        elif self.data.exists():
            self.data.rename(self.kept)
        # A recovery that failed with the old files in use: Patroni has moved them.
        elif again and failed.exists():
            failed.rename(self.kept)
        self._forget_attempt()

    def _judge(self) -> None:
        """Refuse to have a cluster copied that lacks what the archive should hold; what there was before is kept then."""
        if self.begun is None or self.params["although_short"]:
            return
        since = (
            time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.restored.stat().st_mtime))
            if self.restored.exists()
            else "today"
        )
        said = run(["journalctl", "--no-pager", "--quiet", "--output=cat", f"--since={since}", f"--unit={UNIT}"], 60.0)
        histories = self._histories()
        history = histories[-1].read_text(encoding="utf-8") if histories else ""
        errors = [error for error in wal_errors(said.output) if "push" not in error]
        why = ended_short(self.begun, history, errors if not self.begun.target else [])
        if why:
            raise Problem(
                f"the restored cluster is short: {why}. It leads, alone, and takes writes. Either go on with it (the same command and"
                " -e restore_although_short=true) or, after that and with the cause corrected, restore again"
            )

    def _histories(self) -> list[Path]:
        return sorted(Path(self.data, "pg_wal").glob("*.history"))

    def _timeline(self) -> str:
        histories = self._histories()
        return str(int(histories[-1].name[:8], 16)) if histories else ""

    def _patroni_is_up(self) -> bool:
        return systemd.observe([UNIT])[UNIT].active in ("active", "activating", "reloading")

    def _leads(self) -> bool:
        return ask(f"{self.params['api']}/leader").status == 200

    def _forget(self) -> None:
        name = self.params["cluster"]
        rc, said = tell(["patronictl", "-c", CONFIG, "remove", name], f"{name}\nYes I am aware\n", 60.0)
        if rc != 0:
            raise Problem(f"the cluster {name} could not be taken out of etcd: {said[-600:]}")

    def _wait(self) -> None:
        deadline = time.monotonic() + self.params["within"]
        while not self._leads():
            # Patroni is started again when it fails, and the founding method refuses a second attempt.
            failed = self.refused.exists() or systemd.observe([UNIT])[UNIT].restarts > MOST_RESTARTS
            if failed or not self._patroni_is_up():
                run(["systemctl", "stop", "--", UNIT], 600.0)
                beside = f"what there was lies in {self.kept}. " if self.kept.exists() else ""
                raise Problem(f"Patroni could not found the cluster from the backup. {beside}{systemd.journal(UNIT)}")
            if time.monotonic() > deadline:
                raise Problem(f"this member does not lead after {self.params['within']} s")
            time.sleep(PAUSE)

    def end(self) -> bool:
        """See the history of the timeline that was begun archived, and forget that there was a restore."""
        if self.begun is None:
            return False
        for history in self._histories()[-1:]:
            argv = ["runuser", "-u", "postgres", "--", "pgbackrest", f"--stanza={self.params['stanza']}"]
            answer = run([*argv, "--no-archive-async", "archive-push", str(history)], 120.0)
            if answer.rc != 0:
                raise Problem(f"{history.name} could not be archived, and no restore would follow it: {answer.output}")
        self.path.unlink()
        self._forget_attempt()
        return True


def main() -> None:
    """Take one step."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    there = InPlace(module.params)
    known = there.begun is not None
    state = module.params["state"]
    changed = False
    try:
        if state == "looked" or module.check_mode:
            there.look()
        else:
            changed = {"begun": there.begin, "founded": there.found, "ended": there.end}[state]()
    except Problem as problem:
        module.fail_json(msg=str(problem))
    begun = there.begun
    told: dict[str, Any] = (
        {"undo": begun.undo, "leader": begun.leader, "returnable": bool(begun.undo_timeline)} if begun else {}
    )
    told |= {"attempted": there.attempted.exists()}
    kept = str(there.kept) if there.kept.exists() else ""
    module.exit_json(changed=changed, begun=known, founded=there.founded, underway=there.underway, kept=kept, **told)


if __name__ == "__main__":
    main()
