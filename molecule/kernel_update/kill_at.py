# SPDX-License-Identifier: GPL-3.0-or-later
"""Start a roll and take the power from its controller when a task has done its work.

usage: python molecule/kernel_update/kill_at.py TASK INVENTORY... -- WHAT-IS-TYPED...
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys


def main(task: str, words: list[str]) -> int:
    """Run until a host has done the task whose name holds ``task``, and no further."""
    told = []
    at = words.index("--")
    inventories = [f"--inventory={one}" for one in words[:at]]
    with subprocess.Popen(
        ["ansible-playbook", *inventories, "playbooks/update-kernels.yml", *words[at + 1 :]],
        # Molecule asks for colours, which would stand before every word that is looked for.
        env={**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        reached = False
        for line in process.stdout or ():
            told.append(line)
            reached = task in line if line.startswith("TASK [") else reached
            if reached and line.startswith(("changed:", "ok:")):
                os.killpg(process.pid, signal.SIGKILL)
                return 0
    print("".join(told[-60:]))
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
