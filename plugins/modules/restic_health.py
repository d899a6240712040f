#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a restic repository whether its newest snapshots are new enough."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet.ports.commands import found, run
from ..module_utils.fleet.restic import ABSENT, explain, judge, newest, parse_snapshots

DOCUMENTATION = r"""
---
module: restic_health
short_description: Ask a restic repository whether its newest snapshots are new enough
description:
  - By the repository's own word, whichever host made the snapshots. It is opened with the password, so a wrong one is found here.
  - Changes nothing, and takes no lock.
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
  backups:
    description: The backups, each with its limit.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The tag of its snapshots.
        type: str
        required: true
      max_age_hours:
        description: Hours that the newest may be old.
        type: int
        required: true
  tolerate:
    description: What is told and is no failure.
    type: list
    elements: str
    choices: [missing, old]
    default: []
  program:
    description: The program.
    type: path
    default: /usr/bin/restic
  within:
    description: Seconds that the store has to answer.
    type: int
    default: 60
attributes:
  check_mode:
    description: It only reads. Where restic is not installed yet nothing is asked.
    support: full
  diff_mode:
    description: It only reads.
    support: none
"""

EXAMPLES = r"""
- name: verify | The newest snapshots are new enough
  restic_health:
    repository: s3:https://s3.example.org/backups/restic
    environment: "{{ restic_login }}"
    backups:
      - {name: secrets, max_age_hours: 26}
"""

RETURN = r"""
missing:
  description: Backups that were never made.
  returned: success
  type: list
  elements: str
newest:
  description: For each backup the newest snapshot's id, time (seconds since 1970) and host.
  returned: success
  type: dict
"""

SPEC: dict[str, Any] = {
    "repository": {"type": "str", "required": True},
    "environment": {"type": "dict", "required": True, "no_log": True},
    "backups": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "max_age_hours": {"type": "int", "required": True},
        },
    },
    "tolerate": {"type": "list", "elements": "str", "choices": ["missing", "old"], "default": []},
    "program": {"type": "path", "default": "/usr/bin/restic"},
    "within": {"type": "int", "default": 60},
}


def main() -> None:
    """Ask once, judge, tell."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    params = module.params
    env = {name: str(value) for name, value in params["environment"].items()}
    env["RESTIC_REPOSITORY"] = params["repository"]
    if module.check_mode and not found(params["program"]):
        module.exit_json(changed=False, missing=[], newest={})
    answer = run([params["program"], "snapshots", "--json", "--no-lock", "--quiet"], params["within"], env)
    if answer.rc != 0:
        if module.check_mode and answer.rc == ABSENT:
            module.exit_json(changed=False, missing=[], newest={})
        module.fail_json(msg=explain(answer.rc, answer.output, params["repository"]))
    snapshots = parse_snapshots(answer.stdout)
    limits = {one["name"]: one["max_age_hours"] for one in params["backups"]}
    judgement = judge(snapshots, limits, datetime.now(UTC), params["tolerate"])
    latest = {name: newest(snapshots, name) for name in limits}
    told = {name: {"id": one.id, "time": one.time.timestamp(), "host": one.host} for name, one in latest.items() if one}
    if judgement.complaints:
        module.fail_json(msg="; ".join(judgement.complaints), missing=list(judgement.missing), newest=told)
    module.exit_json(changed=False, missing=list(judgement.missing), newest=told)


if __name__ == "__main__":
    main()
