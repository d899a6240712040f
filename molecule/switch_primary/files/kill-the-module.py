# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill the switchover's module on this host as soon as PgBouncer holds its clients: the worst moment."""

import os
import signal
import subprocess
import time
from pathlib import Path

BUSY = "/run/upstairs-switchover.lock"
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
    """Return the processes that have the module's own lock open."""
    found = []
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(link.readlink()) == BUSY:
                found.append(int(link.parts[2]))
        except OSError:
            continue
    return found


while True:
    said = subprocess.run(["runuser", "-u", "postgres", "--", *CONSOLE], capture_output=True, text=True, check=False)
    if "paused|yes" in said.stdout:
        for process in holders():
            os.kill(process, signal.SIGKILL)
        break
    time.sleep(0.05)
