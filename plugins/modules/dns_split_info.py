#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say how the two names of a split stand, and change nothing."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet import ledger
from ..module_utils.fleet.ports import authority, dns_world, etcd
from ..module_utils.fleet.ports.dns_provider import Ambiguous, Failed, Raced, Refused, Unanswered
from ..module_utils.fleet.ports.dns_world import RealWorld
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
  - The declaration is that of M(dns_split), where each of its options is explained.
options:
  id:
    description: The name of the split.
    type: str
    required: true
  owner:
    description: Who owns the names.
    type: str
    default: upstairs
  zone:
    description: The zone of both names.
    type: str
    required: true
  read:
    description: The name that is read from, and where it shall lead.
    type: dict
    required: true
    suboptions: &side
      name:
        description: The name.
        type: str
        required: true
      addresses:
        description: Its addresses.
        type: list
        elements: str
        default: []
      cname:
        description: A name to lead to instead.
        type: str
        default: ""
      elsewhere:
        description: The name is somebody else's.
        type: bool
        default: false
  write:
    description: The name that is written to, and where it shall lead.
    type: dict
    required: true
    suboptions: *side
  ttl:
    description: Seconds for every day.
    type: int
    default: 300
  transit_ttl:
    description: Seconds while a name moves.
    type: int
    default: 60
  provider:
    description: Who has the zone.
    type: str
    choices: [hcloud, rfc2136, route53]
    default: rfc2136
  provider_options:
    description: What the provider needs to know.
    type: dict
    default: {}
  credentials:
    description: The provider's secrets. Never shown.
    type: dict
    default: {}
  probes:
    description: What proves a target. Asked only with O(ask=targets).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The promise as a sentence.
        type: str
        required: true
      role:
        description: Whose target it proves.
        type: str
        choices: [read, write]
        required: true
      http:
        description: A request, as M(dns_split) takes it.
        type: dict
        suboptions:
          url: {description: What to ask., type: str, required: true}
          method: {description: The method., type: str, default: GET}
          status: {description: The statuses that are good., type: list, elements: int, default: [200]}
          contains: {description: A text that the body must contain., type: str}
          headers: {description: Headers to send; no secrets, type: dict, default: {}}
          answers: {description: Headers of the answer and what they must match., type: dict, default: {}}
          ca_file: {description: Certificates to trust., type: str}
      canary:
        description: An object that is written, read and removed, as M(dns_split) takes it.
        type: dict
        suboptions:
          url: {description: A bucket or a folder in it., type: str, required: true}
          access_key: {description: Who writes. Never shown., type: str, required: true}
          secret_key: {description: The secret. Never shown., type: str, required: true}
          region: {description: The region that the signature names., type: str, default: us-east-1}
          ca_file: {description: Certificates to trust., type: str}
      tcp:
        description: A port that must take a connection.
        type: int
  server_addresses:
    description: Addresses of authoritative servers by their names.
    type: dict
    default: {}
  server_port:
    description: The port at which they are asked.
    type: int
    default: 53
  families:
    description: The families of addresses at which they are asked.
    type: list
    elements: int
    choices: [4, 6]
    default: [4, 6]
  rounds:
    description: How often in a row each must give the right answer.
    type: int
    default: 3
  timeout:
    description: Seconds for each question.
    type: float
    default: 5
  adopt:
    description: Whether names without an owner are ours.
    type: bool
    default: false
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
    found = etcd.read(module.params["endpoints"], ledger.key(name))
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
    except (Mistake, Unanswered, Refused, Raced, Ambiguous, Failed, etcd.Unanswered) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
