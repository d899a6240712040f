#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hand instances of Redis over to another member without losing a write."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet.ports.redis import Connection, Login, RedisError
from ..module_utils.fleet.ports.redis_fleet import Fleet
from ..module_utils.fleet.redis import Copy, Member, complaints, copy_of, parse_info
from ..module_utils.fleet.redis_switch import Instance, Limits, Plan, SwitchFailed, perform, plan, table

DOCUMENTATION = r"""
---
module: redis_switch
short_description: Hand instances of Redis over to another member without losing a write
description:
  - Writes are paused on the master for a bounded time, until the new one has all of them; then Sentinel fails over to it and to nobody
    else, the old master follows, and its clients are sent away. The pause ends by itself, whatever happens to this module.
  - Everything is asked and judged again directly before it begins. Refused is what could lose something.
  - With check mode the plan is returned and nothing happens; refusals are then in the plan and no failure.
author: [Upstairs]
options:
  to:
    description: The member that shall be master.
    type: str
    required: true
  instances:
    description: The instances, in the order in which they are handed over.
    type: list
    elements: dict
    required: true
    options:
      name:
        description: Its name.
        type: str
        required: true
      port:
        description: Its port.
        type: int
        required: true
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
    required: true
  sentinel_password:
    description: Password of the user C(admin) of the Sentinels.
    type: str
    required: true
  redis_password:
    description: Password of the user C(admin) of the instances.
    type: str
    required: true
  max_lag:
    description: Bytes that the target may be behind before it begins.
    type: int
    required: true
  pause_ms:
    description: For how long writes may wait.
    type: int
    required: true
  within:
    description: Seconds until Sentinels, the new master and the old one must agree.
    type: int
    default: 60
attributes:
  check_mode:
    support: full
    description: Returns the plan.
  diff_mode:
    support: none
    description: The plan says it.
"""

EXAMPLES = r"""
- name: Hand over
  redis_switch:
    to: nixie
    instances: [{name: data, port: 6379}]
    members: [{name: alice, address: 10.44.1.11}, {name: nixie, address: 10.44.2.11}]
    sentinels: ["10.44.1.11:26379", "10.44.2.11:26379", "10.44.2.12:26379"]
    sentinel_password: "{{ redis_sentinel_admin_password }}"
    redis_password: "{{ redis_sentinel_redis_admin_password }}"
    max_lag: 1048576
    pause_ms: 10000
"""

RETURN = r"""
plan:
  description: Who is master, how far the others are, what is done and what is refused.
  returned: always
  type: list
  elements: str
refused:
  description: Whether any instance is refused. In check mode that is no failure.
  returned: always
  type: bool
done:
  description: What was done, one sentence for each instance.
  returned: success
  type: list
  elements: str
"""

NAMED = {"name": {"type": "str", "required": True}}
SPEC = {
    "to": {"type": "str", "required": True},
    "instances": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": NAMED | {"port": {"type": "int", "required": True}},
    },
    "members": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": NAMED | {"address": {"type": "str", "required": True}},
    },
    "sentinels": {"type": "list", "elements": "str", "required": True},
    "sentinel_password": {"type": "str", "required": True, "no_log": True},
    "redis_password": {"type": "str", "required": True, "no_log": True},
    "max_lag": {"type": "int", "required": True},
    "pause_ms": {"type": "int", "required": True},
    "within": {"type": "int", "default": 60},
}


class Wire:
    """The hands of a switch: open connections, so that no time is lost with greetings while writes wait."""

    def __init__(self, fleet: Fleet, instance: Instance, password: str) -> None:
        """Remember whom to ask."""
        login = Login(password, "admin")
        self.redis_of = {m.name: Connection(m.address, instance.port, login) for m in instance.members}
        self.sentinel_of = {name: fleet.sentinel(name) for name in instance.opinions}
        self.undone: list[str] = []

    def redis(self, member: str, *words: object) -> Any:
        """Ask a member."""
        return self.redis_of[member].ask(*words)

    def sentinel(self, name: str, *words: object) -> Any:
        """Ask a Sentinel."""
        return self.sentinel_of[name].ask("SENTINEL", *words)

    def copy(self, member: str) -> Copy | None:
        """Return a member's own word, or None."""
        try:
            return copy_of(parse_info(self.redis(member, "INFO", "replication")))
        except (OSError, RedisError):
            return None

    def says(self, name: str, instance: str) -> str | None:
        """Return who is master by a Sentinel's word, or None."""
        try:
            said = self.sentinel(name, "GET-MASTER-ADDR-BY-NAME", instance)
        except (OSError, RedisError):
            return None
        return ":".join(said) if said else None

    def undo(self, member: str, *words: object) -> None:
        """Ask a member, and remember if it did not take it."""
        try:
            self.redis(member, *words)
        except (OSError, RedisError) as error:
            self.undone.append(f"{member} did not take {' '.join(map(str, words))}: {error}")

    def now(self) -> float:
        """Return seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


def observe(fleet: Fleet, name: str, port: int, password: str) -> Instance:
    """Ask everybody about one instance."""
    copies = fleet.copies(port, password, "admin")
    majority = len(fleet.sentinels) // 2 + 1
    return Instance(name, port, tuple(fleet.members), copies, fleet.opinions(name), majority)


def judge(fleet: Fleet, params: Mapping[str, Any], limits: Limits) -> list[Plan]:
    """Plan all instances: one that is refused stops the others too."""
    found = [observe(fleet, one["name"], one["port"], params["redis_password"]) for one in params["instances"]]
    return [plan(instance, params["to"], limits) for instance in found]


def hand_over(module: AnsibleModule, fleet: Fleet, one: Plan, limits: Limits) -> str:
    """Hand one instance over and wait until all agree; return what was done."""
    name, port = one.instance.name, one.instance.port
    wire = Wire(fleet, one.instance, module.params["redis_password"])
    try:
        waited = perform(one, wire, limits)
    except (SwitchFailed, RedisError, OSError) as error:
        module.fail_json(msg=f"{name}: {error} {'; '.join(wire.undone)}".strip(), plan=table([one]), refused=False)
    for told in wire.undone:
        module.warn(f"{name}: {told}")
    deadline = time.monotonic() + limits.within
    wrong = ["nobody was asked"]
    while wrong:
        seen = observe(fleet, name, port, module.params["redis_password"])
        silent = {member for member, copy in one.instance.copies.items() if copy is None}
        present = [member for member in fleet.members if member.name not in silent]
        answering = {key: said for key, said in seen.opinions.items() if one.instance.opinions[key]}
        wrong = complaints(present, port, {m.name: seen.copies[m.name] for m in present}, answering, limits.max_lag)
        wrong = [what for what in wrong if "other Sentinels" not in what]
        if wrong and time.monotonic() > deadline:
            module.fail_json(
                msg=f"{name}: handed over to {one.target}, but: {'; '.join(wrong)}.", plan=table([one]), refused=False
            )
        time.sleep(0.25 if wrong else 0)
    return f"{name}: {one.target} is master, {one.master} follows it; writes waited for {waited} ms"


def main() -> None:
    """Plan, refuse, hand over."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    params = module.params
    limits = Limits(params["max_lag"], params["pause_ms"], params["within"])
    fleet = Fleet([Member(**m) for m in params["members"]], params["sentinels"], params["sentinel_password"], "admin")
    plans = judge(fleet, params, limits)
    refused = [f"{one.instance.name}: {why}" for one in plans for why in one.refusals]
    result: dict[str, Any] = {"plan": table(plans), "refused": bool(refused)}
    due: Sequence[Plan] = [one for one in plans if one.changes]
    if module.check_mode:
        module.exit_json(changed=bool(due), done=[], **result)
    if refused:
        module.fail_json(msg=f"Refused, nothing was done: {'; '.join(refused)}.", **result)
    done = [hand_over(module, fleet, one, limits) for one in due]
    module.exit_json(changed=bool(due), done=done, **result)


if __name__ == "__main__":
    main()
