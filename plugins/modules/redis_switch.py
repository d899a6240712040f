#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hand instances of Redis over to another member without losing a write."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet.ports.redis import Connection, Login, RedisError
from ..module_utils.fleet.ports.redis_fleet import Fleet
from ..module_utils.fleet.ports.signals import unstoppable
from ..module_utils.fleet.redis import Copy, Member, complaints, copy_of, parse_info
from ..module_utils.fleet.redis_switch import (
    Instance,
    Limits,
    Plan,
    Refused,
    SwitchFailed,
    perform,
    plan,
    set_right,
    table,
)

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
      min_replicas_to_write:
        description: What it shall have afterwards, whatever it has now.
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
      replica_priority:
        description: What it shall have afterwards, whatever it has now.
        type: int
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
    description: For how long writes may wait, and once again half of that. At the end of it the pause is over by itself.
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
    instances: [{name: data, port: 6379, min_replicas_to_write: 1}]
    members:
      - {name: alice, address: 10.44.1.11, replica_priority: 100}
      - {name: nixie, address: 10.44.2.11, replica_priority: 100}
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
refusals:
  description: Why.
  returned: always
  type: list
  elements: str
known:
  description: Whether it is known who is master. If not, somebody must look before anything else is done.
  returned: always
  type: bool
done:
  description: What was done, and what an earlier switch had left.
  returned: success
  type: list
  elements: str
"""

# Two runs on one host must not both act; the fleet's lock can be broken by hand.
BUSY = Path("/run/upstairs-redis-switch.lock")
# Seconds: an answer that comes later than this could come after the end of the pause.
PROMPTLY = 0.5

NAMED = {"name": {"type": "str", "required": True}}
SPEC = {
    "to": {"type": "str", "required": True},
    "instances": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": NAMED
        | {"port": {"type": "int", "required": True}, "min_replicas_to_write": {"type": "int", "required": True}},
    },
    "members": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": NAMED
        | {"address": {"type": "str", "required": True}, "replica_priority": {"type": "int", "required": True}},
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
        self.redis_of = {m.name: Connection(m.address, instance.port, login, PROMPTLY) for m in instance.members}
        self.sentinel_of = {name: fleet.sentinel(name, PROMPTLY) for name in instance.opinions}
        self.undone: list[str] = []

    def redis(self, member: str, *words: object) -> Any:
        """Ask a member."""
        try:
            return self.redis_of[member].ask(*words)
        except RedisError as error:
            raise Refused(str(error)) from error

    def sentinel(self, name: str, *words: object) -> Any:
        """Ask a Sentinel."""
        try:
            return self.sentinel_of[name].ask("SENTINEL", *words)
        except RedisError as error:
            raise Refused(str(error)) from error

    def copy(self, member: str) -> Copy | None:
        """Return a member's own word, or None."""
        try:
            return copy_of(parse_info(self.redis(member, "INFO", "replication")))
        except (OSError, Refused):
            return None

    def says(self, name: str, instance: str) -> str | None:
        """Return who is master by a Sentinel's word, or None."""
        try:
            said = self.sentinel(name, "GET-MASTER-ADDR-BY-NAME", instance)
        except (OSError, Refused):
            return None
        return ":".join(said) if said else None

    def undo(self, member: str, *words: object) -> None:
        """Ask a member, once more where it is late, and remember if it did not take it."""
        try:
            try:
                self.redis(member, *words)
            except TimeoutError:
                self.redis(member, *words)
        except (OSError, Refused) as error:
            self.undone.append(f"{member} did not take {' '.join(map(str, words))}: {error}")

    def now(self) -> float:
        """Return seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


def observe(fleet: Fleet, one: Mapping[str, Any], password: str) -> Instance:
    """Ask everybody about one instance."""
    name, port = one["name"], one["port"]
    copies = fleet.copies(port, password, "admin")
    majority = len(fleet.sentinels) // 2 + 1
    return Instance(
        name, port, tuple(fleet.members), copies, fleet.opinions(name), majority, one["min_replicas_to_write"]
    )


def judge(fleet: Fleet, params: Mapping[str, Any], limits: Limits) -> list[Plan]:
    """Plan all instances: one that is refused stops the others too."""
    found = [observe(fleet, one, params["redis_password"]) for one in params["instances"]]
    return [plan(instance, params["to"], limits) for instance in found]


def hand_over(module: AnsibleModule, fleet: Fleet, one: Plan, limits: Limits) -> list[str]:
    """Set right what is left of an earlier switch, hand one instance over, wait until all agree; return what was done."""
    name = one.instance.name
    wire = Wire(fleet, one.instance, module.params["redis_password"])
    try:
        if not one.changes:
            return [f"{name}: {what}" for what in set_right(one.instance, wire)]
        waited = perform(one, wire, limits)
    except (SwitchFailed, Refused, OSError) as error:
        known = error.known if isinstance(error, SwitchFailed) else True
        msg = f"{name}: {error} {'; '.join(wire.undone)}".strip()
        module.fail_json(msg=msg, plan=table([one]), refused=False, refusals=[], known=known)
    for told in wire.undone:
        module.warn(f"{name}: {told}")
    settle(module, fleet, one, limits)
    return [f"{name}: {one.target} is master, {one.master} follows it; writes waited for {waited} ms"]


def settle(module: AnsibleModule, fleet: Fleet, one: Plan, limits: Limits) -> None:
    """Wait until all who were there agree."""
    name, port = one.instance.name, one.instance.port
    wanted = {"name": name, "port": port, "min_replicas_to_write": one.instance.min_replicas}
    deadline = time.monotonic() + limits.within
    while True:
        seen = observe(fleet, wanted, module.params["redis_password"])
        present = [member for member in fleet.members if one.instance.copies[member.name] is not None]
        answering = {key: said for key, said in seen.opinions.items() if one.instance.opinions[key]}
        wrong = complaints(present, port, {m.name: seen.copies[m.name] for m in present}, answering, limits.max_lag)
        wrong = [what for what in wrong if "other Sentinels" not in what]
        if not wrong:
            return
        if time.monotonic() > deadline:
            msg = f"{name}: handed over to {one.target}, but: {'; '.join(wrong)}."
            module.fail_json(msg=msg, plan=table([one]), refused=False, refusals=[], known=True)
        time.sleep(0.25)


def act(module: AnsibleModule, fleet: Fleet, plans: Sequence[Plan], limits: Limits) -> list[str]:
    """Do it, alone on this host. From here on only a SIGKILL stops it half way."""
    with unstoppable(), BUSY.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            msg = "Another switch still acts on this host: wait for its end. Nothing was done."
            # Not known, so that the fleet's lock is kept for the one that acts.
            module.fail_json(msg=msg, plan=table(plans), refused=False, refusals=[], known=False)
        return [what for one in plans for what in hand_over(module, fleet, one, limits)]


def main() -> None:
    """Plan, refuse, hand over."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    params = module.params
    limits = Limits(params["max_lag"], params["pause_ms"], params["within"])
    members = [Member(one["name"], one["address"], one["replica_priority"]) for one in params["members"]]
    fleet = Fleet(members, params["sentinels"], params["sentinel_password"], "admin")
    plans = judge(fleet, params, limits)
    refusals = [f"{one.instance.name}: {why}" for one in plans for why in one.refusals]
    result: dict[str, Any] = {"plan": table(plans), "refused": bool(refusals), "refusals": refusals, "known": True}
    if module.check_mode:
        module.exit_json(changed=any(one.changes for one in plans), done=[], **result)
    if refusals:
        module.fail_json(msg=f"Refused, nothing was done: {'; '.join(refusals)}.", **result)
    done = act(module, fleet, plans, limits)
    module.exit_json(changed=bool(done), done=done, **result)


if __name__ == "__main__":
    main()
