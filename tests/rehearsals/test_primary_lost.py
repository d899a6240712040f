# SPDX-License-Identifier: GPL-3.0-or-later
"""The database's primary dies: first its process, then its whole host. Nobody lends a hand."""

from __future__ import annotations

import time

from tests.rehearsals.crowd import Crowd
from tests.rehearsals.faults import Faults
from tests.rehearsals.tier import Tier, until

# roles/postgres: postgres_maximum_lag_on_failover.
ASYNCHRONOUS_BOUND = 16 * 1024 * 1024


def test_the_primarys_postgres_is_killed(crowd: Crowd, faults: Faults, tier: Tier) -> None:
    leader = tier.leader()
    crowd.strike()
    faults.kill(leader, tier.postmaster(leader))
    crowd.until_well(180)
    tier.all_follow(tier.leader())
    assert str(crowd.judge()) == "all is well"


def lose_the_primarys_host(crowd: Crowd, faults: Faults, tier: Tier) -> tuple[str, str, int]:
    """Lose it, and have it back as a replica; return who led, who leads, and how many bytes of WAL nobody has any more."""
    leader = tier.leader()
    since, directory = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()), tier.data_directory(leader)
    written = tier.flushed(leader)
    crowd.strike()
    faults.lose_host(leader)
    successor = tier.leader(120, but=leader)
    crowd.until_well(180)
    lost = max(0, written - tier.branched_at(successor))
    faults.mend(leader)
    tier.all_follow(successor)
    assert tier.data_directory(leader) == directory, f"{leader} was copied anew"
    assert "running pg_rewind" in tier.journal(leader, "patroni", since), f"{leader} came back without pg_rewind"
    crowd.until_well(60)
    return leader, successor, lost


def test_the_primarys_host_is_lost(crowd: Crowd, faults: Faults, tier: Tier) -> None:
    assert tier.confirming(tier.leader()), "nobody confirms commits: this is the synchronous story"
    _, _, bytes_lost = lose_the_primarys_host(crowd, faults, tier)
    books = crowd.judge()
    assert books.whole, books
    assert bytes_lost == 0


def test_the_primarys_host_is_lost_asynchronously(crowd: Crowd, faults: Faults, tier: Tier) -> None:
    leader = tier.leader()
    faults.also("synchronous mode", lambda: tier.configure(tier.leader(), "synchronous_mode=true"))
    tier.configure(leader, "synchronous_mode=false")
    until(lambda: not tier.confirming(leader), "nobody confirms commits", 30)
    _, successor, bytes_lost = lose_the_primarys_host(crowd, faults, tier)
    faults.mend("synchronous mode")
    until(lambda: tier.confirming(successor), "somebody confirms commits again", 60)
    books = crowd.judge()
    assert not books.doubled, books
    assert bytes_lost <= ASYNCHRONOUS_BOUND, f"{bytes_lost} bytes are lost, {len(books.lost)} statuses in them"
