# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of Ansible is spared, by the ansible.cfg of this tree."""

from __future__ import annotations

from pathlib import Path

from tests.unit.callback.asking import ask_a_worker

# Asked in a worker, a copy of the controller: how often it looks for garbage, and whether it was loaded there.
FACTS = """
import gc, os
LOADED_BY = os.getpid()
class FilterModule:
    def filters(self):
        return {"inherited": lambda _: [gc.get_threshold()[0], LOADED_BY != os.getpid()]}
"""


def test_every_process_of_a_run_has_inherited_its_filters_and_looks_for_garbage_less_often(tmp_path: Path) -> None:
    threshold, inherited = ask_a_worker(tmp_path, FACTS, "inherited")
    assert threshold > 10_000
    assert inherited
