#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Found a Patroni cluster anew from a backup, in place, resumably."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet.in_place import Note, read, refusal, undo_of
from ..module_utils.fleet.ports import systemd
from ..module_utils.fleet.ports.commands import run
from ..module_utils.fleet.ports.rest import ask
from ..module_utils.fleet.ports.streams import tell

DOCUMENTATION = r"""
---
module: database_in_place
short_description: Found a Patroni cluster anew from a backup, in place, resumably
description:
  - V(looked) says whether a restore in place was begun, and refuses another one. V(begun) writes down what is done and how to come back.
  - V(founded) makes Patroni forget the cluster and found it from the backup, by the bootstrap method that lies in its configuration,
    and waits until this member leads. Patroni must be stopped on every member. V(ended) sees the history of the new timeline archived,
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
  description: Whether the backup was brought back and Patroni is up with it.
  returned: success
  type: bool
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
        # Made by the founding method when pgBackRest has brought everything back.
        self.restored = Path(f"{params['data_dir']}.restored")
        self.begun = read(self.path.read_text(encoding="utf-8") if self.path.exists() else None)

    def look(self) -> None:
        """Refuse another restore than the one that was begun."""
        params = self.params
        why = refusal(self.begun, Note(params["target"], params["label"], params["timeline"]))
        if why:
            raise Problem(why)

    def begin(self) -> bool:
        """Write down what is done and how to come back, once."""
        self.look()
        if self.begun:
            return False
        params = self.params
        undo_time, undo_timeline = undo_of(params["marks"])
        self.restored.unlink(missing_ok=True)
        self.begun = Note(params["target"], params["label"], params["timeline"], undo_time, undo_timeline)
        self.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".new")
        temporary.write_text(self.begun.text(), encoding="utf-8")
        temporary.replace(self.path)
        return True

    @property
    def founded(self) -> bool:
        """Whether the backup was brought back and Patroni is at work with it, or done."""
        return self.begun is not None and self.restored.exists() and self._patroni_is_up()

    def found(self) -> bool:
        """Have Patroni found the cluster from the backup, and wait until this member leads."""
        if self.founded:
            self._wait()
            return False
        run(["systemctl", "stop", "--", UNIT], 600.0)
        self.restored.unlink(missing_ok=True)
        self._forget()
        data = Path(self.params["data_dir"])
        aside = data.with_name(f"{data.name}.restoring")
        # Patroni founds a cluster only where no data lies. What there was is kept aside until the backup is back; then anything
        # beside it is half of a restore that was cut off.
        if aside.exists():
            shutil.rmtree(data, ignore_errors=True)
        elif data.exists():
            data.rename(aside)
        run(["systemctl", "reset-failed", "--", UNIT], 30.0)
        answer = run(["systemctl", "start", "--", UNIT], 120.0)
        if answer.rc != 0:
            raise Problem(f"Patroni did not start: {systemd.journal(UNIT)}")
        self._wait()
        return True

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
            # It is started again when it fails: twice is enough to know that it will again.
            if not self._patroni_is_up() or systemd.observe([UNIT])[UNIT].restarts > MOST_RESTARTS:
                raise Problem(f"Patroni could not found the cluster from the backup: {systemd.journal(UNIT)}")
            if time.monotonic() > deadline:
                raise Problem(f"this member does not lead after {self.params['within']} s")
            time.sleep(PAUSE)

    def end(self) -> bool:
        """See the history of the timeline that was begun archived, and forget that there was a restore."""
        if self.begun is None:
            return False
        histories = sorted(Path(self.params["data_dir"], "pg_wal").glob("*.history"))
        for history in histories[-1:]:
            argv = ["runuser", "-u", "postgres", "--", "pgbackrest", f"--stanza={self.params['stanza']}"]
            answer = run([*argv, "--no-archive-async", "archive-push", str(history)], 120.0)
            if answer.rc != 0:
                raise Problem(f"{history.name} could not be archived, and no restore would follow it: {answer.output}")
        self.path.unlink()
        self.restored.unlink(missing_ok=True)
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
    undo = {"undo": there.begun.undo} if there.begun else {}
    module.exit_json(changed=changed, begun=known, founded=there.founded, **undo)


if __name__ == "__main__":
    main()
