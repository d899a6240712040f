#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until a Patroni cluster is well, by the word of each member."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet.patroni import complaints, lag, leading
from ..module_utils.fleet.ports.rest import ask

DOCUMENTATION = r"""
---
module: patroni_health
short_description: Wait until a Patroni cluster is well, by the word of each member
description:
  - Asks this member who the members are, and each of them how it is. Well means that exactly one member says that it leads,
    that it holds the leader key, and that every other one streams on its timeline with a lag that was measured and is small
    enough.
  - Changes nothing.
author: [Upstairs]
options:
  api:
    description: This member's REST API.
    type: str
    required: true
  members:
    description: The names of all members. One that is missing and one that is unknown are both complaints.
    type: list
    elements: str
    required: true
  max_lag:
    description: Bytes that a replica may be behind.
    type: int
    required: true
  within:
    description: Seconds until it is a failure.
    type: int
    default: 60
attributes:
  check_mode:
    support: full
    description: It only reads.
  diff_mode:
    support: none
    description: It only reads.
"""

EXAMPLES = r"""
- name: Wait until the replicas stream
  patroni_health:
    api: http://10.44.1.11:8008
    members: [alice, nixie]
    max_lag: 16777216
"""

RETURN = r"""
leader:
  description: Who leads.
  returned: success
  type: str
lags:
  description: Bytes that each replica is behind.
  returned: success
  type: dict
"""

SPEC = {
    "api": {"type": "str", "required": True},
    "members": {"type": "list", "elements": "str", "required": True},
    "max_lag": {"type": "int", "required": True},
    "within": {"type": "int", "default": 60},
}

Statuses = dict[str, Mapping[str, Any] | None]


def observe(api: str) -> tuple[Mapping[str, Any] | None, Statuses]:
    """Ask for the members, then the leader first: a replica asked later can only be further than it was then."""
    reply = ask(f"{api}/cluster")
    cluster = reply.json() if reply.ok else None
    members = sorted((cluster or {}).get("members", []), key=lambda member: member.get("role") != "leader")
    return cluster, {member["name"]: ask(member["api_url"]).json() for member in members}


def main() -> None:
    """Ask until nobody has a complaint."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    deadline = time.monotonic() + module.params["within"]
    while True:
        cluster, statuses = observe(module.params["api"])
        wrong = complaints(cluster, statuses, module.params["members"], module.params["max_lag"])
        if not wrong:
            break
        if time.monotonic() > deadline:
            module.fail_json(
                msg=f"The database cluster is not well after {module.params['within']} s: {'; '.join(wrong)}."
            )
        time.sleep(1)
    (leader,) = leading(statuses)
    lags = {n: lag(statuses[leader] or {}, status or {}) for n, status in statuses.items() if n != leader}
    module.exit_json(changed=False, leader=leader, lags=lags)


if __name__ == "__main__":
    main()
