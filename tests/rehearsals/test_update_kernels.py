# SPDX-License-Identifier: GPL-3.0-or-later
"""New kernels for the whole site while people use it: one host after the other, leaders last, and one operator at a time.

The logic of a roll: a tree of files stands in for each kernel, and a container that stops and starts for its boot. How it stops where a
kernel does not come up, or a host does not return: test_update_real_kernels.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from bin.programs import tail
from tests.rehearsals.answers import percentile
from tests.rehearsals.conftest import Operate, told
from tests.rehearsals.crowd import Crowd
from tests.rehearsals.faults import Faults
from tests.rehearsals.kernels import Kernels, new_once
from tests.rehearsals.operation import Operation
from tests.rehearsals.rolling import PLAYBOOK, reboots, words_of
from tests.rehearsals.stage import Stage
from tests.rehearsals.tier import REDIS, Tier, until
from tests.visitors import SOCIAL, Site

# Seconds for all hosts on a machine that has other things to do, and in which is seen what is usual.
PATIENCE = 3000
BEFORE = 20
# Per second. A quarter of what other stories have: the roll asks all hosts of the site all the time, on the same two cores.
READS, POSTS = 10.0, 2.0


@pytest.fixture
def kernels(site: Site, faults: Faults) -> Iterator[Kernels]:
    planted = Kernels(faults)
    faults.also("kernels", planted.remove)
    planted.plant(*site.features)
    with planted:
        yield planted


@pytest.fixture
def master(site: Site, operate: Operate, tier: Tier) -> str:
    """One master of all Redis, on a host without Rails: a host that is lost leaves one elected here and another there.

    They would be handed over twice, or before Rails is started anew. To a connection that it has not used since the first of two switches,
    a client of Redis notices the second by an error: it tries again only once.
    """
    masters = {tier.redis_master(instance) for instance in REDIS}
    without = [host for host in site.hosts("redis") if host not in site.hosts("web")]
    if len(masters) > 1 or not masters <= {*without}:
        done = operate("switch-redis.yml", "-e", f"to={without[0]}")
        assert done.status == 0, tail(done.output, 60)
    return tier.redis_master("data")


@pytest.fixture
def followers(site: Site, faults: Faults) -> Iterator[Crowd]:
    """People who come by the instance's own name: an edge that boots is met by nobody who does as the name says."""
    stage = Stage(faults, "social")
    stage.set_up(site.edges)
    with told(Crowd(site, "new_kernels_for_the_whole_site", READS, POSTS, name=SOCIAL)) as visitors:
        yield visitors


def test_the_whole_site_gets_a_new_kernel_and_nobody_notices(
    site: Site, operate: Operate, kernels: Kernels, master: str, followers: Crowd, tier: Tier
) -> None:
    leader = tier.leader()
    lead = {leader, master}
    followers.go_on(BEFORE)
    typed = (*kernels.arguments(), *Stage(kernels.faults, "social").declare(*site.edges))
    with Operation(site, PLAYBOOK, typed, "whole", {"ANSIBLE_DISPLAY_OK_HOSTS": "yes"}) as roll:
        until(lambda: "Take one host after the other" in roll.output or roll.over, "the roll has begun", 900)
        other = operate(PLAYBOOK, *kernels.arguments(leader))
        rolled = roll.wait(PATIENCE)
    assert other.status != 0
    # By the lock, or already by its plan, where the first host's record was there before it looked.
    refused = ("The fleet's lock is held", "Nothing was begun")
    assert any(words in words_of(other.output) for words in refused), tail(other.output, 40)
    assert rolled.status == 0, tail(rolled.output, 80)
    assert new_once(kernels.booted(), *site.features), kernels.booted()
    order = re.findall(r"One after the other: ([\w, ]+)", words_of(rolled.output))[0].split(", ")
    assert order[-1] == leader
    assert set(order[-len(lead) :]) == lead
    assert set(order[:2]) == set(site.hosts("edge"))
    assert tier.leader() != leader
    before = [answer for answer in followers.answers if answer.done < roll.began]
    during = [answer for answer in followers.answers if answer.sent > roll.began]
    late = {name: percentile(some, 0.99) for name, some in (("before", before), ("during", during))}
    print(
        f"  {len(order)} hosts within {rolled.seconds:.0f} s, {rolled.seconds / reboots(rolled.output):.1f} times their boots"
    )
    print(
        f"  99 of 100 within {late['before']:.2f} s before and {late['during']:.2f} s during: {late['during'] / late['before']:.1f} times"
    )
    assert str(followers.judge()) == "all is well"
    assert not followers.failures, followers.failures[:5]


def test_whoever_is_out_or_silent_already_counts(
    site: Site, operate: Operate, kernels: Kernels, faults: Faults, tier: Tier
) -> None:
    replica = next(host for host in site.hosts("postgres") if host != tier.leader())
    other = next(host for host in site.hosts("postgres") if host not in (replica, tier.leader()))
    faults.stop(replica, "patroni")
    refused = operate(PLAYBOOK, *kernels.arguments(other, postgres_healthy_within=5))
    assert refused.status != 0
    said = words_of(refused.output)
    assert "Nothing was begun" in said, tail(refused.output, 60)
    assert "postgres" in said, tail(refused.output, 60)
    assert new_once(kernels.booted())
