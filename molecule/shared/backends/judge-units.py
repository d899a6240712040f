# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge the units of one kind from outside: where their processes run, what they may, and that no secret shows.

usage: judge-units.py PATTERN DIRECTORY NAME...
"""

from __future__ import annotations

import fnmatch
import os
import subprocess
import sys
from pathlib import Path


def show(unit: str, name: str) -> str:
    """Return one property of a unit."""
    argv = ["systemctl", "show", f"--property={name}", "--value", unit]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def main(pattern: str, directory: str, wanted: list[str]) -> None:
    """Say what is wrong and fail, or say nothing."""
    faults = []
    argv = ["systemctl", "list-units", "--all", "--plain", "--no-legend", pattern]
    listed = subprocess.run(argv, capture_output=True, text=True, check=True)
    units = {line.split()[0] for line in listed.stdout.splitlines() if "not-found" not in line}
    files = {
        path.name
        for path in Path("/etc/systemd/system").rglob("*")
        if fnmatch.fnmatch(path.name, pattern) and "@." not in path.name
    }
    if units | files != set(wanted):
        faults.append(f"there are {sorted(units | files)} and not {wanted}")
    for unit in wanted:
        pid = show(unit, "MainPID")
        if pid == "0":
            faults.append(f"{unit} has no process")
            continue
        argv = ["runuser", "-u", show(unit, "User"), "--", "readlink", f"/proc/{pid}/cwd"]
        runs = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()
        if runs != directory:
            faults.append(f"{unit} runs {runs} and not {directory}")
        status = Path(f"/proc/{pid}/status").read_text()
        if "CapEff:\t0000000000000000" not in status or "NoNewPrivs:\t1" not in status:
            faults.append(f"{unit} could do what only root may")
        shown = show(unit, "Environment") + Path(f"/proc/{pid}/cmdline").read_text()
        if os.environ["JUDGE_SECRET"] in shown:
            faults.append(f"{unit} shows a secret")
    if faults:
        sys.exit("; ".join(faults))


main(sys.argv[1], sys.argv[2], sys.argv[3:])
