# SPDX-License-Identifier: GPL-3.0-or-later
"""Run other programs for a person: what is done is said first, long output goes to a log, a failure shows its end."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / ".cache" / "logs"
TAIL_LINES = 120
_print_lock = threading.Lock()
# Nothing more begins: what is stopped makes room for what would come next.
stopped = threading.Event()
# Process groups of the programs that run now. Each program leads one, so that all it started can be stopped with it.
_running: set[int] = set()


def say(text: str = "") -> None:
    """Print a line at once, also from threads and into pipes."""
    with _print_lock:
        print(text, flush=True)


def fail(text: str) -> NoReturn:
    """Leave with a sentence and no traceback."""
    sys.stdout.flush()
    raise SystemExit(text)


@contextmanager
def only_one(path: Path, what: str) -> Iterator[None]:
    """Hold a lock for as long as the block runs; a second run is refused and told whose turn it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            fail(f"{what} is already running ({lock.read().strip()}): wait for it, or stop it; then run this again.")
        lock.truncate(0)
        lock.write(f"process {os.getpid()} of {ROOT}")
        lock.flush()
        yield


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Hold a lock for as long as the block runs; a second run waits for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True)
class Outcome:
    """How a program ended: its exit status, how long it took in seconds, all that it printed, and why it failed where that knows more."""

    status: int
    seconds: float
    output: str
    why: str = ""


def run(
    name: str, argv: Sequence[str | Path], *, show: bool = False, environment: dict[str, str] | None = None
) -> Outcome:
    """Run ``argv`` in the repository, its output in .cache/logs/NAME.log and, with ``show``, on the screen too."""
    LOGS.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    lines: list[str] = []
    with (
        (LOGS / f"{name}.log").open("w") as log,
        subprocess.Popen(
            [str(a) for a in argv],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process,
    ):
        _running.add(process.pid)
        for line in process.stdout or ():
            lines.append(line)
            log.write(line)
            log.flush()
            if show:
                say(line.rstrip("\n"))
        _running.discard(process.pid)
    return Outcome(process.wait(), time.monotonic() - start, "".join(lines))


def stop_with_everything(number: int, _frame: object) -> NoReturn:
    """On a signal: stop what runs, with all that it started, then leave by an exception, so that what was made is removed."""
    stopped.set()
    for group in list(_running):
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGTERM)
    raise SystemExit(128 + number)


def stop_on_signals() -> None:
    """Let a termination and Ctrl-C stop the programs that run, too."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop_with_everything)


def as_root(*command: str) -> list[str]:
    """Return a command as it is run by root, who owns the lab's hosts."""
    return [*command] if os.geteuid() == 0 else ["sudo", *command]


def podman(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run podman as root."""
    return subprocess.run(as_root("podman", *arguments), input=stdin, capture_output=True, text=True, check=False)


class HostError(Exception):
    """A host does not do what it was told. Whoever still has others to see to goes on."""


def must(*arguments: str) -> str:
    """Run podman and return what it printed; what it refuses to do to a host is an error."""
    done = podman(*arguments)
    if done.returncode != 0:
        raise HostError(f"podman {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def listed(*arguments: str) -> list[str]:
    """Return the words that a listing of podman prints."""
    try:
        return must(*arguments).split()
    except HostError as error:
        fail(str(error))


def with_labels(*labels: str) -> list[str]:
    """Return the options by which podman lists only what carries all of these labels."""
    return [word for label in labels for word in ("--filter", f"label={label}")]


def remove_hosts(*labels: str) -> int:
    """Remove the hosts that carry all of these labels; return how many there were."""
    if hosts := listed("ps", "--all", "--quiet", *with_labels(*labels)):
        listed("rm", "--force", "--time", "0", *hosts)
    return len(hosts)


BOOTED = ("running", "degraded")


def start_host(container: str) -> None:
    """Give a host its power and wait until all that starts at its boot has started, or failed."""
    must("start", container)
    deadline = time.monotonic() + 180
    # By its word and not by its status, which is that of a host with a failed unit also before systemd can be asked at all.
    while podman("exec", container, "systemctl", "is-system-running", "--wait").stdout.strip() not in BOOTED:
        if time.monotonic() > deadline:
            raise HostError(f"{container} did not boot")
        time.sleep(0.5)


def tail(output: str, count: int = TAIL_LINES) -> str:
    """Return the last lines, where programs say what went wrong."""
    return "\n".join("    " + line for line in output.rstrip("\n").split("\n")[-count:])


_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# Where a failure begins to be told: by Ansible, by pytest, by Python. Molecule draws a line before each of Ansible's.
_TELLING = re.compile(r"^(fatal: |failed: |E(?:   |$)|\w*(Error|Exception)\b)")
# Lines of Ansible's own: of those above a failure the last one says whether it is told within the result of a task.
_RESULT = re.compile(r"^(fatal|failed): \[")
_TASK = re.compile(r"^(TASK|RUNNING HANDLER) \[|^PLAY ")
# In a failed task's result, what a program or a module says for itself. What it was given stands before it.
_SAID = re.compile(r"^(msg|stderr): ")
# What comes after it is no part of the failure: Molecule removes the hosts.
_OVER = re.compile(r"^PLAY RECAP\b|An error occurred during the \w+ sequence action")
# What pytest tells of tests that went well stands between its failures and the names of those.
_WENT_WELL = re.compile(r"^=+ PASSES =+$.*?(?=^=+ short test summary info =+$|\Z)", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"^(?:FAILED|ERROR) tests/\S+")

BEFORE = 4  # lines before it, which say where


def cause(output: str, count: int = 80, width: int = 200) -> str:
    """Return the lines where the last failure is told, without colours and frames; the last lines where nothing looks like one.

    Ansible tells what a command said after all that it was given, and pytest what a playbook said in its last 60 lines: whoever has
    nothing but these lines needs them all. Of more than ``count`` it is the beginning and what was said that stay.
    """
    lines = [line.strip("\u2502 ") for line in _plain(output).splitlines()]
    lines = [line for line in lines if line]
    told = [number for number, line in enumerate(lines) if _TELLING.match(line)]
    chosen = _failure(lines, told, count) if told else lines[-count:]
    return "\n".join("    " + line[:width] for line in chosen)


def brief(output: str, count: int = 12) -> str:
    """Return which tests failed, and the first lines of the cause: for who is shown no more than the end of a long run."""
    names = [named[0] for line in _plain(output).splitlines() if (named := _NAMED.match(line))]
    return "\n".join([*("    " + name for name in names), cause(output, count)])


def _plain(output: str) -> str:
    """Return it without colours, and without what pytest tells of tests that went well."""
    return _WENT_WELL.sub("", _COLOUR.sub("", output))


def _failure(lines: list[str], told: list[int], count: int) -> list[str]:
    """Return the lines of the last failure."""
    end = next((number for number in range(told[-1], len(lines)) if _OVER.search(lines[number])), len(lines))
    # A failure told in several lines, as pytest does, begins with the first of them.
    said = next(number for number in reversed(told) if number - 1 not in told)
    first = next((number for number in range(said, -1, -1) if _RESULT.match(lines[number])), said)
    if any(_TASK.match(line) for line in lines[first:said]):
        first = said
    where, after = max(first - BEFORE, 0), first + 1
    head = lines[where:after]
    if _RESULT.match(lines[first]) and not any(_TASK.match(line) for line in head):
        # Ansible shows the place in the file between the task's name and its result.
        head = [line for line in lines[:where] if _TASK.match(line)][-1:] + head
    if len(head) + end - after > count:
        if said == first:
            said = next((number for number in range(after, end) if _SAID.match(lines[number])), first)
        if said - BEFORE > after:
            head, after = [*head, "..."], said - BEFORE
    return [*head, *lines[after:end]][:count]


_RECAP = re.compile(
    r"^(?P<host>[\w.-]+)\s*: ok=\d+\s+changed=(?P<changed>\d+)\s+unreachable=(?P<unreachable>\d+)\s+failed=(?P<failed>\d+)",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Recap:
    """What Ansible's play recap says of one host."""

    changed: int
    broken: bool


def recaps(output: str) -> dict[str, Recap]:
    """Return the recap of each host that a run of ansible-playbook printed."""
    return {
        m["host"]: Recap(int(m["changed"]), bool(int(m["unreachable"]) + int(m["failed"])))
        for m in _RECAP.finditer(_COLOUR.sub("", output))
    }
