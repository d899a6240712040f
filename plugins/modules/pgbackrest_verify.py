#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have pgBackRest read every object of a backup, and name those that are damaged."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet.ports.commands import run
from ..module_utils.fleet.restore import parse_verify

DOCUMENTATION = r"""
---
module: pgbackrest_verify
short_description: Have pgBackRest read every object of a backup, and name those that are damaged
description:
  - Reads the backup and the WAL from the repositories and compares checksums. What is damaged is named as it is called in the repository.
  - Tells, and does not fail; whoever asks decides.
author: [Upstairs]
options:
  stanza:
    description: The cluster's name in the repositories.
    type: str
    required: true
  set:
    description: The backup by its label.
    type: str
    required: true
  user:
    description: Who may read pgBackRest's configuration.
    type: str
    default: postgres
  within:
    description: Seconds that it may take.
    type: int
    default: 21600
attributes:
  check_mode:
    description: It only reads.
    support: full
  diff_mode:
    description: It only reads.
    support: none
"""

EXAMPLES = r"""
- name: drill | Read every object of the backup
  pgbackrest_verify:
    stanza: upstairs
    set: 20261120-023000F
"""

RETURN = r"""
answers:
  description: One answer in the shape of C(probe)'s.
  returned: always
  type: dict
"""

SPEC: dict[str, Any] = {
    "stanza": {"type": "str", "required": True},
    "set": {"type": "str", "required": True},
    "user": {"type": "str", "default": "postgres"},
    "within": {"type": "int", "default": 21600},
}


def main() -> None:
    """Ask and tell."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    params = module.params
    argv = [
        "runuser",
        "-u",
        params["user"],
        "--",
        "pgbackrest",
        f"--stanza={params['stanza']}",
        f"--set={params['set']}",
    ]
    answer = run([*argv, "--output=text", "--verbose", "--log-level-console=warn", "verify"], params["within"])
    ok, said = parse_verify(answer.rc, answer.output)
    module.exit_json(
        changed=False, answers={"Every object of the backup is whole (pgbackrest verify)": {"ok": ok, "said": said}}
    )


if __name__ == "__main__":
    main()
