#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge a restore drill, write its metrics, and fail if it was not green."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet import drill
from ..module_utils.fleet.ports import textfile

DOCUMENTATION = r"""
---
module: drill_report
short_description: Judge a restore drill, write its metrics, and fail if it was not green
description:
  - What was not measured is not good. The metrics are written in any case, whole or not at all; a drill that was not green keeps the time
    of the last one that was.
author: [Upstairs]
options:
  failed:
    description: Parts of the drill that broke off, and why.
    type: dict
    default: {}
  noted:
    description: The marks of the primary before the restore; empty if they were not taken.
    type: dict
    default: {}
  found:
    description: The marks of the restored database; empty if there is none.
    type: dict
    default: {}
  shrink:
    description: For each value the per cent that it may be smaller.
    type: dict
    default: {}
  observed:
    description: Answers of C(probe) by name, each with C(ok) and C(said).
    type: dict
    default: {}
  copies:
    description:
      - Copies that hold about as much as their originals, each with C(name), C(live), C(restored) and C(least).
      - C(live) and C(restored) are texts that end in the number.
    type: list
    elements: dict
    default: []
  same:
    description: Copies that are their originals, each with C(name), C(live) and C(restored).
    type: list
    elements: dict
    default: []
  seconds:
    description: From the first byte until the database answered; empty if it did not.
    type: str
    default: ""
  metrics:
    description: The textfile.
    type: path
    required: true
attributes:
  check_mode:
    description: Judges, and writes nothing.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
"""

EXAMPLES = r"""
- name: drill | Say how it went
  drill_report:
    noted: "{{ noted.marks }}"
    found: "{{ found.marks }}"
    seconds: "{{ restored.seconds }}"
    metrics: /var/lib/prometheus/node-exporter/upstairs-drill.prom
"""

RETURN = r"""
report:
  description: The table, line by line.
  returned: success
  type: list
  elements: str
"""

SPEC: dict[str, Any] = {
    "failed": {"type": "dict", "default": {}},
    "noted": {"type": "dict", "default": {}},
    "found": {"type": "dict", "default": {}},
    "shrink": {"type": "dict", "default": {}},
    "observed": {"type": "dict", "default": {}},
    "copies": {"type": "list", "elements": "dict", "default": []},
    "same": {"type": "list", "elements": "dict", "default": []},
    "seconds": {"type": "str", "default": ""},
    "metrics": {"type": "path", "required": True},
}


def number(text: Any) -> int | None:
    """Return the number that a text ends in."""
    found = re.search(r"(\d+)\s*$", str(text or ""))
    return int(found[1]) if found else None


def judged(params: dict[str, Any]) -> tuple[list[drill.Check], float | None]:
    """Return all checks, and the RPO."""
    lost = None
    checks = [drill.Check(part, False, " ".join(str(why).split())) for part, why in params["failed"].items()]
    if not (params["noted"] and params["found"]):
        checks.append(drill.Check("The copy was compared with the primary", False, "one of them was not asked"))
    else:
        noted, found = drill.marks(params["noted"]), drill.marks(params["found"])
        lost = drill.rpo(noted, found)
        shrink = {name: int(percent) for name, percent in params["shrink"].items()}
        checks += drill.compare(noted, found, shrink)
    checks += drill.observed(params["observed"])
    for copy in params["copies"]:
        live, restored = number(copy["live"]), number(copy["restored"])
        checks.append(drill.plausible(copy["name"], live, restored, int(copy["least"])))
    for copy in params["same"]:
        ok = bool(copy["restored"]) and copy["live"] == copy["restored"]
        checks.append(drill.Check(copy["name"], ok, "the same" if ok else "not what lies on the host now"))
    return checks, lost


def main() -> None:
    """Judge, write, tell."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    params = module.params
    checks, lost = judged(params)
    rto = float(params["seconds"]) if params["seconds"] else None
    age = params["noted"].get("archived_age")
    exposed = None if age is None else float(age)
    place = Path(params["metrics"])
    if not module.check_mode:
        before = textfile.read(place)
        textfile.write(place, drill.metrics(checks, rto, (exposed, lost), time.time(), drill.last_success(before)))
    report = drill.table(checks, rto, exposed, lost)
    wrong = [check.name for check in checks if not check.ok]
    if wrong or not checks:
        module.fail_json(msg=f"The drill is not green: {', '.join(wrong) or 'nothing was checked'}.\n{report}")
    else:
        module.exit_json(changed=not module.check_mode, report=report.splitlines())


if __name__ == "__main__":
    main()
