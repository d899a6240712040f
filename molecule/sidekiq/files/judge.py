# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask Redis which Sidekiq processes have signed on, and judge them as a fleet.

usage: judge.py fleet | judge.py without HOST
"""

from __future__ import annotations

import json
import subprocess
import sys
import time

QUEUES = ("default", "push", "ingress", "mailers", "pull", "scheduler", "fasp")


def redis(*words: str) -> str:
    """Return what Redis answers."""
    return subprocess.run(["redis-cli", "--raw", *words], capture_output=True, text=True, check=True).stdout.strip()


def processes() -> list[dict[str, object]]:
    """Return what the processes that beat say of themselves."""
    names = redis("smembers", "processes").split()
    said = [redis("hget", name, "info") for name in names if redis("exists", name) == "1"]
    return [json.loads(text) for text in said if text]


def fleet() -> str:
    """Return what is wrong with the fleet, or nothing."""
    serving = [queue for process in processes() for queue in process["queues"]]  # type: ignore[attr-defined]
    counts = {queue: serving.count(queue) for queue in QUEUES}
    missing = [queue for queue, count in counts.items() if count == 0]
    return (
        f"nobody serves {missing}"
        if missing
        else ""
        if counts["scheduler"] == 1
        else f"{counts['scheduler']} processes schedule"
    )


def without(host: str) -> str:
    """Return what is wrong if a host has left, or nothing."""
    still = [process["identity"] for process in processes() if process["hostname"] == host]
    return f"{still} have not signed off" if still else ""


def main() -> None:
    """Ask until it is true; a process signs on with its first heartbeat."""
    wrong = ""
    for _ in range(40):
        wrong = fleet() if sys.argv[1] == "fleet" else without(sys.argv[2])
        if not wrong:
            return
        time.sleep(0.5)
    sys.exit(wrong)


main()
