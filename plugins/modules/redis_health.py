#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until every instance of Redis is well, by the word of each copy and of each Sentinel."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet.ports.redis_fleet import Fleet
from ..module_utils.fleet.redis import Copies, Member, careless, complaints, lag, masters, may_leave

DOCUMENTATION = r"""
---
module: redis_health
short_description: Wait until every instance of Redis is well, by the word of each copy and of each Sentinel
description:
  - Well means that exactly one copy says that it is master, that every Sentinel says the same and could fail over, and that each
    other copy follows it with a link that is up and a lag that was measured and is small enough.
  - With O(leaving) it judges instead whether a member may be taken out of service, counting those that are out already.
  - Changes nothing.
author: [Upstairs]
options:
  instances:
    description: The instances.
    type: list
    elements: dict
    required: true
    options:
      name:
        description: Its name, for the Sentinels too.
        type: str
        required: true
      port:
        description: Its port.
        type: int
        required: true
      password:
        description: Password of the user C(default).
        type: str
        required: true
      min_replicas:
        description: Its min-replicas-to-write, which every copy must have set. So many replicas must be left when a member leaves.
        type: int
        default: 0
      disk_mib:
        description: What its append-only file may hold, in MiB; 0 is no limit.
        type: int
        default: 0
  members:
    description: Who holds a copy.
    type: list
    elements: dict
    required: true
    options:
      name:
        description: The inventory's name.
        type: str
        required: true
      address:
        description: Its address.
        type: str
        required: true
  sentinels:
    description: The Sentinels, as address:port.
    type: list
    elements: str
    default: []
  sentinel_password:
    description: Password of the Sentinels' user C(default).
    type: str
    default: ""
  me:
    description: The member on which this runs.
    type: str
    required: true
  priority:
    description: The priority that this member shall have as a replica.
    type: int
    default: 100
  leaving:
    description: The member that wants to leave.
    type: str
    default: ""
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
- name: Wait until the replicas follow
  redis_health:
    instances: [{name: data, port: 6379, password: "{{ redis_data_password }}"}]
    members: [{name: alice, address: 10.44.1.11}, {name: nixie, address: 10.44.2.11}]
    sentinels: ["10.44.1.11:26379"]
    sentinel_password: "{{ redis_sentinel_client_password }}"
    me: alice
    max_lag: 1048576
"""

RETURN = r"""
masters:
  description: Who is master of each instance.
  returned: success
  type: dict
lags:
  description: Bytes that each replica of each instance is behind.
  returned: success
  type: dict
"""

MEMBER = {"name": {"type": "str", "required": True}, "address": {"type": "str", "required": True}}
INSTANCE = {
    "name": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "password": {"type": "str", "required": True, "no_log": True},
    "min_replicas": {"type": "int", "default": 0},
    "disk_mib": {"type": "int", "default": 0},
}
SPEC = {
    "instances": {"type": "list", "elements": "dict", "required": True, "options": INSTANCE},
    "members": {"type": "list", "elements": "dict", "required": True, "options": MEMBER},
    "sentinels": {"type": "list", "elements": "str", "default": []},
    "sentinel_password": {"type": "str", "default": "", "no_log": True},
    "me": {"type": "str", "required": True},
    "priority": {"type": "int", "default": 100},
    "leaving": {"type": "str", "default": ""},
    "max_lag": {"type": "int", "required": True},
    "within": {"type": "int", "default": 60},
}


def judge(instance: Mapping[str, Any], copies: Copies, fleet: Fleet, params: Mapping[str, Any]) -> list[str]:
    """Tell what is wrong with one instance."""
    if params["leaving"]:
        return may_leave(
            params["leaving"], fleet.members, instance["port"], copies, instance["min_replicas"], params["max_lag"]
        )
    opinions = fleet.opinions(instance["name"])
    found = complaints(fleet.members, instance["port"], copies, opinions, params["max_lag"])
    found += careless(fleet.members, copies, instance["min_replicas"])
    mine = copies.get(params["me"])
    if mine and mine.role != "master" and mine.priority != params["priority"]:
        found.append(
            f"{params['me']} has priority {'?' if mine.priority is None else mine.priority} and shall have {params['priority']}: restart it"
        )
    if mine and instance["disk_mib"] and mine.disk_bytes is None:
        found.append(f"the size of the append-only file of {params['me']} was not measured")
    elif mine and instance["disk_mib"] and (mine.disk_bytes or 0) > instance["disk_mib"] * 1024**2:
        size = (mine.disk_bytes or 0) // 1024**2
        found.append(f"the append-only file of {params['me']} has {size} MiB, {instance['disk_mib']} are reckoned with")
    return found


def main() -> None:
    """Ask until nobody has a complaint; whether somebody may leave is asked once."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    params = module.params
    fleet = Fleet([Member(**member) for member in params["members"]], params["sentinels"], params["sentinel_password"])
    deadline = time.monotonic() + (0 if params["leaving"] else params["within"])
    while True:
        copies = {one["name"]: fleet.copies(one["port"], one["password"]) for one in params["instances"]}
        wrong = [
            f"{i['name']}: {what}" for i in params["instances"] for what in judge(i, copies[i["name"]], fleet, params)
        ]
        if not wrong:
            break
        if time.monotonic() > deadline:
            what = f"{params['leaving']} may not leave" if params["leaving"] else "Redis is not well"
            module.fail_json(msg=f"{what}: {'; '.join(wrong)}.")
        time.sleep(0.5)
    leads = {name: masters(known)[0] for name, known in copies.items()}
    module.exit_json(
        changed=False, masters=leads, lags={name: lags(leads[name], known) for name, known in copies.items()}
    )


def lags(master: str, copies: Copies) -> dict[str, int | None]:
    """Return how many bytes each replica is behind."""
    leader = copies[master]
    return {name: lag(leader, copy) for name, copy in copies.items() if leader and copy and name != master}


if __name__ == "__main__":
    main()
