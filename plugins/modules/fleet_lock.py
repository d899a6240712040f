#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""One operation on the fleet at a time: a lock in etcd, or on a witness."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet.lock import Plan, Refusal, Run, Seen, break_open, claim_of, free, hold, read, release
from ..module_utils.fleet.ports.store import Misplaced, store
from ..module_utils.fleet.store import OPTIONS, Store, Unanswered, Unclear

DOCUMENTATION = r"""
---
module: fleet_lock
short_description: One operation on the fleet at a time
description:
  - Holds a record in etcd or on a witness, by compare-and-swap, while an operation that can hurt is under way. A second one is
    refused, and told who does what since when and how to break the lock.
  - The lock never expires. A run that died is continued by the same person's next run of the same operation on the same
    machine, which can see that the process is gone; everything else needs a person and O(state=broken).
  - Its action plugin tells the module which run this is (O(run)) and which process is gone (O(dead)).
author: [Upstairs]
extends_documentation_fragment: [fleet_store]
options:
  state:
    description:
      - Hold the lock, release what this run holds, remove a lock by its id, or only read.
      - C(free) fails while another run holds it. Where nobody can be asked it goes on and says so, for what founds or repairs etcd.
    type: str
    choices: [held, released, broken, read, free]
    required: true
  operation:
    description: What is being done. Required to hold the lock.
    type: str
  reason:
    description: Why, for whoever is refused meanwhile.
    type: str
    default: ""
  lock_id:
    description: The lock to break.
    type: str
  key:
    description: Where the record lies.
    type: str
    default: /upstairs/lock
  run:
    description: Which run this is. Set by the action plugin.
    type: dict
  dead:
    description: The lock whose process is gone. Set by the action plugin.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: Reads, and refuses what would be refused.
  diff_mode:
    support: none
    description: There is no file content to show.
"""

EXAMPLES = r"""
- name: Hold the fleet's lock
  fleet_lock:
    endpoints: ["10.44.1.11:2379", "10.44.2.11:2379"]
    state: held
    operation: switch-primary
    reason: a new disk for alice

- name: Hold it where there is no etcd
  fleet_lock:
    directory: /var/lib/upstairs
    state: held
    operation: update-kernels
  delegate_to: alice
"""

RETURN = r"""
plan:
  description: What was done, or would be.
  returned: success
  type: str
held:
  description: Whether somebody holds the lock now, or the reason of the failure is that somebody does.
  returned: always
  type: bool
holder:
  description: The record that was found, empty if there was none or it cannot be read.
  returned: always
  type: dict
lock_id:
  description: What names the lock that was found.
  returned: always
  type: str
known:
  description: Whether anybody could be asked.
  returned: always
  type: bool
"""

SPEC = {
    **OPTIONS,
    "state": {"type": "str", "choices": ["held", "released", "broken", "read", "free"], "required": True},
    "operation": {"type": "str"},
    "reason": {"type": "str", "default": ""},
    "lock_id": {"type": "str"},
    "key": {"type": "str", "default": "/upstairs/lock", "no_log": False},
    "run": {"type": "dict"},
    "dead": {"type": "str", "default": ""},
}
# How often others may be quicker before it is a fault.
ATTEMPTS = 5


def decide(params: dict[str, Any], seen: Seen) -> Plan | Refusal:
    """Say what to do about what lies there."""
    state = params["state"]
    if state == "held":
        since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        return hold(seen, claim_of(params["run"], params["operation"], params["reason"], since), params["dead"])
    if state == "released":
        return release(seen, Run(**params["run"]))
    if state == "free":
        return free(seen, Run(**params["run"]))
    if state == "broken":
        return break_open(seen, params["lock_id"])
    return Plan(seen.describe())


def attempt(module: AnsibleModule, place: Store) -> tuple[Seen, Plan | Refusal] | None:
    """Look, decide and act; None if somebody was quicker."""
    params = module.params
    record = place.read(params["key"])
    seen = read(record.text, record.revision)
    plan = decide(params, seen)
    if isinstance(plan, Plan) and plan.changes and not module.check_mode:
        text = plan.store.text() if plan.store else None
        try:
            done = place.swap(params["key"], seen.revision, text)
        except Unclear:
            done = False
        if not done:
            return None
    return seen, plan


def finish(module: AnsibleModule, seen: Seen, plan: Plan | Refusal) -> None:
    """Say what was found and done."""
    found = {
        "holder": seen.claim.__dict__ | {"run": seen.claim.run.__dict__} if seen.claim else {},
        "lock_id": seen.id,
        "known": True,
    }
    if isinstance(plan, Refusal):
        module.fail_json(msg=plan.why, held=plan.held, **found)
    else:
        held = plan.store is not None or bool(seen.revision and not plan.remove)
        module.exit_json(changed=plan.changes, plan=plan.said, held=held, **found)


def main() -> None:
    """Find the place, or say that there is none."""
    needs = [
        ("state", "held", ["run", "operation"]),
        ("state", "released", ["run"]),
        ("state", "free", ["run"]),
        ("state", "broken", ["lock_id"]),
    ]
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True, required_if=needs)
    try:
        take(module, store(module.params))
    except Misplaced as fault:
        module.fail_json(msg=str(fault), held=False, known=False)


def take(module: AnsibleModule, place: Store) -> None:
    """Look and act until nobody is quicker."""
    try:
        for _ in range(ATTEMPTS):
            done = attempt(module, place)
            if done is not None:
                finish(module, *done)
        module.fail_json(
            msg=f"Others changed the fleet's lock {ATTEMPTS} times meanwhile: try again.", held=True, known=True
        )
    except Unanswered as silence:
        if module.params["state"] == "free":
            plan = f"{place.silence}, so that nobody knows whether an operation is under way; this goes on. {silence}"
            module.exit_json(changed=False, plan=plan, held=False, holder={}, lock_id="", known=False)
        module.fail_json(
            msg=f"The fleet's lock cannot be asked for: {place.silence}, and nothing is begun without it. "
            f"{silence}. {place.remedy}",
            held=False,
            known=False,
        )


if __name__ == "__main__":
    main()
