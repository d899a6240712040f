#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""What operations remember between their runs: records in etcd, or on a witness."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet.ledger import Entry, Mistake, Plan, key, prefix, put, read, remove, text_of
from ..module_utils.fleet.ports.store import Misplaced, store
from ..module_utils.fleet.store import OPTIONS, Store, Unanswered

DOCUMENTATION = r"""
---
module: fleet_ledger
short_description: What operations remember between their runs
description:
  - Reads, stores and removes records in etcd or on a witness, by compare-and-swap. An operation that may be killed writes down what it
    is about to do before it does it, and its next run goes on from there, on whatever controller.
  - Nothing is overwritten that its writer did not see. A write whose answer was lost is looked at again and not repeated blindly.
  - It excludes nobody. That is what M(fleet_lock) is for.
extends_documentation_fragment: [fleet_store]
options:
  state:
    description: Read one record, store O(value), remove it, or list the records of an operation.
    type: str
    choices: [read, stored, removed, listed]
    required: true
  name:
    description: An operation and its subject, such as V(dns_split/media). To list, an operation, or nothing for all.
    type: str
    default: ""
  value:
    description: What to store. It holds no secrets; whoever may ask etcd, or is root on the witness, reads it.
    type: dict
  revision:
    description: The revision that was seen, V(0) for no record.
    type: int
attributes:
  check_mode:
    support: full
    description: Reads, and refuses what would be refused.
  diff_mode:
    support: full
    description: Shows the record before and after.
"""

EXAMPLES = r"""
- name: See what is under way
  fleet_ledger:
    endpoints: "{{ etcd_endpoints }}"
    directory: "{{ lock_directory }}"
    state: listed
  delegate_to: "{{ lock_keeper }}"
  run_once: true

- name: Remove the record of a move that a person has looked at
  fleet_ledger:
    endpoints: "{{ etcd_endpoints }}"
    directory: "{{ lock_directory }}"
    state: removed
    name: dns_split/media
    revision: 4711
  delegate_to: "{{ lock_keeper }}"
  run_once: true
"""

RETURN = r"""
value:
  description: The record that is there now, empty without one.
  returned: when one record was asked for
  type: dict
revision:
  description: Its revision, 0 without one.
  returned: when one record was asked for
  type: int
readable:
  description: Whether the record can be believed. One that is no JSON object cannot, and is not nothing.
  returned: when one record was asked for
  type: bool
records:
  description: The records by name, each with value and revision.
  returned: when they were listed
  type: dict
plan:
  description: What was done, or would be.
  returned: always
  type: str
raced:
  description: Whether the reason of a failure is that somebody else changed the record.
  returned: failure
  type: bool
"""

SPEC: dict[str, Any] = {
    **OPTIONS,
    "state": {"type": "str", "choices": ["read", "stored", "removed", "listed"], "required": True},
    "name": {"type": "str", "default": ""},
    "value": {"type": "dict"},
    "revision": {"type": "int"},
}


def look(params: dict[str, Any], place: Store) -> Entry:
    """Read the record."""
    found = place.read(key(params["name"]))
    return read(params["name"], found.text, found.revision)


def decide(params: dict[str, Any], seen: Entry) -> Plan:
    """Say what to do about what lies there."""
    if params["state"] == "stored":
        return put(seen, params["value"], params["revision"])
    if params["state"] == "removed":
        return remove(seen, params["revision"])
    return Plan(f"revision {seen.revision}" if seen.revision else "no record")


def apply(params: dict[str, Any], place: Store, plan: Plan, seen: Entry) -> Entry:
    """Write, and believe what is read back: the answer to a write that was made can be lost."""
    lost = ""
    try:
        done = place.swap(key(params["name"]), seen.revision, plan.text)
    except Unanswered as silence:
        done, lost = False, str(silence)
    now = look(params, place)
    as_wanted = (now.value is not None and text_of(now.value) == plan.text) if plan.text else not now.revision
    if as_wanted and (done or lost):
        return now
    if lost and now.revision == seen.revision:
        raise Unanswered(lost)
    raise Mistake(f"Somebody else changed {params['name']} meanwhile: it has revision {now.revision}. Read it again.")


def entries(params: dict[str, Any], place: Store) -> dict[str, Any]:
    """Return all records of an operation."""
    start = prefix("")
    found = place.read_all(prefix(params["name"]))
    seen = [read(where.removeprefix(start), record.text, record.revision) for where, record in sorted(found.items())]
    return {
        one.name: {"value": dict(one.value or {}), "revision": one.revision, "readable": one.readable} for one in seen
    }


def work(module: AnsibleModule, place: Store) -> None:
    """Look, decide, act, tell."""
    params = module.params
    if params["state"] == "listed":
        records = entries(params, place)
        module.exit_json(changed=False, records=records, plan=f"{len(records)} records")
    seen = look(params, place)
    plan = decide(params, seen)
    now = apply(params, place, plan, seen) if plan.changes and not module.check_mode else seen
    before, after = (text_of(one.value or {}) + "\n" if one.revision else "" for one in (seen, now))
    module.exit_json(
        changed=plan.changes,
        plan=plan.said,
        value=dict(now.value or {}),
        revision=now.revision,
        readable=now.readable,
        diff={"before_header": params["name"], "after_header": params["name"], "before": before, "after": after},
    )


def main() -> None:
    """Do it, or say why not."""
    needs = [
        ("state", "stored", ["value", "revision"]),
        ("state", "removed", ["revision"]),
    ]
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True, required_if=needs)
    try:
        place = store(module.params)
    except Misplaced as fault:
        module.fail_json(msg=str(fault), raced=False)
    try:
        work(module, place)
    except Mistake as mistake:
        module.fail_json(msg=str(mistake), raced=True)
    except Unanswered as silence:
        module.fail_json(msg=f"The ledger cannot be asked: {place.silence}. {silence}. {place.remedy}", raced=False)


if __name__ == "__main__":
    main()
