# SPDX-License-Identifier: GPL-3.0-or-later
"""One member of etcd is stopped, then a second one: one is nobody's business, without two nobody may write."""

from __future__ import annotations

import time

from tests.rehearsals.crowd import Crowd
from tests.rehearsals.faults import Faults
from tests.rehearsals.tier import Tier, until

# Seconds: longer than Patroni's ttl in the lab (20 s), so that whatever would happen has happened.
LONG = 22
# Long enough to see that reading goes on when writing has stopped, and longer than new connections wait for a primary in the lab.
READING = 15


def test_one_etcd_member_is_lost(crowd: Crowd, faults: Faults, tier: Tier) -> None:
    leader = tier.leader()
    crowd.strike()
    faults.stop(leader if leader in tier.site.hosts("etcd") else tier.site.hosts("etcd")[0], "etcd")
    crowd.go_on(LONG)
    assert tier.leader() == leader, "the lead moved"
    faults.mend()
    crowd.go_on(5)
    books = crowd.judge()
    assert not crowd.failures, crowd.failures[:3]
    assert str(books) == "all is well"


def test_two_etcd_members_are_lost(crowd: Crowd, faults: Faults, tier: Tier) -> None:
    crowd.strike()
    for member in tier.site.hosts("etcd")[-2:]:
        faults.stop(member, "etcd")
    until(lambda: not tier.leaders(), "without a quorum nobody takes writes", 60)
    stopped = time.monotonic()
    crowd.go_on(READING)
    posts = [answer for answer in crowd.answers if answer.uuid and answer.good and answer.sent > stopped]
    assert not posts, f"{len(posts)} posts were acknowledged without a primary"
    mended = time.monotonic()
    faults.mend()
    crowd.mark_mended()
    tier.all_follow(tier.leader())
    crowd.until_well(60)
    books = crowd.judge()
    assert str(books) == "all is well"
    # Judged at the end, when also those who waited for long have their answer.
    reads = [answer for answer in crowd.answers if not answer.uuid and stopped < answer.sent < mended]
    failed = [answer for answer in reads if not answer.good]
    assert len(failed) <= len(reads) / 100, f"{len(failed)} of {len(reads)} reads failed while nobody led: {failed[:3]}"
