# SPDX-License-Identifier: GPL-3.0-or-later
"""New kernels that really are booted while people come: two web hosts and a replica of the database are virtual machines."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from bin.programs import tail
from tests.rehearsals.conftest import told
from tests.rehearsals.crowd import Crowd
from tests.rehearsals.machines import Machines
from tests.rehearsals.rolling import lent, roll, typed
from tests.rehearsals.tier import Tier
from tests.visitors import Site

REPLICA = "dot"
# On the replica the new kernel's package is installed by the roll itself.
HOSTS = {"yakko": "both", "wakko": "both", REPLICA: "old"}
# Visitors per second: fewer than on containers, because the two of three web hosts that they come to are emulated.
READS, POSTS = 0.5, 0.1


@pytest.fixture(scope="module")
def machines(site: Site, left_as_found: None) -> Iterator[Machines]:
    tier = Tier(site)
    assert tier.leader() not in HOSTS, "the primary would be stopped to be made a machine"
    with lent(site, HOSTS) as found:
        yield found
    tier.all_follow(tier.leader())


@pytest.mark.by_hand
def test_real_kernels_come_to_web_hosts_and_a_replica_and_nobody_notices(site: Site, machines: Machines) -> None:
    new, before = machines.newest(REPLICA), {host: machines.boot(host) for host in HOSTS}
    with told(Crowd(site, "real_kernels_for_web_hosts_and_a_replica", READS, POSTS)) as crowd:
        # Rails has just started, and loads with its first requests what they need: half a minute for each on such a processor.
        crowd.until_well(600, calm=20)
        begun = time.monotonic()
        rolled = roll(site, *typed(*HOSTS))
        assert rolled.status == 0, tail(rolled.output, 80)
        for host, old in before.items():
            now = machines.boot(host)
            assert now.release == new != old.release
            assert machines.booted_since(host, old) == [now.id]
        assert str(crowd.judge(240)) == "all is well"
        failures = [answer for answer in crowd.failures if answer.sent >= begun]
        assert not failures, failures[:5]
