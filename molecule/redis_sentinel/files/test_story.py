# SPDX-License-Identifier: GPL-3.0-or-later
"""The client's side of a story: start to write, stop and judge; passwords come by the environment.

usage: test_story.py start WRITER [MAX-LAG]
       test_story.py planned
       test_story.py lost BEFORE AFTER MAX-LAG
       test_story.py listens ADDRESS

BEFORE and AFTER are UNIX times, between which a master was taken away. MAX-LAG is Redis' min-replicas-max-lag, in seconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

WORK = Path("/run/story")
FIRST, STOP, REPORT = WORK / "first", WORK / "stop", WORK / "report.json"
STARTED, PLANNED = WORK / "started", WORK / "planned"
# Seconds until a wait is given up. It judges nothing: a machine that is busy with other things takes long.
PATIENCE = 120
# Seconds that the writer waits for an answer in a story in which nothing may fail: a machine that stands still is no failure.
STALL = 20


@dataclass(frozen=True)
class Push:
    """When a push was begun and when it was acknowledged: the master took it between the two."""

    began: float
    acknowledged: float


@dataclass(frozen=True)
class Told:
    """What the writer reports."""

    stopped: float
    pushes: list[Push]
    missing: list[Push]
    doubled: int
    errors: dict[str, int]
    longest: float

    def before(self, moment: float) -> int:
        """Return how many pushes were over then."""
        return sum(push.acknowledged < moment for push in self.pushes)

    def after(self, moment: float) -> int:
        """Return how many pushes that were begun later were acknowledged."""
        return sum(push.began > moment for push in self.pushes)


def window(max_lag: float) -> float:
    """Return the seconds in which a master may have acknowledged what no replica has.

    Redis counts a replica that reported within MAX-LAG, and refuses writes when too few count: so old may be the report, and what came
    after it be lost. It reckons in whole seconds, and once a second, which is one more each.
    """
    return max_lag + 2


def until(question: Callable[[], bool], unit: str) -> None:
    """Wait until it is so; who waits in vain is shown what the unit said."""
    deadline = time.monotonic() + PATIENCE
    while not question():
        assert time.monotonic() < deadline, f"not after {PATIENCE} s: {log(unit)}"
        time.sleep(0.1)


def log(unit: str) -> str:
    return subprocess.run(
        ["journalctl", "-u", unit, "-n", "20", "--no-pager"], capture_output=True, text=True, check=False
    ).stdout


def start(writer: str, max_lag: float = 0) -> None:
    """Begin to write, and to listen as the streaming server does; with MAX-LAG, until something was written that must not be lost."""
    WORK.mkdir(exist_ok=True)
    for verb in ("stop", "reset-failed"):
        subprocess.run(["systemctl", verb, "story-writer"], check=False, capture_output=True)
    for file in (FIRST, STOP, REPORT):
        file.unlink(missing_ok=True)
    keep = [f"--setenv={name}" for name in os.environ if "REDIS" in name]
    ruby = ["ruby", writer, str(WORK), *([] if max_lag else [str(STALL)])]
    subprocess.run(["systemd-run", "--quiet", "--unit=story-writer", *keep, *ruby], check=True)
    if subprocess.run(["systemctl", "is-active", "--quiet", "story-streaming"], check=False).returncode != 0:
        subprocess.run(["systemctl", "reset-failed", "story-streaming"], check=False, capture_output=True)
        node = ["--setenv=PORT=4000", "--working-directory=/opt/tiny", "node", "./streaming/index.js"]
        subprocess.run(["systemd-run", "--quiet", "--unit=story-streaming", *keep, *node], check=True)
    until(FIRST.exists, "story-writer")
    if max_lag:
        time.sleep(window(max_lag))
    STARTED.write_text(str(time.time()))


def stop() -> Told:
    """Let the writer end with a push that is acknowledged, and return what it saw."""
    stopped = time.time()
    STOP.touch()
    until(REPORT.exists, "story-writer")
    told = json.loads(REPORT.read_text())
    pushes, missing = ([Push(*push) for push in told[key]] for key in ("acknowledged", "missing"))
    return Told(stopped, pushes, missing, told["doubled"], told["errors"], told["longest"])


def planned() -> None:
    """The writer goes on at the new master; nothing failed, nothing was lost, nothing came twice."""
    told = stop()
    early, late = told.before(float(STARTED.read_text())), told.after(told.stopped)
    seen = (
        f"{len(told.pushes)} acknowledged, {early} of them before the handover and {late} after all was over; "
        f"{len(told.missing)} missing, {told.doubled} twice, errors: {told.errors}; writers waited for {told.longest} s"
    )
    print(seen)
    assert min(early, late) > 0, seen
    assert (told.errors, told.missing, told.doubled) == ({}, [], 0), seen
    PLANNED.write_text(str(told.longest))


def lost(before: float, after: float, max_lag: float) -> None:
    """The writer found the new master by itself; nothing is gone that a replica must have had, or that the new master took."""
    told, handover = stop(), float(PLANNED.read_text())
    safe = before - window(max_lag)
    early, late = told.before(safe), told.after(after)
    ages = [round(before - push.acknowledged, 2) for push in told.missing]
    seen = (
        f"{len(told.pushes)} acknowledged, {told.before(before)} of them before the loss ({early} must be there) and {late} after it; "
        f"missing, by seconds before the loss: {ages}; {told.doubled} twice, errors: {told.errors}; "
        f"the loss took {after - before:.2f} s; writers waited for {told.longest} s, and for {handover} s when it was planned"
    )
    print(seen)
    assert min(early, late) > 0, seen
    assert all(push.acknowledged >= safe and push.began <= after for push in told.missing), seen
    assert handover < told.longest, seen


def listens(address: str) -> None:
    """The streaming server listens at whoever is master now."""
    environment = {**os.environ, "REDISCLI_AUTH": os.environ["REDIS_PASSWORD"]}
    argv = ["redis-cli", "-h", address, "PUBSUB", "NUMSUB", "timeline:public"]

    def heard() -> bool:
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        return done.stdout.split()[-1:] == ["1"]

    until(heard, "story-streaming")


if __name__ == "__main__":
    verb, *words = sys.argv[1:]
    verbs: dict[str, Callable[[], None]] = {
        "start": lambda: start(words[0], *map(float, words[1:])),
        "planned": planned,
        "lost": lambda: lost(*map(float, words)),
        "listens": lambda: listens(words[0]),
    }
    verbs[verb]()
