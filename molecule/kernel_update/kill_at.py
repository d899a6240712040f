# SPDX-License-Identifier: GPL-3.0-or-later
"""Start a roll and take the power from its controller when it has written down a phase.

usage: python molecule/kernel_update/kill_at.py PHASE INVENTORY...
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys


def main(phase: str, inventories: list[str]) -> int:
    """Run until that phase is stored, and no further."""
    command = ["ansible-playbook", *(f"--inventory={one}" for one in inventories), "playbooks/update-kernels.yml"]
    told = []
    with subprocess.Popen(
        [*command, "-e", "only=kernel-2"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        written = False
        for line in process.stdout or ():
            told.append(line)
            written = written or f"Write down what comes next: {phase}" in line
            if written and line.startswith(("changed:", "ok:")):
                os.killpg(process.pid, signal.SIGKILL)
                return 0
    print("".join(told[-60:]))
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
