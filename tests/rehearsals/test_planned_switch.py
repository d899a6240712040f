# SPDX-License-Identifier: GPL-3.0-or-later
"""The primary and the Redis masters move to the other site and back, and nobody who posts or reads can tell."""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from bin.programs import Outcome, tail
from bin.site import QUIET
from tests.rehearsals.answers import Answer, longest_gap
from tests.rehearsals.conftest import Operate
from tests.rehearsals.crowd import Crowd
from tests.rehearsals.faults import Faults
from tests.rehearsals.tier import REDIS, Tier, until

# Seconds in which nobody gets an answer. Posts wait longer: Patroni looks once a second whether the old primary has stopped, and the new
# one asks the archive for its timeline before it begins.
LONGEST_GAP = 2
FRANZ = "to=franz"  # who has no database and no Redis


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a run of a playbook say also what was in order: a plan changes nothing."""
    monkeypatch.setitem(QUIET, "ANSIBLE_DISPLAY_OK_HOSTS", "yes")


@pytest.fixture
def fresh_web(left_as_found: None, faults: Faults, tier: Tier) -> None:
    """Restart Puma everywhere: none of its connections has been closed by an earlier switch."""
    hosts = tier.site.hosts("web")
    with ThreadPoolExecutor(len(hosts)) as pool:
        list(pool.map(lambda host: faults.restart(host, "mastodon-web@*"), hosts))


def went_well(outcome: Outcome) -> None:
    assert outcome.status == 0, tail(outcome.output, 60)


def words_of(outcome: Outcome) -> str:
    """Return what was said, however it was broken into lines."""
    return " ".join(outcome.output.split())


def failed_in(crowd: Crowd, begin: float, end: float) -> list[Answer]:
    """Return the bad answers to those who came in that time."""
    return [answer for answer in crowd.failures if begin <= answer.sent < end]


def nobody_waited_long(crowd: Crowd) -> None:
    assert str(crowd.judge()) == "all is well"
    assert longest_gap(crowd.answers) < LONGEST_GAP


def other_site(tier: Tier, host: str, group: str) -> str:
    """Return a host of the group in the site where this one is not."""
    here = next(site for site in ("basement", "cloud") if host in tier.site.hosts(site))
    return next(other for other in tier.site.hosts(group) if other not in tier.site.hosts(here))


def test_the_primary_moves_to_the_other_site_and_back(told: None, operate: Operate, crowd: Crowd, tier: Tier) -> None:
    leader = tier.leader()
    there = other_site(tier, leader, "postgres")
    planned = operate("switch-primary.yml", "-e", f"to={there}", "--check")
    went_well(planned)
    assert f"let Patroni hand over from {leader} to {there}" in words_of(planned), tail(planned.output, 60)
    assert tier.leaders() == [leader], "a plan was asked for, and it was carried out"
    for now, goal in ((leader, there), (there, leader)):
        until(lambda now=now, goal=goal: goal in tier.confirming(now), f"{goal} confirms what {now} writes", 60)  # type: ignore[misc]
        went_well(operate("switch-primary.yml", "-e", f"to={goal}"))
        assert tier.leaders() == [goal]
        tier.all_follow(goal)
    nobody_waited_long(crowd)
    assert not crowd.failures, crowd.failures[:5]


def test_the_redis_masters_move_to_the_other_site_and_back(
    fresh_web: None, operate: Operate, crowd: Crowd, tier: Tier
) -> None:
    master = tier.redis_master("data")
    begin = time.monotonic()
    between = []
    for goal in (other_site(tier, master, "redis"), master):
        went_well(operate("switch-redis.yml", "-e", f"to={goal}"))
        for instance in REDIS:
            assert tier.redis_master(instance, 30) == goal
            tier.redis_all_follow(instance, goal)
        between.append(time.monotonic())
    nobody_waited_long(crowd)
    there, back = failed_in(crowd, begin, between[0]), failed_in(crowd, between[0], math.inf)
    said = f"there: {len(there)} failures {there[:3]}; back: {len(back)} failures {back[:3]}"
    print(said)
    assert all(answer.uuid for answer in crowd.failures), f"somebody could not read: {said}"
    assert not there, said
    # Redis' clients try again once. A connection that the first switch closed, and that its process has not used since, costs that.
    assert len(back) <= len(tier.site.hosts("web")), said
    assert len(crowd.failures) == len(back), f"before the switches, too: {crowd.failures[:3]}"


@pytest.mark.changes_nothing
def test_a_switch_to_nobody_is_refused_and_says_who_there_is(operate: Operate, tier: Tier) -> None:
    before = tier.leads()
    members, copies = sorted(tier.site.hosts("postgres")), tier.site.hosts("redis")
    refusals = {
        "switch-primary.yml": (
            f"{before['database'][0]} goes on leading",
            f"franz is not a member: {', '.join(members)} are",
        ),
        "switch-redis.yml": (f"-e to={'|'.join(copies)}", f"Given: {FRANZ}"),
    }
    for playbook, words in refusals.items():
        refused = operate(playbook, "-e", FRANZ)
        assert refused.status != 0, playbook
        assert all(said in words_of(refused) for said in words), f"not said: {words}\n{tail(refused.output, 60)}"
    assert tier.leads() == before


@pytest.mark.changes_nothing
def test_a_switch_to_who_leads_already_does_nothing(told: None, operate: Operate, tier: Tier) -> None:
    before = tier.leads()
    leader, master = before["database"][0], before["data"][0]
    for playbook, to, said in (
        ("switch-primary.yml", leader, f"Nothing to do: {leader} leads."),
        ("switch-redis.yml", master, f"data: {master} is master already: nothing to do"),
    ):
        done = operate(playbook, "-e", f"to={to}", *(("-e", "instances=data") if "redis" in playbook else ()))
        went_well(done)
        assert said in words_of(done), tail(done.output, 60)
    assert tier.leads() == before
