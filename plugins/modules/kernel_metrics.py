#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell monitoring about the kernel of this host."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet.kernel_metrics import AT_REST, UNKNOWN, WAITING, metrics
from ..module_utils.fleet.ports import textfile

DOCUMENTATION = r"""
---
module: kernel_metrics
short_description: Tell monitoring whether another kernel waits, since when, and how the last roll ended
description:
  - Writes C(upstairs_kernel_state), C(upstairs_kernel_pending), C(upstairs_kernel_pending_since_timestamp_seconds),
    C(upstairs_kernel_roll_last_result), C(upstairs_kernel_roll_last_run_timestamp_seconds) and
    C(upstairs_kernel_roll_last_success_timestamp_seconds) for node-exporter's textfile collector, whole or not at all.
  - What it wrote before tells since when a kernel waits and how the last roll ended. What is not known is left out, and is no zero.
author: [Upstairs]
options:
  state:
    description: The state of the host's kernel, as C(kernel_info) gives it.
    type: str
    choices: [pending, held, blocked, patched_live_pending, downgrade, denied, current, container, unknown]
    required: true
  result:
    description: How a roll has just ended at this host, if one did.
    type: str
    choices: ["", done, failed]
    default: ""
  metrics:
    description: The textfile. Its directory must exist.
    type: path
    required: true
attributes:
  check_mode:
    description: Writes nothing.
    support: full
  diff_mode:
    description: Shows the file before and after.
    support: full
"""

EXAMPLES = r"""
- name: Tell monitoring how it went
  kernel_metrics:
    state: current
    result: done
    metrics: /var/lib/prometheus/node-exporter/upstairs-kernel.prom
"""

RETURN = r"""
metrics:
  description: The file, line by line.
  returned: success
  type: list
  elements: str
"""

SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": [*WAITING, *AT_REST, UNKNOWN], "required": True},
    "result": {"type": "str", "choices": ["", "done", "failed"], "default": ""},
    "metrics": {"type": "path", "required": True},
}


def main() -> None:
    """Write what is new."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    params = module.params
    place = Path(params["metrics"])
    if not place.parent.is_dir() and not module.check_mode:
        module.fail_json(msg=f"{place.parent} is no directory: nobody collects metrics here (prometheus-node-exporter)")
    old = textfile.read(place)
    new = metrics(params["state"], params["result"], old, time.time())
    if new != old and not module.check_mode:
        textfile.write(place, new)
    diff = {"before_header": str(place), "after_header": str(place), "before": old, "after": new}
    module.exit_json(changed=new != old, metrics=new.splitlines(), diff=diff)


if __name__ == "__main__":
    main()
