# SPDX-License-Identifier: GPL-3.0-or-later
"""Count what a run costs its hosts: module executions per role and host."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: remote_executions
type: aggregate
short_description: Counts module executions per role and host
description:
  - Writes a JSON list of C([role, host, executions]) to the file that the environment variable
    E(UPSTAIRS_EXECUTIONS) names. Does nothing without it.
  - What runs on the controller only (assertions, includes, facts that are set) is not counted; C(template) and C(copy)
    count as the two module starts that they are; a loop counts each of its items.
requirements:
  - enabled in the environment with E(ANSIBLE_CALLBACKS_ENABLED)
"""

ON_THE_CONTROLLER = frozenset(
    {
        "add_host",
        "assert",
        "debug",
        "fail",
        "group_by",
        "import_role",
        "import_tasks",
        "include_role",
        "include_tasks",
        "include_vars",
        "meta",
        "pause",
        "set_fact",
        "set_stats",
        "validate_argument_spec",
    }
)
STARTS = {"template": 2, "copy": 2}


class CallbackModule(CallbackBase):  # type: ignore[misc]  # Ansible ships no types
    """Collects counts while a run goes on and writes them at its end."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "remote_executions"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[tuple[str, str]] = Counter()

    def _count(self, result: Any) -> None:
        task = result.task
        action = task.action.removeprefix("ansible.builtin.").removeprefix("ansible.legacy.")
        if action in ON_THE_CONTROLLER or (task.delegate_to and task.delegate_to == "localhost"):
            return
        role = task._role.get_name() if task._role else ""
        self.counts[role, result.host.get_name()] += STARTS.get(action, 1)

    def v2_runner_on_ok(self, result: Any) -> None:
        """A loop's items were counted one by one; its sum is no execution."""
        if not result.task.loop and not result.task.loop_with:
            self._count(result)

    def v2_runner_item_on_ok(self, result: Any) -> None:
        """Each item is a module start of its own."""
        self._count(result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Write the counts."""
        if path := os.environ.get("UPSTAIRS_EXECUTIONS"):
            rows = [[role, host, count] for (role, host), count in sorted(self.counts.items())]
            Path(path).write_text(json.dumps(rows))
