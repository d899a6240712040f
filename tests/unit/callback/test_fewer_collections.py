# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of Ansible is spared, by the ansible.cfg of this tree."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from bin.programs import ROOT

# Asked in a worker, a copy of the controller.
FACTS = """
import gc
class FilterModule:
    def filters(self):
        return {"thresholds": lambda _: list(gc.get_threshold())}
"""


def test_every_process_of_a_run_looks_for_garbage_less_often(tmp_path: Path) -> None:
    (tmp_path / "filter_plugins").mkdir()
    (tmp_path / "filter_plugins" / "thresholds.py").write_text(FACTS)
    said = tmp_path / "said.json"
    task = {"ansible.builtin.copy": {"content": "{{ '' | thresholds | to_json }}", "dest": str(said)}}
    play = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [{"name": "Ask", **task}]}]
    (tmp_path / "ask.yml").write_text(json.dumps(play))
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", str(tmp_path / "ask.yml")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(said.read_text())[0] > 10_000
