# SPDX-License-Identifier: GPL-3.0-or-later
"""The object store is away for a while: posts go on, the WAL archive waits and catches up."""

from __future__ import annotations

from tests.rehearsals.crowd import Crowd
from tests.rehearsals.faults import Faults
from tests.rehearsals.tier import Tier, until


def test_the_object_store_is_away_and_the_archive_catches_up(crowd: Crowd, faults: Faults, tier: Tier) -> None:
    (store,) = tier.site.hosts("object_store")
    leader = tier.leader()

    def archiver() -> list[str]:
        return tier.sql(leader, "select failed_count, last_archived_wal from pg_stat_archiver").split("|")

    failures = int(archiver()[0])
    crowd.strike()
    # The second is there for as long as the first, and does not come back with it.
    for unit in ("object-store-content", "object-store"):
        faults.stop(store, unit)
    waiting = tier.sql(leader, "select pg_walfile_name(pg_switch_wal())")
    until(lambda: int(archiver()[0]) > failures, "archiving says that it fails", 120)
    crowd.go_on(5)
    faults.mend()

    until(lambda: archiver()[1] >= waiting, f"{waiting} is archived", 180)
    books = crowd.judge()
    assert not crowd.failures, crowd.failures[:3]
    assert str(books) == "all is well"
