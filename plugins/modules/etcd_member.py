#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start, restart and stop a member of an etcd cluster without breaking the cluster."""

from __future__ import annotations

import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet.etcd import FirstStart, Known, Member, Refusal, may_stop, plan_first_start
from ..module_utils.fleet.ports.rest import ask

DOCUMENTATION = r"""
---
module: etcd_member
short_description: Start, restart and stop a member of an etcd cluster without breaking the cluster
description:
  - Asks the members before it acts. An empty data directory is a new member or a lost disk, and only the others know which.
  - O(state=prepared) decides how a member without data starts (found the cluster, join it, or refuse) and leaves that decision in
    O(first_start) for the unit's next start. It starts nothing.
  - O(state=restarted) restarts the unit if the others keep the quorum meanwhile, and waits until this member is healthy again.
  - O(state=stopped) stops the unit if the others keep the quorum.
author: [Upstairs]
options:
  name:
    description: This member's name.
    type: str
    required: true
  members:
    description: All members as the inventory declares them.
    type: list
    elements: dict
    required: true
    options:
      name:
        description: The member's name.
        type: str
        required: true
      address:
        description: The member's private address.
        type: str
        required: true
  state:
    description: What to do.
    type: str
    choices: [prepared, restarted, stopped]
    required: true
  data_dir:
    description: Where this member keeps its data. Used by O(state=prepared).
    type: path
  first_start:
    description: Environment file that the unit reads when it starts without data. Used by O(state=prepared).
    type: path
  empty_members:
    description: Members that were seen without data in this run. Used by O(state=prepared).
    type: list
    elements: str
    default: []
  unit:
    description: The unit.
    type: str
    default: etcd.service
  within:
    description: Seconds that a restarted member has to become healthy, and the others until they may take a new one.
    type: int
    default: 60
attributes:
  check_mode:
    support: full
    description: Says what it would do, or refuses.
  diff_mode:
    support: none
    description: There is no file content to show.
"""

EXAMPLES = r"""
- name: Stop this member if the others can decide without it
  etcd_member:
    name: alice
    members: "{{ etcd_members }}"
    state: stopped
"""

RETURN = r"""
plan:
  description: What was done, or would be.
  returned: always
  type: str
"""

SPEC = {
    "name": {"type": "str", "required": True},
    "members": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {"name": {"type": "str", "required": True}, "address": {"type": "str", "required": True}},
    },
    "state": {"type": "str", "choices": ["prepared", "restarted", "stopped"], "required": True},
    "data_dir": {"type": "path"},
    "first_start": {"type": "path"},
    "empty_members": {"type": "list", "elements": "str", "default": []},
    "unit": {"type": "str", "default": "etcd.service"},
    "within": {"type": "int", "default": 60},
}
PAUSE = 0.5


def running_members(others: list[Member]) -> tuple[Known, ...] | None:
    """Return the member list of the first member that answers."""
    for member in others:
        # Not linearizable: a cluster without quorum still exists, and must not be founded again.
        reply = ask(f"{member.client_url}/v3/cluster/member/list", {"linearizable": False}).json()
        if reply is not None and "members" in reply:
            return tuple(
                Known(known.get("name", ""), url, format(int(known.get("ID", 0)), "x"))
                for known in reply["members"]
                for url in known.get("peerURLs", [])[:1]
            )
    return None


def healthy(members: list[Member]) -> set[str]:
    """Return who says to be healthy, which in etcd's own words includes reaching a quorum."""
    return {m.name for m in members if '"health":"true"' in ask(f"{m.client_url}/health").text}


def announce(me: Member, others: list[Member], within: float) -> str | None:
    """Tell the cluster about this member; return what went wrong.

    etcd takes nobody while its members have not been connected for five seconds: after a restart or a removal that passes by itself.
    """
    deadline = time.monotonic() + within
    while True:
        said = ""
        for member in others:
            answer = ask(f"{member.client_url}/v3/cluster/member/add", {"peerURLs": [me.peer_url]}, timeout=15)
            if answer.ok:
                return None
            said = answer.text or said
        if "unhealthy cluster" not in said or time.monotonic() > deadline:
            return said
        time.sleep(PAUSE)


def prepare(module: AnsibleModule, me: Member, members: list[Member]) -> None:
    """Decide how this member starts for the first time, and leave that for its unit."""
    if Path(module.params["data_dir"], "member").is_dir():
        module.exit_json(changed=False, plan="it has data: nothing to prepare")
    others = [member for member in members if member.name != me.name]
    plan = plan_first_start(me, members, running_members(others), module.params["empty_members"])
    if isinstance(plan, Refusal):
        module.fail_json(msg=plan.why)
        return
    if not module.check_mode:
        apply(module, me, others, plan)
    module.exit_json(changed=True, plan=plan.describe())


def apply(module: AnsibleModule, me: Member, others: list[Member], plan: FirstStart) -> None:
    """Announce this member where others run already, and write the decision."""
    if plan.announce and (wrong := announce(me, others, module.params["within"])) is not None:
        module.fail_json(msg=f"The cluster did not accept {me.name} as a member: {wrong}")
    decision = f"ETCD_INITIAL_CLUSTER={plan.initial_cluster}\nETCD_INITIAL_CLUSTER_STATE={plan.state}\n"
    Path(module.params["first_start"]).write_text(decision, encoding="ascii")


def stop_or_restart(module: AnsibleModule, me: Member, members: list[Member]) -> None:
    """Stop or restart the unit, unless the others would lose their quorum."""
    verb = {"restarted": "restart", "stopped": "stop"}[module.params["state"]]
    running = module.run_command(["systemctl", "is-active", "--quiet", module.params["unit"]])[0] == 0
    if verb == "stop" and not running:
        module.exit_json(changed=False, plan="it is stopped already")
    refusal = may_stop(me, members, healthy(members), returns=verb == "restart")
    if refusal is not None:
        module.fail_json(msg=refusal.why)
    if not module.check_mode:
        module.run_command(["systemctl", verb, module.params["unit"]], check_rc=True)
        if verb == "restart":
            await_health(module, me)
    module.exit_json(changed=True, plan=f"{verb} {module.params['unit']}")


def await_health(module: AnsibleModule, me: Member) -> None:
    """Wait until this member says that it is healthy again."""
    deadline = time.monotonic() + module.params["within"]
    while not healthy([me]):
        if time.monotonic() > deadline:
            said = ask(f"{me.client_url}/health").text
            module.fail_json(msg=f"{me.name} is not healthy {module.params['within']} s after its restart: {said}")
        time.sleep(PAUSE)


def main() -> None:
    """Ask the members, then act on this one."""
    module = AnsibleModule(
        argument_spec=SPEC, supports_check_mode=True, required_if=[("state", "prepared", ["data_dir", "first_start"])]
    )
    members = [Member(**member) for member in module.params["members"]]
    me = next((member for member in members if member.name == module.params["name"]), None)
    if me is None:
        module.fail_json(msg=f"{module.params['name']} is not one of the members {', '.join(m.name for m in members)}")
    elif module.params["state"] == "prepared":
        prepare(module, me, members)
    else:
        stop_or_restart(module, me, members)


if __name__ == "__main__":
    main()
