# SPDX-License-Identifier: GPL-3.0-or-later
"""Basement and cloud do not see each other, and both edges see both: nobody may believe that there are two primaries."""

from __future__ import annotations

import pytest

from tests.rehearsals.claims import Claims, reigns
from tests.rehearsals.crowd import Crowd
from tests.rehearsals.faults import Faults
from tests.rehearsals.tier import REDIS_WINDOW, Tier, until

# Seconds: inventories/lab, postgres_ttl.
PATRONI_TTL = 20
# How long it lasts when the cloud has elected.
SPLIT = 15


@pytest.fixture
def leader_and_heir(faults: Faults, tier: Tier) -> tuple[str, str]:
    """Let the basement lead and the cloud's replica confirm its commits: only then can both sides want to lead."""
    basement, cloud = (
        [host for host in tier.site.hosts("postgres") if host in tier.site.hosts(site)]
        for site in ("basement", "cloud")
    )
    leader = tier.leader()
    if leader not in basement:
        tier.hand_over(leader, (tier.confirming(leader) or basement)[0])
        leader = tier.leader()
    others = [host for host in basement if host != leader]
    if tier.confirming(leader) != cloud:
        for host in others:
            faults.stop(host, "patroni")
        until(lambda: tier.confirming(leader) == cloud, f"{cloud} confirms commits", 60)
        faults.mend()
        tier.all_follow(leader)
    return leader, cloud[0]


def test_basement_and_cloud_are_cut_off_from_each_other(
    leader_and_heir: tuple[str, str], crowd: Crowd, faults: Faults, tier: Tier
) -> None:
    leader, heir = leader_and_heir
    with Claims(tier, faults) as claims:
        until(lambda: reigns(claims.acknowledged()) == [leader], "the leader takes writes", 20)
        crowd.until_well(60)
        fault = crowd.strike()
        for host in tier.site.hosts("basement"):
            faults.cut_off(host, f"{tier.site.net}.2.0/24")
        assert tier.leader(60, but=leader) == heir
        crowd.go_on(SPLIT)
        assert tier.leaders() == [heir], "the other side leads, too"
        faults.mend(*(f"{host} without {tier.site.net}.2.0/24" for host in tier.site.hosts("basement")))
        crowd.mark_mended()
        tier.all_follow(heir)
        for instance in ("data", "cache"):
            tier.redis_all_follow(instance, tier.redis_master(instance))
        crowd.until_well(90)
        writes = claims.acknowledged()
    assert reigns(writes) == [leader, heir], "two members took writes at the same time"
    lost = {(write.member, write.number) for write in writes} - claims.kept()
    assert not lost, f"acknowledged writes are gone: {sorted(lost)[:5]}"
    books = crowd.judge()
    assert books.whole, books
    # Whoever leads the database on the minority's side may do so until its time is up, and gives its jobs to the Redis beside it.
    assert not crowd.jobs_lost_outside(fault - REDIS_WINDOW, fault + PATRONI_TTL)
