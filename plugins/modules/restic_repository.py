#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make sure that there is a restic repository that our password opens."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet.ports.commands import found, run
from ..module_utils.fleet.restic import ABSENT, explain

DOCUMENTATION = r"""
---
module: restic_repository
short_description: Make sure that there is a restic repository that our password opens
description:
  - Opens the repository. Where there is none it is made, if this host may.
  - A store that does not answer in time, another password and a missing repository are failures in words.
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
  create:
    description: Whether to make it where there is none.
    type: bool
    default: false
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
    description: Opens it, makes none. Where restic is not installed yet nothing is asked.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
"""

EXAMPLES = r"""
- name: configure | Find the repository, or make it
  restic_repository:
    repository: s3:https://s3.example.org/backups/restic
    environment:
      RESTIC_PASSWORD: "{{ vault_restic_password }}"
      AWS_ACCESS_KEY_ID: "{{ vault_backup_access_key }}"
      AWS_SECRET_ACCESS_KEY: "{{ vault_backup_secret_key }}"
    create: true
"""

RETURN = r"""
plan:
  description: What was done, or would be.
  returned: success
  type: list
  elements: str
"""

SPEC: dict[str, Any] = {
    "repository": {"type": "str", "required": True},
    "environment": {"type": "dict", "required": True, "no_log": True},
    "create": {"type": "bool", "default": False},
    "program": {"type": "path", "default": "/usr/bin/restic"},
    "within": {"type": "int", "default": 60},
}


def main() -> None:
    """Open it, or make it."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    params = module.params
    env = {name: str(value) for name, value in params["environment"].items()}
    env["RESTIC_REPOSITORY"] = params["repository"]
    repository = params["repository"]
    if module.check_mode and not found(params["program"]):
        module.exit_json(changed=False, plan=["ask the repository once restic is installed"])
    answer = run([params["program"], "cat", "config", "--no-lock", "--quiet"], params["within"], env)
    if answer.rc == 0:
        module.exit_json(changed=False, plan=[])
    if answer.rc != ABSENT or not params["create"]:
        if module.check_mode and answer.rc == ABSENT:
            module.exit_json(changed=False, plan=[f"use the repository at {repository} once it is made"])
        module.fail_json(msg=explain(answer.rc, answer.output, repository))
    if not module.check_mode:
        made = run([params["program"], "init", "--quiet"], params["within"], env)
        if made.rc != 0:
            module.fail_json(msg=explain(made.rc, made.output, repository))
    module.exit_json(changed=True, plan=[f"make the repository at {repository}"])


if __name__ == "__main__":
    main()
