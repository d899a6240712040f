#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell where a host listens for others, and whether that is what it was."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet.listening import Difference, difference, lasting
from ..module_utils.fleet.ports import sockets

DOCUMENTATION = r"""
---
module: listening_sockets
short_description: Tell where a host listens for others, and whether that is what it was
description:
  - Reads C(/proc/net/tcp), C(tcp6), C(udp) and C(udp6) and tells each socket beyond loopback on which somebody listens, as M(probe) names
    them, V(0.0.0.0:443) or V(udp/10.44.1.14:53).
  - UDP tells nobody a server from a client that waits for its answer. Sockets of UDP in the range of ephemeral ports
    (C(net.ipv4.ip_local_port_range)) are taken for clients and left out.
  - With O(expected) it fails where something is missing or is new, and names it. A service that was started by hand and not enabled is
    missing after a reboot; what no firewall was asked for, since nobody knew of it, is new.
author: [Upstairs]
options:
  expected:
    description: What was told before. Without it nothing is compared.
    type: list
    elements: str
  ignored:
    description: Sockets that come and go, of which nothing is said. C(*) is anything, as in V(udp/*:68).
    type: list
    elements: str
    default: []
  within:
    description: Seconds in which all must be as expected; V(0) looks once.
    type: float
    default: 0
  root:
    description: The directory below which C(proc) is read, so that a made-up tree can stand in for a host.
    type: path
    default: /
attributes:
  check_mode:
    support: full
    description: Only reads.
  diff_mode:
    support: none
    description: There is nothing to show.
seealso:
  - module: probe
"""

EXAMPLES = r"""
- name: begin | See where it listens
  listening_sockets:
  register: before

- name: prove | See that it listens there again, and nowhere else
  listening_sockets:
    expected: "{{ before.sockets }}"
    ignored: ["udp/*:68"]
    within: 30
"""

RETURN = r"""
sockets:
  description: Where somebody listens now.
  returned: always
  type: list
  elements: str
missing:
  description: What was expected and is not there.
  returned: always
  type: list
  elements: str
extra:
  description: What is there and was not expected.
  returned: always
  type: list
  elements: str
"""

SPEC: dict[str, Any] = {
    "expected": {"type": "list", "elements": "str"},
    "ignored": {"type": "list", "elements": "str", "default": []},
    "within": {"type": "float", "default": 0.0},
    "root": {"type": "path", "default": "/"},
}
PAUSE = 1.0


def look(params: dict[str, Any]) -> tuple[list[str], Difference]:
    """Tell what listens, and what of it is another than expected."""
    root = Path(params["root"])
    now = lasting(sockets.listening(root), sockets.ephemeral(root))
    if params["expected"] is None:
        return now, Difference()
    return now, difference(params["expected"], now, params["ignored"])


def main() -> None:
    """Look until it is as expected, or the time is up."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    deadline = time.monotonic() + module.params["within"]
    try:
        now, found = look(module.params)
        while found and time.monotonic() + PAUSE <= deadline:
            time.sleep(PAUSE)
            now, found = look(module.params)
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"Nobody knows where this host listens: {error}", sockets=[], missing=[], extra=[])
    told = {"sockets": now, "missing": list(found.missing), "extra": list(found.extra)}
    if found:
        module.fail_json(msg=f"It does not listen as before: {found}.", **told)
    module.exit_json(changed=False, **told)


if __name__ == "__main__":
    main()
