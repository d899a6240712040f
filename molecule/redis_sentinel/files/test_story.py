# SPDX-License-Identifier: GPL-3.0-or-later
"""The client's side of a story: start to write, stop and judge; passwords come by the environment.

usage: test_story.py start | story.py planned | story.py lost UNIX-TIME | story.py listens ADDRESS
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

WORK = Path("/run/story")
STOP, REPORT = WORK / "stop", WORK / "report.json"


def start() -> None:
    """Begin to write, and to listen as the streaming server does."""
    WORK.mkdir(exist_ok=True)
    for file in (STOP, REPORT):
        file.unlink(missing_ok=True)
    for unit in ("story-writer", "story-streaming"):
        subprocess.run(["systemctl", "reset-failed", unit], check=False, capture_output=True)
    keep = [f"--setenv={name}" for name in os.environ if "REDIS" in name]
    ruby = ["ruby", sys.argv[2], str(STOP), str(REPORT)]
    subprocess.run(["systemd-run", "--quiet", "--unit=story-writer", *keep, *ruby], check=True)
    if subprocess.run(["systemctl", "is-active", "--quiet", "story-streaming"], check=False).returncode != 0:
        node = ["--setenv=PORT=4000", "--working-directory=/opt/tiny", "node", "./streaming/index.js"]
        subprocess.run(["systemd-run", "--quiet", "--unit=story-streaming", *keep, *node], check=True)
    time.sleep(2)


def stop() -> dict[str, object]:
    """End writing, and return what was seen."""
    STOP.touch()
    deadline = time.monotonic() + 20
    while not REPORT.exists():
        assert time.monotonic() < deadline, log("story-writer")
        time.sleep(0.1)
    time.sleep(0.2)
    told: dict[str, object] = json.loads(REPORT.read_text())
    print(json.dumps(told))
    return told


def log(unit: str) -> str:
    return subprocess.run(
        ["journalctl", "-u", unit, "-n", "20", "--no-pager"], capture_output=True, text=True, check=False
    ).stdout


def planned() -> None:
    """Nothing failed, nothing was lost, nothing came twice, and writers waited for a moment only."""
    told = stop()
    assert told["errors"] == {}, told
    assert told["missing"] == [], told
    assert told["doubled"] == 0, told
    assert float(str(told["longest"])) < 4, told
    assert int(str(told["acknowledged"])) > 50, told


def lost(moment: float) -> None:
    """The client found the new master by itself; what was acknowledged in the last second may be gone, nothing older."""
    told = stop()
    missing = told["missing"]
    assert isinstance(missing, list)
    assert all(moment - 1 <= when <= moment for when in missing), told
    assert float(str(told["longest"])) < 20, told
    assert int(str(told["acknowledged"])) > 100, told


def listens(address: str) -> None:
    """The streaming server listens at whoever is master now."""
    environment = {**os.environ, "REDISCLI_AUTH": os.environ["REDIS_PASSWORD"]}
    argv = ["redis-cli", "-h", address, "PUBSUB", "NUMSUB", "timeline:public"]
    deadline = time.monotonic() + 20
    while True:
        said = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False).stdout.split()
        if said[-1:] == ["1"]:
            return
        assert time.monotonic() < deadline, (said, log("story-streaming"))
        time.sleep(0.5)


if __name__ == "__main__":
    {
        "start": start,
        "planned": planned,
        "lost": lambda: lost(float(sys.argv[2])),
        "listens": lambda: listens(sys.argv[2]),
    }[sys.argv[1]]()
