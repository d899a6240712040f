#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: who may log in."""

from __future__ import annotations

import grp
import os
import pwd
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet.administrators import Account, Observed, Wanted, plan, veto

DOCUMENTATION = r"""
module: administrators
short_description: Open the accounts of administrators and close all others of their group
description:
  - Makes the members of a group exactly the accounts that are given. Missing accounts are made, without a password.
  - Whoever was a member and is not given any more is closed (the account expires) and the sessions are ended.
    Home directories stay.
  - Refuses to touch accounts of the system, and refuses where the connection through which it is asked comes from
    a network that would not be let in again.
  - Keys and the SSH server's rules are files, and written by others.
options:
  group:
    description: The group. It is made where it is missing.
    type: str
    required: true
  present:
    description: Accounts that are to get in.
    type: list
    elements: str
    required: true
  absent:
    description: Accounts that are closed even if they never were members.
    type: list
    elements: str
    default: []
  ssh_from:
    description: Networks from which SSH will be allowed, or V(anywhere).
    type: list
    elements: str
    required: true
attributes:
  check_mode:
    support: full
    description: Says what it would do.
  diff_mode:
    support: full
    description: Shows the plan.
author: Upstairs contributors
"""

EXAMPLES = r"""
- name: Let two people in and nobody else
  administrators:
    group: administrators
    present: [alex, kris]
    ssh_from: [192.0.2.0/24]
"""

RETURN = r"""
plan:
  description: What is changed, a sentence for each change.
  type: list
  elements: str
  returned: always
"""

SPEC = {
    "group": {"type": "str", "required": True},
    "present": {"type": "list", "elements": "str", "required": True},
    "absent": {"type": "list", "elements": "str", "default": []},
    "ssh_from": {"type": "list", "elements": "str", "required": True},
}


def closed_accounts(shadow: str, today: int) -> set[str]:
    """Return the accounts that have expired, from the text of /etc/shadow."""
    rows = [line.split(":") for line in shadow.splitlines()]
    return {row[0] for row in rows if len(row) > 7 and row[7] and int(row[7]) <= today}


def comes_from(process: int, proc: Path = Path("/proc")) -> str | None:
    """Return the address at the other end of the SSH session that this process is in, or None.

    sudo forgets SSH_CONNECTION, so the processes above are asked.
    """
    while process > 1:
        try:
            environment = (proc / str(process) / "environ").read_bytes().split(b"\0")
            status = (proc / str(process) / "stat").read_text()
        except OSError:
            return None
        for variable in environment:
            if variable.startswith(b"SSH_CONNECTION="):
                return variable.partition(b"=")[2].split()[0].decode()
        # The name in parentheses may hold anything; the parent is the second field after it.
        process = int(status.rpartition(")")[2].split()[1])
    return None


def observe(group: str) -> Observed:
    """Return what this host has."""
    closed = closed_accounts(Path("/etc/shadow").read_text(), int(time.time() // 86400))
    groups = {entry.gr_name: entry for entry in grp.getgrall()}
    return Observed(
        accounts={entry.pw_name: Account(entry.pw_uid, entry.pw_name in closed) for entry in pwd.getpwall()},
        group_exists=group in groups,
        members=frozenset(groups[group].gr_mem if group in groups else ()),
        comes_from=comes_from(os.getpid()),
    )


def main() -> None:
    """Observe, plan, apply."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    wanted = Wanted(**module.params)
    seen = observe(wanted.group)
    if refusal := veto(seen, wanted):
        module.fail_json(msg=f"{refusal}.", plan=[])
    changes = plan(seen, wanted)
    says = [change.says for change in changes]
    for change in changes if not module.check_mode else []:
        code, out, err = module.run_command(list(change.command))
        if code not in change.good:
            module.fail_json(msg=f"Could not {change.says}: {(err or out).strip()}", plan=says)
    diff = {"before": "", "after": "".join(f"{sentence}\n" for sentence in says)}
    module.exit_json(changed=bool(changes), plan=says, diff=diff if changes else {})


if __name__ == "__main__":
    main()
