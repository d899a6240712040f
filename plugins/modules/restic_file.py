#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring one file back from the newest snapshot of a backup."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet.ports.disk import gid_of, uid_of
from ..module_utils.fleet.ports.streams import save
from ..module_utils.fleet.restic import explain

DOCUMENTATION = r"""
---
module: restic_file
short_description: Bring one file back from the newest snapshot of a backup
description:
  - Writes it whole or not at all, or, without O(dest), only tells its digest, so that a secret reaches no disk.
author: [Upstairs]
options:
  repository:
    description: The repository, as restic writes it.
    type: str
    required: true
  environment:
    description: RESTIC_PASSWORD and what the store wants to know; never reported.
    type: dict
    required: true
  backup:
    description: The backup's name, the tag of its snapshots.
    type: str
    required: true
  path:
    description: The file in the snapshot. A stream's is the backup's name.
    type: str
    required: true
  dest:
    description: Where to put it. Without it nothing is written.
    type: path
  owner:
    description: Whose it will be.
    type: str
    default: root
  group:
    description: Whose group it will be.
    type: str
    default: root
  program:
    description: The program.
    type: path
    default: /usr/bin/restic
  within:
    description: Seconds that it may take.
    type: int
    default: 3600
attributes:
  check_mode:
    description: Reads it as ever, to prove that it can be read, and puts nothing in place.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
"""

EXAMPLES = r"""
- name: drill | Bring the copy of Redis' data back
  restic_file:
    repository: s3:https://s3.example.org/backups/restic
    environment: "{{ restic_login }}"
    backup: redis-data
    path: /redis-data
    dest: /var/lib/restore/redis/dump.rdb
    owner: redis
    group: redis
"""

RETURN = r"""
sha256:
  description: The file's digest.
  returned: success
  type: str
size:
  description: Its bytes.
  returned: success
  type: int
"""

SPEC: dict[str, Any] = {
    "repository": {"type": "str", "required": True},
    "environment": {"type": "dict", "required": True, "no_log": True},
    "backup": {"type": "str", "required": True},
    "path": {"type": "str", "required": True},
    "dest": {"type": "path"},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "program": {"type": "path", "default": "/usr/bin/restic"},
    "within": {"type": "int", "default": 3600},
}


def main() -> None:
    """Read, then put in place."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    params = module.params
    env = {name: str(value) for name, value in params["environment"].items()}
    env["RESTIC_REPOSITORY"] = params["repository"]
    place = Path(params["dest"]) if params["dest"] and not module.check_mode else None
    temporary = place.with_name(f".{place.name}.new") if place else None
    argv = [params["program"], "dump", "--no-lock", "--quiet", "--tag", params["backup"], "latest", params["path"]]
    came = save(argv, params["within"], env, temporary)
    if came.rc != 0:
        if temporary:
            temporary.unlink(missing_ok=True)
        why = explain(came.rc, came.stderr, params["repository"])
        module.fail_json(msg=f"{params['path']} of the backup {params['backup']} cannot be brought back: {why}")
    if place and temporary:
        uid, gid = uid_of(params["owner"]), gid_of(params["group"])
        os.chown(temporary, -1 if uid is None else uid, -1 if gid is None else gid)
        temporary.replace(place)
    module.exit_json(changed=place is not None, sha256=came.sha256, size=came.size)


if __name__ == "__main__":
    main()
