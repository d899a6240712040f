#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say how the two names of a split stand, and change nothing."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet import ledger, store
from ..module_utils.fleet.ports import authority, dns_world
from ..module_utils.fleet.ports.dns_provider import Ambiguous, Failed, Raced, Refused, Unanswered
from ..module_utils.fleet.ports.dns_world import RealWorld
from ..module_utils.fleet.ports.etcd import Etcd
from ..module_utils.fleet.records import Mistake
from ..module_utils.fleet.split import as_data, picture
from ..module_utils.fleet.split_preview import differences
from ..module_utils.fleet.split_record import Record, read
from ..module_utils.fleet.split_spec import DECLARATION
from ..module_utils.fleet.split_world import Limits

DOCUMENTATION = r"""
---
module: dns_split_info
short_description: Say how the two names of a split stand
version_added: "1.0"
author: [Upstairs]
description:
  - Reads both names from the provider, asks every authoritative server at every address, and compares with what is declared.
  - Reads the record of a move, if there is one. Writes nothing and takes no lock.
  - Never fails because something is not as declared. That is in RV(drift), and RV(probes).
extends_documentation_fragment: [dns_split]
options:
  endpoints:
    description: The members of etcd, as host:port, to read the record of a move from; without any it is not read.
    type: list
    elements: str
    default: []
  resolvers:
    description: Addresses of resolvers whose answers are reported. They prove nothing, since many machines with many caches are
      behind each.
    type: list
    elements: str
    default: []
  ask:
    description:
      - V(all) reads the names, asks the servers, and compares.
      - V(targets) probes the declared targets from this host, each at its own addresses, and asks nothing else. For hosts that write, which
        need neither dnspython nor the provider's secrets for it.
      - V(nothing) judges the declaration alone.
    type: str
    choices: [all, targets, nothing]
    default: all
attributes:
  check_mode:
    description: Reads as ever. The canary of a probe is written and removed.
    support: full
  diff_mode:
    description: Nothing changes.
    support: none
"""

EXAMPLES = r"""
- name: verify | See how the names stand
  dns_split_info: "{{ declaration | combine({'endpoints': etcd_endpoints, 'resolvers': ['9.9.9.9']}) }}"
  register: __names

- name: See whether every writer can write to where the write name will lead
  dns_split_info: "{{ declaration | combine({'ask': 'targets'}) }}"
  register: __writers
"""

RETURN = r"""
drift:
  description: What is not as declared, and what servers say otherwise; empty is good.
  returned: with O(ask=all)
  type: list
  elements: str
live:
  description: What the provider has at both names.
  returned: with O(ask=all)
  type: dict
  sample: {"media.example.org.": [{"type": "A", "ttl": 300, "values": ["192.0.2.21"]}]}
owners:
  description: Who owns each name; a name that is not there is nobody's.
  returned: with O(ask=all)
  type: dict
servers:
  description: What each authoritative server says, compared with the provider.
  returned: with O(ask=all)
  type: list
  elements: str
  sample: ["ns1.example.org. (192.0.2.53): as wanted"]
observed:
  description: What resolvers say.
  returned: with O(ask=all)
  type: list
  elements: str
record:
  description: The record of a move, empty without one.
  returned: with O(ask=all)
  type: dict
probes:
  description: What is wrong at the declared targets; empty is good.
  returned: with O(ask=targets)
  type: list
  elements: str
"""

SPEC: dict[str, Any] = {
    **DECLARATION,
    "endpoints": {"type": "list", "elements": "str", "default": []},
    "resolvers": {"type": "list", "elements": "str", "default": []},
    "ask": {"type": "str", "choices": ["all", "targets", "nothing"], "default": "all"},
}


def recorded(module: AnsibleModule, world: RealWorld) -> Record | None:
    """Return the record of a move."""
    name = f"dns_split/{world.split.id}"
    if not module.params["endpoints"]:
        return None
    found = Etcd(tuple(module.params["endpoints"])).read(ledger.key(name))
    entry = ledger.read(name, found.text, found.revision)
    if not entry.readable:
        raise Mistake(f"the record {name} is no JSON object: look at the names before you remove it")
    return read(entry.value, world.split)


def probe(module: AnsibleModule) -> None:
    """Judge the declaration, and probe its targets if that is asked for."""
    world = dns_world.prober(module.params)
    if module.params["ask"] == "nothing":
        module.exit_json(changed=False)
    roles = {entry.role for entry in world.probes}
    faults = [
        fault for side in world.split.sides if side.role in roles for fault in world.probe(side.role, side.records)
    ]
    module.exit_json(changed=False, probes=faults)


def look(module: AnsibleModule) -> None:
    """Read, ask and compare."""
    world = dns_world.connect(module.params)
    record = recorded(module, world)
    reading = world.read()
    live = picture(reading.records, world.split.names)
    module.exit_json(
        changed=False,
        drift=differences(world.split, world, Limits(adopt=module.params["adopt"]), record),
        live=as_data(live),
        owners=dict(reading.owners),
        servers=list(world.verify(live).table),
        observed=authority.observe(module.params["resolvers"], world.split.names, module.params["timeout"]),
        record=record.data() if record else {},
    )


def main() -> None:
    """Look, and tell."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        if module.params["ask"] == "all":
            look(module)
        else:
            probe(module)
    except (Mistake, Unanswered, Refused, Raced, Ambiguous, Failed, store.Unanswered) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
