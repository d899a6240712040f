# SPDX-License-Identifier: GPL-3.0-or-later
"""Make declared records of zones as wanted on their primary server, and touch no other record."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet.ports import rfc2136
from ..module_utils.fleet.ports.dns_provider import Raced, Refused, Unanswered
from ..module_utils.fleet.records import TYPES, Mistake, Plan, RecordSet, Wanted, batches, diff, parse, plan, zone_name

DOCUMENTATION = r"""
---
module: dns_records
short_description: Keep declared DNS records by dynamic updates (RFC 2136)
version_added: "1.0"
author: Upstairs (@upstairs)
description:
  - Reads each zone with one transfer, plans, writes all changes of a zone in one UPDATE, and reads the zone again to see
    that they are there.
  - The UPDATE carries what the plan was made on as prerequisites. If somebody changed one of these records meanwhile, nothing is written.
  - A name and type that is not declared is never touched. A name never has fewer types than before and after, not even for a moment.
  - A record with C(managed=seed) is planted if the name has none yet, and then belongs to whoever moves it. For addresses the unit
    is the name with A, AAAA, CNAME, HTTPS and SVCB, so that a converge never adds an old address beside the new one. Seeds that
    differ are reported in RV(held).
  - Needs dnspython (C(python3-dnspython)) on the host that it runs on, best the primary itself, so that the update key never leaves it.
  - In check mode a server that does not answer (it is not installed yet) counts as a zone without records, with a warning.
options:
  server:
    description: Address of the primary.
    type: str
    required: true
  port:
    description: Its port.
    type: int
    default: 53
  key_file:
    description: A file on the host with the TSIG key as C(ALGORITHM:NAME:BASE64), as knsupdate reads it too. HMAC-SHA-256 or longer.
    type: path
  key:
    description: The same as text.
    type: str
  timeout:
    description: Seconds for each question.
    type: float
    default: 10
  within:
    description: Seconds in which the server must first answer for a zone; one that has just been configured is loading it.
    type: float
    default: 0
  zones:
    description: The zones.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The zone.
        type: str
        required: true
      ttl:
        description: Seconds for records that say none.
        type: int
        default: 300
      records:
        description: The record sets, one entry for each name and type.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: V(@), a name below the zone, or a whole name with a final dot.
            type: str
            required: true
          type:
            description: The type. Of an SOA the serial is the server's; whatever is written here for it is ignored.
            type: str
            choices: [A, AAAA, CAA, CNAME, MX, NS, PTR, SOA, SRV, TXT]
            required: true
          values:
            description: All values, in any order. A target with a dot inside needs a final dot. A TXT value is the text itself,
              without quotes and of any length.
            type: list
            elements: str
            default: []
          ttl:
            description: Seconds.
            type: int
          managed:
            description: V(always) keeps it as declared, V(seed) plants it once.
            type: str
            choices: [always, seed]
            default: always
          state:
            description: V(absent) removes this name and type.
            type: str
            choices: [present, absent]
            default: present
attributes:
  check_mode:
    description: Reads and plans; changes nothing.
    support: full
  diff_mode:
    description: Shows the changed record sets as a zone file would.
    support: full
"""

EXAMPLES = r"""
- name: service | Keep the declared records
  dns_records:
    server: "{{ private_address }}"
    key_file: /etc/knot/update.key
    zones:
      - name: example.org
        records:
          - {name: ns1, type: A, values: [192.0.2.53]}
          - {name: social, type: A, values: [192.0.2.11, 192.0.2.12], ttl: 60, managed: seed}
          - {name: old, type: TXT, state: absent}
"""

RETURN = r"""
plan:
  description: What is (or, in check mode, would be) changed, in words.
  returned: always
  type: list
  elements: str
  sample: ["ns1.example.org. A: add 192.0.2.53 (TTL 300)"]
held:
  description: Seeds whose name has other records by now; they were left alone.
  returned: always
  type: list
  elements: str
  sample: ["social.example.org. A: the zone has 192.0.2.99 (TTL 60), the seed was 192.0.2.11 (TTL 60)"]
"""


PAUSE = 0.5
RECORD: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "type": {"type": "str", "required": True, "choices": list(TYPES)},
    "values": {"type": "list", "elements": "str", "default": []},
    "ttl": {"type": "int"},
    "managed": {"type": "str", "choices": ["always", "seed"], "default": "always"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}
ZONE: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "ttl": {"type": "int", "default": 300},
    "records": {"type": "list", "elements": "dict", "default": [], "options": RECORD},
}
SPEC: dict[str, Any] = {
    "server": {"type": "str", "required": True},
    "port": {"type": "int", "default": 53},
    "key_file": {"type": "path", "no_log": False},
    "key": {"type": "str", "no_log": True},
    "timeout": {"type": "float", "default": 10},
    "within": {"type": "float", "default": 0},
    "zones": {"type": "list", "elements": "dict", "required": True, "options": ZONE},
}


@dataclass(frozen=True)
class Zone:
    """A zone as declared, and what is to be done about it."""

    name: str
    wanted: list[Wanted]
    plan: Plan


def server(module: AnsibleModule) -> rfc2136.Server:
    """Return the server with the key that was given or named."""
    if not rfc2136.HAS_DNSPYTHON:
        raise Unanswered("dnspython is missing on this host (apt: python3-dnspython)")
    try:
        text = module.params["key"] or Path(module.params["key_file"]).read_text(encoding="ascii")
    except OSError as error:
        raise Unanswered(f"the TSIG key cannot be read: {error}") from error
    key = rfc2136.parse_key(text)
    return rfc2136.Server(module.params["server"], key, module.params["port"], module.params["timeout"])


def observe(module: AnsibleModule, zone: str) -> list[RecordSet]:
    """Return the zone's records; in check mode, none if nobody answers."""
    deadline = time.monotonic() + (0 if module.check_mode else module.params["within"])
    while True:
        try:
            return server(module).read(zone)
        except (Unanswered, Refused) as error:
            if module.check_mode:
                module.warn(f"planned as if {zone} had no records: {error}")
                return []
            if time.monotonic() >= deadline:
                raise
        time.sleep(PAUSE)


def look(module: AnsibleModule) -> list[Zone]:
    """Plan for all zones before any of them is changed."""
    declared = [
        (zone_name(entry["name"]), parse(zone_name(entry["name"]), entry["records"], entry["ttl"]))
        for entry in module.params["zones"]
    ]
    zones = [Zone(name, wanted, plan(observe(module, name), wanted, name)) for name, wanted in declared]
    refusals = [f"{zone.name}: {refusal}" for zone in zones for refusal in zone.plan.refusals]
    if refusals:
        raise Mistake("; ".join(refusals))
    return zones


def apply(module: AnsibleModule, zone: Zone) -> None:
    """Write, and believe the zone rather than the answer: an answer can be lost after the update was made."""
    primary = server(module)
    lost: Exception | None = None
    for portion in batches(zone.plan.changes):
        try:
            primary.update(zone.name, portion)
        except Unanswered as error:
            lost = error
    left = plan(primary.read(zone.name), zone.wanted, zone.name).changes
    if left:
        raise Refused(
            f"after the update {zone.name} still lacks: {'; '.join(change.describe() for change in left)}"
            + (f" ({lost})" if lost else "")
        )


def main() -> None:
    """Observe, plan, apply."""
    module = AnsibleModule(
        argument_spec=SPEC,
        supports_check_mode=True,
        required_one_of=[("key", "key_file")],
        mutually_exclusive=[("key", "key_file")],
    )
    try:
        zones = look(module)
        if not module.check_mode:
            for zone in (zone for zone in zones if zone.plan.changes):
                apply(module, zone)
    except (Mistake, ValueError, Unanswered, Refused, Raced) as error:
        module.fail_json(msg=str(error))
    changes = [change for zone in zones for change in zone.plan.changes]
    module.exit_json(
        changed=bool(changes),
        plan=[change.describe() for change in changes],
        held=[line for zone in zones for line in zone.plan.held],
        diff=[diff(zone.name, zone.plan.changes) for zone in zones if zone.plan.changes],
    )


if __name__ == "__main__":
    main()
