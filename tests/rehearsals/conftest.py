# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner of rehearsals: one story after another on one lab, each judged by what visitors saw.

A story gets ``operate`` (run a playbook as an operator would) and ``crowd`` (visitors who read and post all the time). After each
story ``verify-fleet`` must pass: a story that does not leave the lab as it found it fails, and the next one starts on
sound ground or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Protocol

import pytest

from bin.programs import Outcome, tail
from tests.rehearsals.crowd import Crowd
from tests.visitors import Site


class Operate(Protocol):
    """Run a playbook with arguments and return how it went."""

    def __call__(self, playbook: str, *arguments: str) -> Outcome: ...


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
    found = site.playbook("rehearsal-before", "playbooks/verify-fleet.yml")
    if found.status != 0:
        pytest.exit(
            f"the lab is not healthy, so nothing can be rehearsed on it:\n{tail(found.output, 40)}", returncode=1
        )


@pytest.fixture(autouse=True)
def left_as_found(request: pytest.FixtureRequest, site: Site) -> Iterator[None]:
    yield
    found = site.playbook("rehearsal-after", "playbooks/verify-fleet.yml")
    assert found.status == 0, f"{request.node.name} did not leave the lab as it found it:\n{tail(found.output, 40)}"


@pytest.fixture
def crowd(site: Site) -> Iterator[Crowd]:
    """Visitors who come while the story goes on; the fixture prints what they saw."""
    with Crowd(site, reads_per_second=20, posts_per_second=4) as visitors:
        yield visitors
    print("\n" + visitors.report(os.environ.get("PYTEST_CURRENT_TEST", "").split("::")[-1].split(" ")[0]))
