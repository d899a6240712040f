#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the hosts of a roll in their order, and tell what speaks against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet.rollout import DUE, Host, Kernel, Record, Row, Rules, admission, make_plan
from ..module_utils.fleet.rollout_window import parse
from ..module_utils.fleet.rollout_words import narrate, report, stopped

DOCUMENTATION = r"""
---
module: rollout_plan
short_description: Put the hosts of a roll in their order, and tell what speaks against it
description:
  - Thinks, and asks nobody. It is given what was seen of every host just now; a host of which nothing was seen is out.
  - The order is what was begun, the canary, then from the visitors inwards, and whoever leads a role after all others.
  - Refused is whatever would take the last healthy member of a role or a site, more than may be out at once (whoever is out already
    counts, for whatever reason), a majority, and whatever begins before what was begun is ended.
  - Changes nothing.
author: [Upstairs]
options:
  state:
    description:
      - C(planned) returns the order of all, with its table and its refusals.
      - C(admitted) returns what speaks against O(turn) now, C(ready) what speaks against its reboot.
      - C(ended) returns all that a person needs, when O(turn) did not come to its end.
      - C(reported) says how it went.
    type: str
    choices: [planned, admitted, ready, ended, reported]
    default: planned
  hosts:
    description: What was seen of each host.
    type: list
    elements: dict
    required: true
    options:
      name:
        description: The inventory's name.
        type: str
        required: true
      site:
        description: Where it stands.
        type: str
        default: ""
      roles:
        description: The roles that it serves with.
        type: list
        elements: str
        default: []
      kernel:
        description: What kernel_info returned of it; nothing if it was not asked.
        type: dict
        default: {}
      out:
        description: Why it is out as a whole, or why nothing is known of it.
        type: str
        default: ""
      sick:
        description: For each role that is not healthy, why.
        type: dict
        default: {}
      left:
        description: For each role that was taken out of service, how that is known.
        type: dict
        default: {}
      leads:
        description: The roles that it leads.
        type: list
        elements: str
        default: []
  records:
    description: The ledger's records of this roll by host, as fleet_ledger lists them.
    type: dict
    default: {}
  order:
    description: Roles, from the visitors inwards.
    type: list
    elements: str
    default: []
  max_out:
    description: How many may be out at once, the one under way included, by role and by site; C(others) for those not named.
    type: dict
    default: {}
  majority:
    description: Roles that decide by majority.
    type: list
    elements: str
    default: []
  alone:
    description: Roles, and sites, whose only member may be away while it boots.
    type: list
    elements: str
    default: []
  denied:
    description: Versions of kernel packages that must not be booted.
    type: list
    elements: str
    default: []
  go_back:
    description: The host that goes back to the kernel that it had.
    type: str
    default: ""
  give_up:
    description: The host whose record is dropped. Then nothing else is planned.
    type: str
    default: ""
  only:
    description: The hosts that are meant; nothing means all.
    type: list
    elements: str
    default: []
  canary:
    description: The host that goes first.
    type: str
    default: ""
  waves:
    description: How many hosts are in each wave; all that are left are in the last.
    type: list
    elements: int
    default: []
  window:
    description: When hosts are begun with, in UTC, such as V(Mon-Thu 01:00-05:00).
    type: list
    elements: str
    default: []
  controller:
    description: The host that runs the roll, if it is one of them.
    type: str
    default: ""
  force:
    description: Whether a host may be booted again for the same kernel.
    type: bool
    default: false
  notes:
    description: What else the plan shall say.
    type: list
    elements: str
    default: []
  turn:
    description: The host whose turn it is.
    type: str
    default: ""
  turns:
    description: The hosts whose turns come in this run, as the plan returned them.
    type: list
    elements: str
    default: []
  command:
    description: What the operator typed, for the message of a roll that stopped.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: It only thinks.
  diff_mode:
    support: full
    description: The running kernels before and after.
"""

EXAMPLES = r"""
- name: Plan
  rollout_plan:
    hosts:
      - {name: esme, site: cloud, roles: [edge], kernel: {state: pending, running: {release: 6.12.94}, target: {release: 6.12.107}}}
      - {name: slappy, site: cloud, roles: [edge], kernel: {state: current, running: {release: 6.12.107}}}
    order: [edge, web]
"""

RETURN = r"""
turn:
  description: The host that was judged.
  returned: when one was
  type: str
begun:
  description: Whether something was begun with that host, or may be from now on.
  returned: when one was judged
  type: bool
done:
  description: That host, if it came to its end.
  returned: when its end was asked for
  type: str
untouched:
  description: Whether its turn failed before anything was changed.
  returned: when its end was asked for
  type: bool
plan:
  description: The table, the notes, and what speaks against it; or the report.
  returned: always
  type: list
  elements: str
order:
  description: The hosts whose turns come.
  returned: when it was planned
  type: list
  elements: str
waves:
  description: The wave of each of them.
  returned: when it was planned
  type: dict
refusals:
  description: What speaks against it. Nothing may be begun while there is any.
  returned: always
  type: list
  elements: str
"""

SEEN: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "site": {"type": "str", "default": ""},
    "roles": {"type": "list", "elements": "str", "default": []},
    "kernel": {"type": "dict", "default": {}},
    "out": {"type": "str", "default": ""},
    "sick": {"type": "dict", "default": {}},
    "left": {"type": "dict", "default": {}},
    "leads": {"type": "list", "elements": "str", "default": []},
}
STRINGS: dict[str, Any] = {"type": "list", "elements": "str", "default": []}
SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["planned", "admitted", "ready", "ended", "reported"], "default": "planned"},
    "hosts": {"type": "list", "elements": "dict", "required": True, "options": SEEN},
    "records": {"type": "dict", "default": {}},
    "order": STRINGS,
    "max_out": {"type": "dict", "default": {}},
    "majority": STRINGS,
    "alone": STRINGS,
    "denied": STRINGS,
    "go_back": {"type": "str", "default": ""},
    "give_up": {"type": "str", "default": ""},
    "only": STRINGS,
    "canary": {"type": "str", "default": ""},
    "waves": {"type": "list", "elements": "int", "default": []},
    "window": STRINGS,
    "controller": {"type": "str", "default": ""},
    "force": {"type": "bool", "default": False},
    "notes": STRINGS,
    "turn": {"type": "str", "default": ""},
    "turns": STRINGS,
    "command": {"type": "str", "default": ""},
}
Params = Mapping[str, Any]


def kernel_of(said: Mapping[str, Any], denied: Sequence[str]) -> Kernel:
    """Read what kernel_info returned. A version that did not come up elsewhere is denied, whatever the host says of it."""
    target = said.get("target") or {}
    kernel = Kernel(
        str(said.get("state") or "unknown"),
        str((said.get("running") or {}).get("release") or ""),
        str(target.get("release") or ""),
        str(target.get("version") or ""),
        tuple(str(reason) for reason in said.get("reasons") or ()),
    )
    if kernel.state in DUE and kernel.version in denied:
        return replace(kernel, state="denied", reasons=(f"{kernel.version} did not come up on another host",))
    return kernel


def record_of(found: Mapping[str, Any] | None, *, back: bool) -> Record:
    """Read a record of the ledger. A host that shall go back is begun with again, wherever it stands."""
    if not found:
        return Record()
    value = found.get("value") or {}
    record = Record(
        str(value.get("phase") or ""),
        str(value.get("target") or ""),
        str(value.get("failed_in") or ""),
        str(value.get("why") or ""),
        bool(value.get("back")),
        bool(found.get("readable", True)),
        str(value.get("before") or ""),
    )
    return replace(record, phase="armed", target=record.before, back=True) if back else record


def hosts_of(params: Params) -> list[Host]:
    """Read what was seen of every host."""
    going_back = params["go_back"] if params["state"] == "planned" else ""
    return [
        Host(
            one["name"],
            one["site"],
            tuple(one["roles"]),
            kernel_of(one["kernel"], params["denied"]),
            one["out"],
            {role: str(why) for role, why in one["sick"].items()},
            {role: str(why) for role, why in one["left"].items()},
            tuple(one["leads"]),
            record_of(params["records"].get(one["name"]), back=going_back == one["name"]),
        )
        for one in params["hosts"]
    ]


def rules_of(params: Params) -> Rules:
    """Read the rules. Raise ValueError for those that make no sense."""
    most = {"" if name == "others" else name: int(value) for name, value in params["max_out"].items()}
    low = [f"max_out of {name or 'others'} is {value}: at least 1" for name, value in most.items() if value < 1]
    low += [f"a wave of {size}: at least 1" for size in params["waves"] if size < 1]
    if low:
        raise ValueError("; ".join(low))
    for span in params["window"]:
        parse(span)
    return Rules(
        tuple(params["order"]),
        most,
        tuple(params["majority"]),
        tuple(params["alone"]),
        tuple(params["only"]),
        params["canary"],
        tuple(params["waves"]),
        tuple(params["window"]),
        params["controller"],
        params["force"],
    )


def kernels(rows: Sequence[Row], *, after: bool) -> str:
    """Say which kernel each host has, or will have."""
    targets = {row.host.name: row.host.record.target or row.host.kernel.target for row in rows}
    return "".join(f"{row.host.name}: {targets[row.host.name] if after else row.host.kernel.running}\n" for row in rows)


def planned(hosts: list[Host], rules: Rules, params: Params) -> dict[str, Any]:
    """Plan everything, or that somebody is given up."""
    unknown = [name for name in (params["go_back"], params["give_up"]) if name and name not in params["records"]]
    if unknown:
        refusal = f"{unknown[0]}: nothing is recorded of it, so there is nothing to go back to, and nothing to give up"
        return {"changed": False, "plan": [refusal], "order": [], "waves": {}, "refusals": [refusal]}
    if params["give_up"]:
        return {"changed": True, "plan": [f"give up {params['give_up']}"], "order": [], "waves": {}, "refusals": []}
    plan = make_plan(hosts, rules, datetime.now(UTC))
    going = [row for row in plan.rows if row.wave]
    heads = {"before_header": "kernels", "after_header": "kernels"}
    return {
        "changed": bool(going) and not plan.refusals,
        "plan": narrate(plan, params["notes"]),
        "order": list(plan.order),
        "waves": {row.host.name: row.wave for row in going},
        "refusals": list(plan.refusals),
        "diff": {**heads, "before": kernels(going, after=False), "after": kernels(going, after=True)},
    }


def judged(hosts: list[Host], rules: Rules, params: Params) -> dict[str, Any]:
    """Judge the turn of one host."""
    turn, ready = params["turn"], params["state"] == "ready"
    before = params["turns"][: params["turns"].index(turn)] if turn in params["turns"] else params["turns"]
    found = admission(hosts, turn, before, rules, datetime.now(UTC), under_way=ready)
    return {"changed": False, "plan": found, "refusals": found, "turn": turn, "begun": ready or not found}


def ended(params: Params) -> dict[str, Any]:
    """Tell whether a turn came to its end, by the ledger alone: whoever cannot be reached has not said that it failed."""
    turn, turns = params["turn"], params["turns"]
    record = record_of(params["records"].get(turn), back=False)
    if record.phase == "done":
        return {
            "changed": False,
            "plan": [f"{turn} is done"],
            "refusals": [],
            "turn": turn,
            "done": turn,
            "untouched": False,
        }
    waiting = turns[turns.index(turn) + 1 :] if turn in turns else []
    said = stopped(turn, record, waiting, params["command"])
    return {"changed": False, "plan": said, "refusals": said, "turn": turn, "done": "", "untouched": record.untouched}


def reported(params: Params) -> dict[str, Any]:
    """Say how it went."""
    values = {name: dict(one.get("value") or {}) for name, one in params["records"].items()}
    return {"changed": False, "plan": report(values, params["turns"]), "refusals": []}


def main() -> None:
    """Think, and tell."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    params = module.params
    try:
        rules, hosts = rules_of(params), hosts_of(params)
    except (TypeError, ValueError) as error:
        module.fail_json(msg=f"{error}", plan=[], refusals=[str(error)])
    if params["state"] == "ended":
        module.exit_json(**ended(params))
    if params["state"] == "reported":
        module.exit_json(**reported(params))
    decide = planned if params["state"] == "planned" else judged
    module.exit_json(**decide(hosts, rules, params))


if __name__ == "__main__":
    main()
