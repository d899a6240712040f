# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner of rehearsals: one story after another on one lab, each judged by what visitors saw.

A story gets ``operate`` (run a playbook as an operator would), ``crowd`` (visitors who read and post all the time), ``faults``
(what breaks, and is mended when the story ends, however it ends) and ``tier`` (what the data tier says of itself). After the
stories of a file that touch the site ``verify-fleet`` must pass: what does not leave the lab as it found it fails. At the end
there is one table of all stories: .cache/rehearsals.md.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import pytest

from bin.programs import ROOT, Outcome, stop_with_everything, tail
from tests.rehearsals.answers import HEAD, percentile, row
from tests.rehearsals.crowd import POSTS, READS, Crowd
from tests.rehearsals.faults import Faults
from tests.rehearsals.resolver import install
from tests.rehearsals.tier import Tier
from tests.visitors import Site

TABLE = ROOT / ".cache" / "rehearsals.md"
ROWS: list[str] = []
# Where people and their resolver are.
TOWN = "yakko"


class Operate(Protocol):
    """Run a playbook with arguments and return how it went."""

    def __call__(self, playbook: str, *arguments: str) -> Outcome: ...


def pytest_sessionstart() -> None:
    """Let a termination end like Ctrl-C does: what was broken is mended."""

    def interrupt(number: int, frame: object) -> None:
        try:
            stop_with_everything(number, frame)
        except SystemExit:
            raise KeyboardInterrupt from None

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, interrupt)


def pytest_sessionfinish() -> None:
    if ROWS:
        rate = f"{READS:g} reads and {POSTS:g} posts per second through both edges"
        TABLE.write_text(f"{HEAD}\n" + "\n".join(ROWS) + f"\n\nWith {rate}.\n")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in [*HEAD.splitlines(), *ROWS] if ROWS else []:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def site() -> Site:
    return Site.of_environment()


@pytest.fixture(scope="session")
def operate(site: Site) -> Operate:
    def operator(playbook: str, *arguments: str) -> Outcome:
        return site.playbook(f"rehearsal-{playbook.removesuffix('.yml')}", f"playbooks/{playbook}", *arguments)

    return operator


@pytest.fixture(scope="session", autouse=True)
def sound_ground(site: Site) -> None:
    Faults(site).mend_what_others_left()
    found = site.playbook("rehearsal-before", "playbooks/verify-fleet.yml")
    if found.status != 0:
        pytest.exit(
            f"the lab is not healthy, so nothing can be rehearsed on it:\n{tail(found.output, 40)}", returncode=1
        )


@pytest.fixture(scope="session", autouse=True)
def left_as_found(request: pytest.FixtureRequest, site: Site, sound_ground: None) -> Iterator[None]:
    yield
    if all(story.get_closest_marker("changes_nothing") for story in request.session.items):
        return
    # Once for all stories: it is half a minute of both cores, and each story asks by itself for what it needs.
    found = site.playbook("rehearsal-after", "playbooks/verify-fleet.yml")
    assert found.status == 0, f"the stories did not leave the lab as they found it:\n{tail(found.output, 40)}"


@pytest.fixture(scope="module")
def town(site: Site, left_as_found: None) -> Iterator[str]:
    """Return the host with a resolver, and remove that when all stories are told. It serves none of the names that move."""
    planted = Faults(site)
    try:
        install(planted, TOWN)
        yield TOWN
    finally:
        planted.mend()


@pytest.fixture
def tier(site: Site) -> Tier:
    return Tier(site)


@pytest.fixture
def faults(site: Site, left_as_found: None) -> Iterator[Faults]:
    planted = Faults(site)
    yield planted
    planted.mend()


@contextmanager
def told(visitors: Crowd) -> Iterator[Crowd]:
    """Let visitors come while the block goes on, and tell what they saw: their row is in the table."""
    with visitors:
        yield visitors
    posts = [answer for answer in visitors.answers if answer.uuid]
    print(f"half of the posts within {percentile(posts, 0.5):.2f} s, 99 of 100 within {percentile(posts, 0.99):.2f} s")
    story = visitors.story.replace("_", " ")
    ROWS.append(row(story, visitors.answers, visitors.books, visitors.fault, visitors.mended))


@pytest.fixture
def crowd(request: pytest.FixtureRequest, site: Site, left_as_found: None) -> Iterator[Crowd]:
    """Visitors who come while the story goes on; its row is in the table, whether or not the story went well."""
    with told(Crowd(site, request.node.name.removeprefix("test_"))) as visitors:
        yield visitors
