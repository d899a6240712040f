# SPDX-License-Identifier: GPL-3.0-or-later
"""Basement and cloud do not see each other, and both edges see both: nobody may believe that there are two primaries."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest

from bin.programs import tail
from tests.rehearsals.answers import Window, unexcused
from tests.rehearsals.claims import Claims, reigns
from tests.rehearsals.conftest import Operate
from tests.rehearsals.crowd import Crowd
from tests.rehearsals.faults import Faults
from tests.rehearsals.pushes import Pushes, lost
from tests.rehearsals.tier import MOMENT, REDIS, REDIS_WINDOW, Tier, until

# Seconds that it goes on when both sides have decided: dozens of writes of each, if there were two who take them.
SPLIT = 5


@dataclass(frozen=True)
class Stage:
    """Who leads the database, who may in the cloud, and who holds the basement's copy of Redis, which is master."""

    leader: str
    heir: str
    redis: str


@pytest.fixture
def stage(left_as_found: None, operate: Operate, tier: Tier) -> Stage:
    """Let the smaller side lead everything, and the larger one be able to: only then can both want to."""
    basement, cloud = (set(tier.site.hosts(site)) for site in ("basement", "cloud"))
    members = tier.site.hosts("postgres")
    leader, (heir,) = tier.leader(), [host for host in members if host in cloud]
    if leader == heir:
        leader = next(host for host in members if host in basement)
        tier.hand_over(heir, leader)
    until(lambda: heir in tier.confirming(leader), f"{heir} confirms what {leader} writes", 60)
    (redis,) = [host for host in tier.site.hosts("redis") if host in basement]
    if tier.redis_master("data") != redis:
        switched = operate("switch-redis.yml", "-e", f"to={redis}")
        assert switched.status == 0, tail(switched.output, 40)
    tier.redis_all_follow("data", redis)
    return Stage(leader, heir, redis)


def cut_basement_off(faults: Faults, tier: Tier) -> list[str]:
    """Let basement and cloud not see each other; return the names of the faults."""
    cloud, hosts = f"{tier.site.net}.2.0/24", tier.site.hosts("basement")
    for host in hosts:
        faults.cut_off(host, cloud)
    return [f"{host} without {cloud}" for host in hosts]


def test_basement_and_cloud_are_cut_off_from_each_other(stage: Stage, crowd: Crowd, faults: Faults, tier: Tier) -> None:
    with Claims(tier, faults) as claims, Pushes(tier, faults, stage.redis) as pushes:
        until(lambda: reigns(claims.acknowledged()) == [stage.leader], "the leader takes writes", 60)
        until(pushes.taken, f"the Redis of {stage.redis} takes writes", 60)
        crowd.until_well(60, calm=2)
        fault = crowd.strike()
        cuts = cut_basement_off(faults, tier)
        window = Window(fault - MOMENT, time.monotonic() + REDIS_WINDOW)
        assert tier.leader(180, but=stage.leader) == stage.heir
        tier.redis_master("data", 180, but=stage.redis)
        until(lambda: reigns(claims.acknowledged())[-1] == stage.heir, f"{stage.heir} takes writes", 90)
        until(lambda: pushes.refused(window.end), f"the Redis of {stage.redis} refuses what nobody copies", 90)
        crowd.go_on(SPLIT)
        assert tier.leaders() == [stage.heir], "the other side leads, too"
        faults.mend(*cuts)
        crowd.mark_mended()
        tier.all_follow(stage.heir)
        for instance in REDIS:
            tier.redis_all_follow(instance, tier.redis_master(instance))
        crowd.until_well(90)
    one_primary_kept_all(claims, stage)
    redis_kept_all_but(window, pushes)
    books = crowd.judge()
    assert books.whole, books
    # A post is acknowledged when its job is: in the cut-off basement by a Redis that is about to forget it, within the same window.
    never_ran = unexcused(crowd.answers, books.idle, window)
    assert not never_ran, f"{len(never_ran)} jobs are lost outside of {window}: {never_ran[:3]}"


def one_primary_kept_all(claims: Claims, stage: Stage) -> None:
    writes = claims.acknowledged()
    assert reigns(writes) == [stage.leader, stage.heir], "two members took writes at the same time"
    gone = {(write.member, write.number) for write in writes} - claims.kept()
    assert not gone, f"acknowledged writes are gone: {sorted(gone)[:5]}"


def redis_kept_all_but(window: Window, pushes: Pushes) -> None:
    late = pushes.taken(window.end)
    assert not late, f"the Redis of {pushes.host} was cut off and went on acknowledging: {late[:3]}"
    missed = lost(pushes.all, pushes.kept(), window)
    assert not missed, f"Redis lost what it acknowledged outside of {window}: {missed[:3]}"
