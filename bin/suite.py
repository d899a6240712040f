# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests of this repository, in the order of what they cost.

usage: python -m bin.suite check | test | scenario ROLE | rehearse [STORY]

``check``: what needs no host. ``test``: everything, on hosts of its own (UPSTAIRS_LAB=test), which it removes at the end, also
after a failure, unless UPSTAIRS_KEEP says that somebody wants to look at the site's. ``rehearse``: all stories, or those with
STORY in their name, on the lab that ``make lab`` keeps. Each step prints one line; a failed one prints why, and all that was
said is in .cache/logs.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from bin.journals import journals
from bin.programs import (
    LOGS,
    ROOT,
    Outcome,
    brief,
    cause,
    fail,
    only_one,
    podman,
    remove_hosts,
    run,
    say,
    stop_on_signals,
    stopped,
    tail,
)

TEST_LOCK = Path("/run/lock/upstairs-test")
# Two scenarios fill two cores, and what they leave of them the site uses; more only makes each wait for the other.
LANES = 2
# Longest first, so that the last to end is a short one. Those that are not named here come after.
SLOWEST = (
    *(
        "kernel_update_served",
        "dns_split",
        "kernel_update",
        "restore",
        "pgbackrest",
        "redis_sentinel",
        "switch_primary",
    ),
    *("postgres", "restic", "app", "sidekiq", "web"),
)

# Takes so long on an emulated processor that `make test` might not end in time; `make molecule-<name>` runs it. It tells of faults that
# containers tell of too.
BY_HAND = ("kernel_update_machines",)

# Visitors per second of a story in `make test`: a quarter of those that come to a lab with nothing else to do, because the scenarios
# run on the same cores (docs/decisions/0009-visitors-by-locust.md).
FEWER_VISITORS = {"UPSTAIRS_READS": "10", "UPSTAIRS_POSTS": "2"}


@dataclass(frozen=True)
class Failure:
    """Why a step failed: all that helps, and in a few lines."""

    why: str
    brief: str


@dataclass
class Tally:
    """What was run, and how it went."""

    passed: int = 0
    failed: dict[str, Failure] = field(default_factory=dict)

    def add(self, name: str, outcome: Outcome) -> bool:
        """Print a step's line; return whether it passed."""
        good = outcome.status == 0
        counted = re.findall(r"^(\d+) passed.* in [\d.:]+", re.sub(r"\x1b\[[0-9;]*m", "", outcome.output), re.MULTILINE)
        detail = f"  ({counted[-1]} tests)" if counted else ""
        say(f"{'ok  ' if good else 'FAIL'}  {name:<32} {outcome.seconds:6.0f} s{detail}")
        for row in re.findall(r"^\| .*", outcome.output, re.MULTILINE):
            say(f"      {row}")
        if good:
            self.passed += int(counted[-1]) if counted else 1
        else:
            self.failed[name] = Failure(outcome.why or cause(outcome.output), brief(outcome.output))
            say(self.failed[name].why)
        return good

    def do(self, name: str, step: Callable[[], Outcome]) -> bool:
        """Do a step and print its line; return whether it passed. None begins once the run is stopped."""
        return not stopped.is_set() and self.add(name, step())

    def close(self, start: float) -> None:
        """Print the closing lines and leave with the status that they mean: once more why, because hours of output lie between.

        In a few lines at the very end, because who runs it on another machine may be shown no more than that.
        """
        for name, failure in self.failed.items():
            say(f"\n{name}:\n{failure.why}")
        for name, failure in self.failed.items():
            say(f"\n{name}, in short:\n{failure.brief}")
        say(
            f"\nThe whole took {(time.monotonic() - start) / 60:.1f} minutes."
            + (f" Failed: {', '.join(self.failed)} (all output: {LOGS.relative_to(ROOT)}/)." if self.failed else "")
        )
        say(f"{self.passed} passed, {len(self.failed)} failed")
        raise SystemExit(1 if self.failed else 0)


def pytest(name: str, *paths: str) -> Outcome:
    """Run pytest over ``paths``."""
    return run(name, [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *paths])


def checks() -> list[tuple[str, Callable[[], Outcome]]]:
    """Return lint, types, unit, templates, inventories and house law, the longest first."""
    lint = ["ansible-lint", "--offline", "--profile", "production", "-q"]
    return [
        ("ansible-lint", lambda: run("ansible-lint", lint)),
        ("ruff", lambda: run("ruff", ["ruff", "check", "."])),
        ("ruff format", lambda: run("ruff-format", ["ruff", "format", "--check", "."])),
        ("yamllint", lambda: run("yamllint", ["yamllint", "--strict", "."])),
        ("mypy", lambda: run("mypy", ["mypy"])),
        ("unit, templates, inventories, house", lambda: pytest("check-pytest")),
    ]


@contextmanager
def lanes() -> Iterator[ThreadPoolExecutor]:
    """Do so many steps at a time; when the run is stopped, what has not begun never begins."""
    with ThreadPoolExecutor(LANES) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def check(tally: Tally) -> None:
    """Run what needs no host."""
    with lanes() as pool:
        list(pool.map(tally.do, *zip(*checks(), strict=True)))


def scenarios() -> list[str]:
    """Return the Molecule scenarios that ``test`` runs, slowest first."""
    found = [p.parent.name for p in ROOT.glob("molecule/*/molecule.yml") if p.parent.name not in BY_HAND]
    return sorted(found, key=lambda n: (SLOWEST.index(n) if n in SLOWEST else len(SLOWEST), n))


def scenario(name: str, *, show: bool = False) -> Outcome:
    """Run one scenario whole; its hosts are removed also when it fails, and then what their programs complained of is told."""
    for journal in journals(name):
        journal.unlink()
    outcome = run(f"molecule-{name}", ["molecule", "test", "--scenario-name", name], show=show)
    if outcome.status == 0:
        return outcome
    run(f"molecule-{name}-destroy", ["molecule", "destroy", "--scenario-name", name])
    complaints = [f"{one.name}, errors only:\n{tail(one.read_text(), 12)}" for one in journals(name)]
    return replace(outcome, why="\n".join([cause(outcome.output), *complaints]))


def host_image() -> Outcome:
    """Build the image of the hosts, once for all scenarios."""
    return run("host-image", ["ansible-playbook", "-i", "molecule/shared/inventory", "molecule/shared/create.yml"])


@contextmanager
def beside(tally: Tally) -> Iterator[Future[bool]]:
    """Run all checks, bad input and all scenarios in the lanes while the block goes on, and come to their end after it.

    What is lent tells whether there is an image of the hosts, without which there are neither scenarios nor a site. Scenarios and site
    have hosts of their own, and the site's come first where both want a core (molecule/shared/tasks/host.yml).
    """
    with lanes() as pool:
        image: Future[bool] = pool.submit(tally.do, "host image", host_image)

        def do_with_image(name: str, step: Callable[[], Outcome]) -> bool:
            return image.result() and tally.do(name, step)

        others = [pool.submit(tally.do, name, step) for name, step in checks()]
        # No host is needed for what is refused before the first one is asked; only the secrets, which come with the image.
        others.append(pool.submit(do_with_image, "bad input", partial(pytest, "bad_input", "tests/bad_input")))
        others += [pool.submit(do_with_image, f"scenario {name}", partial(scenario, name)) for name in scenarios()]
        yield image
        # What is not asked for its result keeps its exceptions to itself.
        for one in others:
            one.result()


def killed_half_way() -> Outcome:
    """Start making the site and kill it, with all its children, while the databases are made."""
    start, lines = time.monotonic(), []
    reached = False
    with subprocess.Popen(
        [sys.executable, "-m", "bin.lab", "up"],
        cwd=ROOT,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        for line in process.stdout or ():
            lines.append(line)
            if "PLAY [PostgreSQL: converge]" in line:
                time.sleep(5)
                # Ansible leads a process group of its own; nobody gets to tidy up.
                children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
                for group in (process.pid, *map(int, children)):
                    os.killpg(group, signal.SIGKILL)
                reached = bool(children)
                break
    return Outcome(0 if reached else 1, time.monotonic() - start, "".join(lines))


def site(tally: Tally) -> None:
    """Make the site (once killed half way), then ask it everything from outside, and rehearse."""
    if not tally.add("make lab, killed half way", killed_half_way()):
        return
    if not tally.add("make lab, again: it finishes", run("site-up", [sys.executable, "-m", "bin.lab", "up"])):
        return
    for name in ("acceptance", "rehearsals"):
        # P: what a rehearsal's visitors saw is worth a line also when all went well; f and E: which of the stories did not go well.
        tally.add(name, pytest(name, "-rPfE", "--durations=0", "--durations-min=5", f"tests/{name}"))


def clean() -> None:
    """Remove every host that a test of any clone left, by its label, their network, and this clone's keys to them."""
    remove_hosts("upstairs.lab=test")
    # There may be none; and if it stays for another reason, the next run uses it.
    podman("network", "rm", "upstairs-test")
    shutil.rmtree(ROOT / ".lab" / "test", ignore_errors=True)


def keeps_hosts() -> bool:
    """Tell whether whoever runs the tests wants to look at the hosts afterwards."""
    return bool(os.environ.get("UPSTAIRS_KEEP"))


def test() -> None:
    """Everything."""
    start, tally = time.monotonic(), Tally()
    with only_one(TEST_LOCK, "make test"):
        try:
            clean()
            # The site's stories wait more than they compute: for a TTL, for an election, for a host that boots. Scenarios fill that.
            with beside(tally) as image:
                if image.result():
                    site(tally)
                    if not keeps_hosts():
                        # Its hosts take a fifth of a core while nobody visits, and scenarios go on for a quarter of an hour.
                        remove_hosts("upstairs.lab=test", "upstairs.scenario=site")
        finally:
            if not keeps_hosts():
                clean()
    tally.close(start)


def main(arguments: list[str]) -> None:
    """Do what the command line asks."""
    stop_on_signals()
    start = time.monotonic()
    match arguments:
        case ["check"]:
            tally = Tally()
            check(tally)
            tally.close(start)
        case ["test"]:
            os.environ["UPSTAIRS_LAB"] = "test"
            for rate, visitors in FEWER_VISITORS.items():
                os.environ.setdefault(rate, visitors)
            test()
        case ["scenario", name]:
            os.environ["UPSTAIRS_LAB"] = "test"
            outcome = scenario(name, show=True)
            if outcome.why:
                say(outcome.why)
            raise SystemExit(outcome.status)
        case ["rehearse", *names]:
            chosen = [word for name in names for word in ("-k", name.replace("-", "_"))]
            argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-s", *chosen, "tests/rehearsals"]
            raise SystemExit(run("rehearse", argv, show=True).status)
        case _:
            fail(__doc__ or "")


if __name__ == "__main__":
    main(sys.argv[1:])
