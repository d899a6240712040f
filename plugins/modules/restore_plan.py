#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say which backup would bring a moment back, or why that cannot be done."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet.ports.commands import run
from ..module_utils.fleet.ports.disk import existing_parent
from ..module_utils.fleet.restore import describe, judge, parse_info, parse_target

DOCUMENTATION = r"""
---
module: restore_plan
short_description: Say which backup would bring a moment back, or why that cannot be done
description:
  - Asks pgBackRest what the repositories hold, and judges the moment, the backup and the free space.
  - Refused in words are a time without a zone, in the future or before the first backup was complete, a store that does not
    answer, another passphrase, an unknown backup and a disk that is too small.
  - Changes nothing.
author: [Upstairs]
options:
  stanza:
    description: The cluster's name in the repositories.
    type: str
    required: true
  time:
    description: The moment with its zone, or V(latest).
    type: str
    required: true
  set:
    description: A backup by its label; empty for the newest that serves.
    type: str
    default: ""
  data_dir:
    description: Where the database will lie.
    type: path
    required: true
  replace:
    description: Whether what lies there now is replaced, so that its space counts as free.
    type: bool
    default: true
  begun_by:
    description: A file that says that this restore was begun. Then the space is not judged, since what the first attempt brought
      and what is kept meanwhile lie in it.
    type: str
    default: ""
  timeline:
    description: The timeline to follow; a backup of a later one does not serve. Empty for the newest.
    type: str
    default: ""
  headroom_mib:
    description: MiB beside the backup, for the WAL that is replayed.
    type: int
    default: 1024
  user:
    description: Who may read pgBackRest's configuration.
    type: str
    default: postgres
  within:
    description: Seconds that the repositories have to answer.
    type: int
    default: 120
attributes:
  check_mode:
    description: It only reads.
    support: full
  diff_mode:
    description: It only reads.
    support: none
"""

EXAMPLES = r"""
- name: plan | Find the backup that brings it back
  restore_plan:
    stanza: upstairs
    time: "2026-11-20T13:00:00+00"
    data_dir: /var/lib/restore/postgres
"""

RETURN = r"""
plan:
  description: The plan, line by line.
  returned: success
  type: list
  elements: str
label:
  description: The backup.
  returned: success
  type: str
target:
  description: The moment as pgBackRest reads it; empty for the latest.
  returned: success
  type: str
"""

SPEC: dict[str, Any] = {
    "stanza": {"type": "str", "required": True},
    "time": {"type": "str", "required": True},
    "set": {"type": "str", "default": ""},
    "data_dir": {"type": "path", "required": True},
    "replace": {"type": "bool", "default": True},
    "begun_by": {"type": "str", "default": ""},
    "timeline": {"type": "str", "default": ""},
    "headroom_mib": {"type": "int", "default": 1024},
    "user": {"type": "str", "default": "postgres"},
    "within": {"type": "int", "default": 120},
}


def free_bytes(data_dir: str, *, replace: bool) -> int:
    """Return the space for a database in this directory, what is replaced included."""
    place = Path(data_dir)
    base = place if place.is_dir() else existing_parent(data_dir)
    found = os.statvfs(base)
    replaced = sum(
        Path(directory, name).lstat().st_blocks * 512 for directory, _, names in os.walk(place) for name in names
    )
    return found.f_bavail * found.f_frsize + (replaced if replace else 0)


def main() -> None:
    """Ask, judge, tell."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    params = module.params
    refusals: list[str] = []
    target = None
    try:
        target = parse_target(params["time"], datetime.now(UTC))
    except ValueError as error:
        refusals.append(str(error))
    argv = [
        "runuser",
        "-u",
        params["user"],
        "--",
        "pgbackrest",
        f"--stanza={params['stanza']}",
        "info",
        "--output=json",
    ]
    answer = run(argv, params["within"])
    archive = parse_info(answer.stdout if answer.rc == 0 else answer.output, params["stanza"])
    begun = bool(params["begun_by"]) and Path(params["begun_by"]).exists()
    free = None if begun else free_bytes(params["data_dir"], replace=params["replace"])
    follow = int(params["timeline"]) if params["timeline"].isdigit() else None
    plan, against = judge(archive, target, params["set"], free, params["headroom_mib"] << 20, follow)
    refusals += against
    if plan is None or refusals:
        module.fail_json(msg="; ".join(refusals))
    else:
        module.exit_json(changed=False, plan=describe(plan, free), label=plan.backup.label, target=plan.argument)


if __name__ == "__main__":
    main()
