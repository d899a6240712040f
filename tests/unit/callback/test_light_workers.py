# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of Ansible is spared, by the ansible.cfg of this tree."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from bin.programs import ROOT

# Asked in a worker, a copy of the controller: how often it looks for garbage, and whether it was loaded there.
FACTS = """
import gc, os
LOADED_BY = os.getpid()
class FilterModule:
    def filters(self):
        return {"inherited": lambda _: [gc.get_threshold()[0], LOADED_BY != os.getpid()]}
"""


def test_every_process_of_a_run_has_inherited_its_filters_and_looks_for_garbage_less_often(tmp_path: Path) -> None:
    (tmp_path / "filter_plugins").mkdir()
    (tmp_path / "filter_plugins" / "inherited.py").write_text(FACTS)
    said = tmp_path / "said.json"
    task = {"ansible.builtin.copy": {"content": "{{ '' | inherited | to_json }}", "dest": str(said)}}
    play = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [{"name": "Ask", **task}]}]
    (tmp_path / "ask.yml").write_text(json.dumps(play))
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", str(tmp_path / "ask.yml")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    threshold, inherited = json.loads(said.read_text())
    assert threshold > 10_000
    assert inherited
