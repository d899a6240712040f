# SPDX-License-Identifier: GPL-3.0-or-later
"""The host of the Redis masters dies: Sentinel promotes a replica, queues go on, caches fill again."""

from __future__ import annotations

import time

import pytest

from tests.rehearsals.answers import Window, unexcused
from tests.rehearsals.crowd import Crowd
from tests.rehearsals.faults import Faults
from tests.rehearsals.tier import MOMENT, REDIS, Tier


@pytest.fixture
def master(faults: Faults, tier: Tier) -> str:
    """The master's host, which does not lead the database: both at once is told in test_primary_lost."""
    master, leader = tier.redis_master("data"), tier.leader()
    if leader == master:
        tier.hand_over(leader, next(host for host in tier.site.hosts("postgres") if host != leader))
    return master


def test_the_redis_masters_host_is_lost(master: str, crowd: Crowd, faults: Faults, tier: Tier) -> None:
    fault = crowd.strike()
    faults.lose_host(master)
    gone = time.monotonic()
    successors = {instance: tier.redis_master(instance, 180, but=master) for instance in REDIS}
    crowd.until_well(180)
    faults.mend(master)
    for instance, successor in successors.items():
        tier.redis_all_follow(instance, successor)
    tier.all_follow(tier.leader())
    crowd.until_well(60)
    books = crowd.judge()
    assert books.whole, books
    never_ran = unexcused(crowd.answers, books.idle, Window(fault - MOMENT, gone))
    assert not never_ran, f"{len(never_ran)} jobs are lost that a replica had time to copy: {never_ran[:3]}"
