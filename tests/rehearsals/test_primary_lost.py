# SPDX-License-Identifier: GPL-3.0-or-later
"""The database's primary dies: first its process, then its whole host. Nobody lends a hand."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tests.rehearsals.answers import NEVER, Window, unexcused
from tests.rehearsals.crowd import Crowd
from tests.rehearsals.faults import Faults
from tests.rehearsals.tier import MOMENT, REDIS, Tier, until


def test_the_primarys_postgres_is_killed(crowd: Crowd, faults: Faults, tier: Tier) -> None:
    leader = tier.leader()
    crowd.strike()
    faults.kill(leader, tier.postmaster(leader))
    crowd.until_well(180)
    tier.all_follow(tier.leader())
    assert str(crowd.judge()) == "all is well"


@dataclass(frozen=True)
class Loss:
    """A primary's host that was lost, and came back as a replica."""

    leader: str
    successor: str
    # When it may have acknowledged what nobody else has, and how many bytes are gone that it had written before that.
    window: Window
    older_bytes: int
    # Whether the master of the queues was lost with it.
    queues: bool


def lose_the_primarys_host(crowd: Crowd, faults: Faults, tier: Tier) -> Loss:
    leader, master = tier.leader(), tier.redis_master("data")
    since, directory = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()), tier.data_directory(leader)
    written = tier.flushed(leader)
    crowd.go_on(MOMENT)
    fault = crowd.strike()
    faults.lose_host(leader)
    gone = time.monotonic()
    successor = tier.leader(120, but=leader)
    crowd.until_well(180)
    older_bytes = max(0, written - tier.branched_at(successor))
    faults.mend(leader)
    tier.all_follow(successor)
    for instance in REDIS:
        tier.redis_all_follow(instance, tier.redis_master(instance))
    assert tier.data_directory(leader) == directory, f"{leader} was copied anew"
    assert "running pg_rewind" in tier.journal(leader, "patroni", since), f"{leader} came back without pg_rewind"
    crowd.until_well(60)
    return Loss(leader, successor, Window(fault - MOMENT, gone), older_bytes, queues=leader == master)


def test_the_primarys_host_is_lost(crowd: Crowd, faults: Faults, tier: Tier) -> None:
    assert tier.confirming(tier.leader()), "nobody confirms commits: this is the synchronous story"
    loss = lose_the_primarys_host(crowd, faults, tier)
    books = crowd.judge()
    assert books.whole, books
    assert loss.older_bytes == 0
    # A job is in Redis alone, which confirms nothing: those of the last moment may go with its host, and with no other.
    never_ran = unexcused(crowd.answers, books.idle, loss.window if loss.queues else NEVER)
    assert not never_ran, (
        f"{len(never_ran)} jobs are lost (Redis too was on {loss.leader}: {loss.queues}): {never_ran[:3]}"
    )


def test_the_primarys_host_is_lost_asynchronously(crowd: Crowd, faults: Faults, tier: Tier) -> None:
    """Patroni promises bytes: postgres_maximum_lag_on_failover, and what is written in a loop_wait; a rehearsal cannot write so much.

    Replicas that stream are behind by milliseconds, and that can be seen: all that was written a moment earlier must be there.
    """
    leader = tier.leader()
    faults.also("synchronous mode", lambda: tier.configure(tier.leader(), "synchronous_mode=true"))
    tier.configure(leader, "synchronous_mode=false")
    until(lambda: not tier.confirming(leader), "nobody confirms commits", 90)
    loss = lose_the_primarys_host(crowd, faults, tier)
    faults.mend("synchronous mode")
    until(lambda: tier.confirming(loss.successor), "somebody confirms commits again", 180)
    books = crowd.judge()
    print(
        f"{len(books.lost)} acknowledged statuses are lost, and {len(books.idle)} are there whose job is not known to have run"
    )
    assert not books.doubled, books
    assert loss.older_bytes == 0, f"{loss.older_bytes} bytes are lost that had been written {MOMENT:g} s earlier"
    # That a job ran is a row, too.
    older = unexcused(crowd.answers, books.lost | books.idle, loss.window)
    assert not older, f"{len(older)} statuses or jobs are lost that are no part of the last {MOMENT:g} s: {older[:3]}"
