# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill the switchover's module on this host as soon as PgBouncer holds its clients: the worst moment."""

import os
import signal
import subprocess
import time
from pathlib import Path

BUSY = Path("/run/upstairs-switchover.lock")
CONSOLE = [
    "psql",
    "-XAt",
    "-h",
    "/run/postgresql",
    "-p",
    "6432",
    "-U",
    "pgbouncer",
    "-d",
    "pgbouncer",
    "-c",
    "SHOW STATE",
]


def holders() -> list[int]:
    """Return the processes that hold the module's own lock."""
    inode = str(BUSY.stat().st_ino)
    # 1: FLOCK  ADVISORY  WRITE 708 08:01:13643 0 EOF
    locks = [line.split() for line in Path("/proc/locks").read_text(encoding="ascii").splitlines()]
    return [int(lock[4]) for lock in locks if lock[1] == "FLOCK" and lock[5].endswith(f":{inode}")]


while True:
    said = subprocess.run(["runuser", "-u", "postgres", "--", *CONSOLE], capture_output=True, text=True, check=False)
    if "paused|yes" in said.stdout:
        for process in holders():
            os.kill(process, signal.SIGKILL)
        break
    time.sleep(0.05)
