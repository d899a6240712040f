# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell Sidekiq processes to take no new jobs, and wait until their last job has ended."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet.ports.commands import run
from ..module_utils.fleet.sidekiq import Title, read_title

DOCUMENTATION = r"""
---
module: sidekiq_quiet
short_description: Tell Sidekiq to take no new jobs and wait for the last one
version_added: "1.0"
author: Upstairs (@upstairs)
description:
  - Sends TSTP to the main process of each running unit and waits until all say that no job runs.
    A process writes that into its title, which it renews every ten seconds.
  - A job that outlives the deadline is no failure. Sidekiq puts it back into its queue when it is stopped; the answer names the unit.
  - A quiet process stays quiet. Stop it, or restart it to make it work again.
options:
  units:
    description: The units.
    type: list
    elements: str
    required: true
  within:
    description: Seconds to wait for the last job.
    type: int
    default: 60
attributes:
  check_mode:
    description: Sends nothing and does not wait.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
"""

EXAMPLES = r"""
- name: leave | Take no new jobs and wait for the last one
  sidekiq_quiet:
    units: [mastodon-sidekiq-main.service]
    within: 60
"""

RETURN = r"""
busy:
  description: Units with jobs that had not ended at the deadline.
  returned: always
  type: list
  elements: str
"""

SPEC: dict[str, Any] = {
    "units": {"type": "list", "elements": "str", "required": True},
    "within": {"type": "int", "default": 60},
}


def title(unit: str) -> Title | None:
    """Return what the unit's main process says of itself, or None if there is none."""
    pid = run(["systemctl", "show", "--property=MainPID", "--value", "--", unit], 30.0).stdout.strip()
    try:
        return read_title(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    except OSError:
        return None


def running(unit: str) -> bool:
    """Return whether the unit has a process."""
    return run(["systemctl", "is-active", "--quiet", "--", unit], 30.0).rc == 0


def main() -> None:
    """Ask, signal, wait."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    up = [unit for unit in module.params["units"] if running(unit)]
    if not up or module.check_mode:
        module.exit_json(changed=bool(up), busy=[])
    for unit in up:
        answer = run(["systemctl", "kill", "--kill-whom=main", "--signal=TSTP", "--", unit], 30.0)
        if answer.rc != 0:
            module.fail_json(msg=f"{unit} could not be told to be quiet: {answer.output}")
    deadline = time.monotonic() + module.params["within"]
    busy = up
    while busy and time.monotonic() < deadline:
        time.sleep(0.5)
        # A title without the word is older than the signal: its number says nothing about jobs that were taken since.
        busy = [unit for unit in busy if (said := title(unit)) is not None and (said.busy or not said.quiet)]
    module.exit_json(changed=True, busy=busy)


if __name__ == "__main__":
    main()
