#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Move the read name or the write name of a pair while people use it: one step at each start."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet.ports import dns_world
from ..module_utils.fleet.ports.dns_provider import Ambiguous, Failed, Raced, Refused, Unanswered
from ..module_utils.fleet.ports.dns_world import RealWorld
from ..module_utils.fleet.records import Mistake, diff
from ..module_utils.fleet.split import lines
from ..module_utils.fleet.split_phases import STATES, Mover
from ..module_utils.fleet.split_preview import differences, preview
from ..module_utils.fleet.split_record import OVER, Record, read
from ..module_utils.fleet.split_spec import DECLARATION, LIMITS
from ..module_utils.fleet.split_world import Limits, Refusal, limits_of

DOCUMENTATION = r"""
---
module: dns_split
short_description: Move one of two names, that which is read from or that which is written to, while people use it
version_added: "1.0"
author: [Upstairs]
description:
  - A split is a pair of names in one zone that must never lead to the same place. The read name is in every URL and leads to edges.
    The write name is known to the writers only.
  - Moves a name in phases. C(observed), C(prepared) (the new target passes all probes at its own addresses), C(ttl_lowered) (all
    authoritative servers serve the short TTL), C(waited) (no cache can hold the old answer for longer than that), C(cut),
    C(converged) (all servers serve the new target), C(verified) (the probes pass), C(baking), and C(finalised) (the TTL is long
    again) or C(rolled_back).
  - Each write is decided and stored in etcd before it is made. A run that was killed anywhere goes on from there, on whatever
    controller, and never waits less than it has to. The wait is counted from when the last authoritative server was seen to serve the
    short TTL, by the clock of this boot where that is possible, by UTC otherwise. A clock that went back makes the wait begin anew.
  - A name is never empty, not even for a moment. Addresses and a CNAME change into each other at once or, if the provider cannot do
    that, not at all. A and AAAA are one unit. No other name is touched, except for the markers of the owner.
  - A name that has records and no owner is refused unless O(adopt), a name of another owner always.
  - What somebody changed by hand is never overwritten. Since the last move it is taken as it is once it is what is declared, so declare
    it, run this, and then declare what you want.
  - When the new target fails its probes O(failures) times in a row after the cut, or the servers no longer agree, the names are put
    back as they were, that is verified, and the task fails.
  - In check mode it goes through the same steps without a write and returns them as a table, with the time of each.
  - Each start of the module makes one step; the action plugin of the same name starts it until all is done and keeps the record.
    Hold the fleet's lock meanwhile (M(fleet_lock)).
  - What has been read from the provider is believed only together with the answers of every authoritative server at every address.
    No server to ask is a failure.
requirements:
  - dnspython on the host that the steps run on, for every provider (C(python3-dnspython))
extends_documentation_fragment: [dns_split]
options:
  state:
    description:
      - V(present) goes all the way, or on from wherever the record stands.
      - V(prepared) lowers the TTL and moves nothing, for the evening before.
      - V(cut) moves the name, verifies it, and leaves the TTL short.
      - V(finalised) goes on after V(cut), and refuses to begin.
      - V(rolled_back) puts back what was there before the first write, from any phase. It does not wait, because it is for
        emergencies, and refuses only if the old target fails its probes and the new one passes them.
      - V(verified) writes nothing, and fails if a name is not as declared, an authoritative server says otherwise, or a move is
        under way.
    type: str
    choices: [present, prepared, cut, finalised, rolled_back, verified]
    default: present
  wait:
    description: With V(false) the task ends with RV(pending) and RV(ready_at) rather than wait for caches. The next run goes on.
    type: bool
    default: true
  endpoints:
    description: The members of etcd, as host:port. The host that the task runs on must be one that they answer.
    type: list
    elements: str
    required: true
  on_controller:
    description: Whether the steps run on the controller and only the record is kept by the task's host. For a provider in the cloud
      whose library and credentials the controller has.
    type: bool
    default: false
  converge_within:
    description: Seconds in which all servers must have a write. Then the task fails and names those that lack it. The next run goes
      on asking for as long again.
    type: float
    default: 300
  bake:
    description: Seconds for which the new target is watched before the TTL is raised. At least twice O(transit_ttl).
    type: float
    default: 300
  bake_interval:
    description: Seconds between two looks meanwhile.
    type: float
    default: 10
  failures:
    description: How many looks in a row must fail before the names are put back.
    type: int
    default: 3
  only:
    description: Refuse to begin a move by which other addresses come or go than those of these O(hosts). Without any all may.
    type: list
    elements: str
    default: []
  record:
    description: What the ledger holds. Set by the action plugin.
    type: dict
    default: {}
  running:
    description: Seconds since the run began that this step is of. Set by the action plugin.
    type: float
    default: 0
attributes:
  check_mode:
    description: Goes through all steps and writes nothing. It reads, asks the servers and probes the new target, and refuses what
      would be refused. The canary of a probe is written and removed.
    support: full
  diff_mode:
    description: Shows the record sets before and after, as a zone file would.
    support: full
"""

EXAMPLES = r"""
- name: Lead readers to the new edges
  dns_split:
    endpoints: "{{ etcd_endpoints }}"
    id: media
    zone: example.org
    read: {name: media, addresses: [192.0.2.21, "2001:db8::21"]}
    write: {name: s3, addresses: [198.51.100.7]}
    provider_options: {server: 192.0.2.53}
    credentials: {key: "hmac-sha256:upstairs-update:{{ nameserver_update_key }}"}
    probes:
      - name: A picture comes with its certificate
        role: read
        http: {url: "https://media.example.org/site/logo.png"}
      - name: A part of it comes
        role: read
        http: {url: "https://media.example.org/site/logo.png", headers: {Range: bytes=0-9}, status: [206]}
      - name: Other sites may show it
        role: read
        http:
          url: "https://media.example.org/site/logo.png"
          headers: {Origin: "https://social.example.org"}
          answers: {Access-Control-Allow-Origin: "^\\*$"}
      - name: Nobody writes through the read name
        role: read
        http: {url: "https://media.example.org/x", method: PUT, status: [403, 405]}
      - name: Writers can write, read and remove
        role: write
        canary:
          url: "https://s3.example.org/media"
          access_key: "{{ media_access_key }}"
          secret_key: "{{ media_secret_key }}"
  delegate_to: "{{ lock_keeper }}"
  run_once: true

- name: Lower the TTL this evening, and do not wait
  dns_split:
    endpoints: "{{ etcd_endpoints }}"
    id: database
    zone: example.org
    read: {name: db-ro, addresses: [192.0.2.31]}
    write: {name: db-rw, addresses: [192.0.2.30]}
    provider_options: {server: 192.0.2.53, key_file: /etc/knot/update.key}
    probes: [{name: It takes connections, role: write, tcp: 5432}, {name: It takes connections, role: read, tcp: 5432}]
    state: prepared
    wait: false

- name: Go back
  dns_split:
    endpoints: "{{ etcd_endpoints }}"
    id: media
    zone: example.org
    read: {name: media, addresses: [192.0.2.21]}
    write: {name: s3, addresses: [198.51.100.7]}
    provider_options: {server: 192.0.2.53, key_file: /etc/knot/update.key}
    state: rolled_back
"""

RETURN = r"""
phase:
  description: Where the move stands.
  returned: when a move is or was recorded
  type: str
  sample: finalised
did:
  description: What each step did, in words.
  returned: always
  type: list
  elements: str
  sample: ["wrote: media.example.org. A: 192.0.2.11 (TTL 300) becomes 192.0.2.11 (TTL 60)"]
plan:
  description: In check mode the steps with the earliest time of each.
  returned: check mode
  type: list
  elements: str
  sample: ["  7. +   300 s  decided: move"]
pending:
  description: Whether the task ended before the move, because nothing could be done before RV(ready_at).
  returned: always
  type: bool
ready_at:
  description: When the next run can go on.
  returned: when it is known
  type: str
  sample: "2025-01-01 10:05:00 UTC"
drift:
  description: What is not as declared.
  returned: with O(state=verified)
  type: list
  elements: str
away:
  description: Declared addresses that are left out because their hosts are out.
  returned: check mode
  type: list
  elements: dict
  sample: [{"role": "read", "name": "media.example.org.", "address": "192.0.2.21", "host": "esme"}]
restore:
  description: What was there before the move, as a zone file shows it, for whoever has to put it back by hand.
  returned: when a move is or was recorded
  type: list
  elements: str
record:
  description: What the ledger holds.
  returned: when a move is or was recorded
  type: dict
"""

SPEC: dict[str, Any] = {
    **DECLARATION,
    **LIMITS,
    "state": {"type": "str", "choices": [*STATES, "verified"], "default": "present"},
    "record": {"type": "dict", "default": {}},
    "running": {"type": "float", "default": 0},
}


def told(record: Record | None) -> dict[str, Any]:
    """Return what a result says of a record."""
    if record is None:
        return {"record": {}}
    return {"record": record.data(), "phase": record.phase, "restore": lines(record.snapshot)}


def verify(module: AnsibleModule, world: RealWorld, limits: Limits, record: Record | None) -> None:
    """Say whether all is as declared."""
    faults = differences(world.split, world, limits, record)
    if faults:
        module.fail_json(
            msg=f"The split {world.split.id} is not as declared: " + "; ".join(faults), drift=faults, **told(record)
        )
    module.exit_json(changed=False, over=True, did=["all is as declared"], drift=[], pending=False, **told(record))


def show(module: AnsibleModule, world: RealWorld, limits: Limits, record: Record | None) -> None:
    """Say what would be done."""
    seen = preview(world.split, module.params["state"], world, limits, record)
    module.exit_json(
        changed=bool(seen.changes or seen.marked),
        over=True,
        did=[],
        plan=seen.table(),
        away=[asdict(one) for one in world.split.away],
        pending=False,
        diff=diff(world.split.zone, seen.net()),
        **told(record),
    )


def make_a_step(module: AnsibleModule, world: RealWorld, limits: Limits, record: Record | None) -> None:
    """Do what comes next."""
    outcome = Mover(world.split, module.params["state"], world, limits, module.params["running"]).step(record)
    ready = (
        {"ready_at": str(outcome.ready_at), "left": outcome.ready_at.utc - world.now().utc} if outcome.ready_at else {}
    )
    module.exit_json(
        changed=outcome.changed,
        over=outcome.over,
        turned_back=outcome.failed,
        did=[outcome.did],
        pause=outcome.pause,
        pending=False,
        **ready,
        **told(outcome.record),
    )


def work(module: AnsibleModule, world: RealWorld, limits: Limits, record: Record | None) -> None:
    """Verify, show or act."""
    if module.params["state"] == "verified":
        verify(module, world, limits, record)
    elif module.check_mode:
        show(module, world, limits, record)
    else:
        make_a_step(module, world, limits, record)


def main() -> None:
    """Judge what is declared, then do what is asked, or say why not."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    record = None
    try:
        limits = limits_of(module.params)
        world = dns_world.connect(module.params)
        record = read(module.params["record"], world.split)
        work(module, world, limits, record)
    except (Mistake, Refusal) as refusal:
        module.fail_json(msg=str(refusal), **told(record))
    except (Unanswered, Refused, Raced, Ambiguous, Failed) as error:
        moving = record is not None and (record.phase not in OVER or record.intent is not None)
        before = f" What there was before the move: {' | '.join(lines(record.snapshot))}." if record and moving else ""
        module.fail_json(msg=f"{error}.{before}", **told(record))


if __name__ == "__main__":
    main()
