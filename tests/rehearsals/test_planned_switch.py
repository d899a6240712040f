# SPDX-License-Identifier: GPL-3.0-or-later
"""The primary and the Redis masters move to the other site and back, and nobody who posts or reads can tell."""

from __future__ import annotations

import pytest

from bin.programs import Outcome, tail
from tests.rehearsals.answers import longest_gap
from tests.rehearsals.conftest import Operate
from tests.rehearsals.crowd import Crowd
from tests.rehearsals.tier import REDIS, Tier, until

# Seconds in which nobody gets an answer. Posts wait longer: Patroni looks once a second whether the old primary has stopped, and the new
# one asks the archive for its timeline before it begins.
LONGEST_GAP = 2
WEB_PROCESSES = 6


def went_well(outcome: Outcome) -> None:
    assert outcome.status == 0, tail(outcome.output, 60)


def nobody_noticed(crowd: Crowd, unlucky: int = 0) -> None:
    assert str(crowd.judge()) == "all is well"
    assert len(crowd.failures) <= unlucky, crowd.failures[:5]
    assert longest_gap(crowd.answers) < LONGEST_GAP


def other_site(tier: Tier, host: str, group: str) -> str:
    """Return a host of the group in the site where this one is not."""
    here = next(site for site in ("basement", "cloud") if host in tier.site.hosts(site))
    return next(other for other in tier.site.hosts(group) if other not in tier.site.hosts(here))


def test_the_primary_moves_to_the_other_site_and_back(operate: Operate, crowd: Crowd, tier: Tier) -> None:
    leader = tier.leader()
    there = other_site(tier, leader, "postgres")
    crowd.strike()
    planned = operate("switch-primary.yml", "-e", f"to={there}", "--check")
    went_well(planned)
    assert there in planned.output
    assert tier.leaders() == [leader], "a plan was asked for, and it was carried out"
    for now, goal in ((leader, there), (there, leader)):
        until(lambda now=now, goal=goal: goal in tier.confirming(now), f"{goal} confirms what {now} writes", 60)  # type: ignore[misc]
        went_well(operate("switch-primary.yml", "-e", f"to={goal}"))
        assert tier.leaders() == [goal]
        tier.all_follow(goal)
    nobody_noticed(crowd)


def test_the_redis_masters_move_to_the_other_site_and_back(operate: Operate, crowd: Crowd, tier: Tier) -> None:
    master = tier.redis_master("data")
    crowd.strike()
    for goal in (other_site(tier, master, "redis"), master):
        went_well(operate("switch-redis.yml", "-e", f"to={goal}"))
        for instance in REDIS:
            assert tier.redis_master(instance, 5) == goal
            tier.redis_all_follow(instance, goal)
    # Redis' clients try again once. A connection that an earlier switch closed, and that nobody has used since, costs its owner that.
    assert all(answer.uuid for answer in crowd.failures), "somebody could not read"
    nobody_noticed(crowd, unlucky=WEB_PROCESSES)


@pytest.mark.changes_nothing
def test_a_switch_to_who_leads_already_or_to_nobody_is_refused_or_does_nothing(operate: Operate, tier: Tier) -> None:
    leader = tier.leader()
    for playbook in ("switch-primary.yml", "switch-redis.yml"):
        assert operate(playbook, "-e", "to=franz").status != 0, f"{playbook}: franz has no database and no Redis"
    assert tier.leaders() == [leader]
