# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a process that Ansible has started for a task, by a filter of the test's own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from bin.programs import ROOT


def ask_a_worker(place: Path, plugin: str, name: str) -> Any:
    """Run a play that asks ``plugin``'s filter called ``name``, and return what it said, once the run is over."""
    (place / "filter_plugins").mkdir()
    (place / "filter_plugins" / f"{name}.py").write_text(plugin)
    said = place / "said.json"
    task = {
        "ansible.builtin.copy": {"content": f"{{{{ '' | {name} | to_json }}}}", "dest": str(said)},
        "when": "1 == 1",
    }
    play = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [{"name": "Ask", **task}]}]
    (place / "ask.yml").write_text(json.dumps(play))
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", str(place / "ask.yml")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(said.read_text())
