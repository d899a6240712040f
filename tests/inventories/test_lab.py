# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory script of the lab tells which lab it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bin.programs import ROOT

SCRIPT = Path("inventories/lab/lab.py")


def told(directory: Path, **environment: str) -> dict[str, str]:
    """Return the variables that the script tells for all hosts."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("UPSTAIRS_LAB", "ANSIBLE_CONFIG")}
    said = subprocess.run(
        [sys.executable, ROOT / SCRIPT, "--list"],
        cwd=directory,
        env=inherited | environment,
        capture_output=True,
        check=True,
    ).stdout
    variables: dict[str, str] = json.loads(said)["all"]["vars"]
    return variables


@pytest.mark.parametrize(("lab", "net"), [("lab", "10.44"), ("test", "10.45")])
def test_each_lab_has_a_name_a_directory_and_a_network_of_its_own(lab: str, net: str) -> None:
    state = ROOT / ".lab" / lab
    assert told(ROOT, UPSTAIRS_LAB=lab) == {
        "lab_name": lab,
        "lab_net": net,
        "lab_root": str(ROOT),
        "lab_state": str(state),
    }


def test_the_tree_is_that_of_the_configuration_wherever_somebody_stands(tmp_path: Path) -> None:
    assert told(tmp_path, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"))["lab_root"] == str(ROOT)
    assert told(ROOT)["lab_name"] == "lab"
