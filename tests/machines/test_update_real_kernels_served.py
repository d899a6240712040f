# SPDX-License-Identifier: GPL-3.0-or-later
"""New kernels that really are booted while people come: two web hosts and a replica of the database are virtual machines.

The hosts are those of the scenario kernel_update_served, which runs this.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from bin.programs import tail
from tests.rehearsals.conftest import told
from tests.rehearsals.crowd import Crowd
from tests.rehearsals.machines import Machines
from tests.rehearsals.rolling import lent, reboots, roll, typed
from tests.rehearsals.tier import Tier
from tests.visitors import Site

REPLICA = "served-4"
# On the replica the new kernel's package is installed by the roll itself.
HOSTS = {"served-2": "both", "served-3": "both", REPLICA: "old"}
# Visitors per second: few, because two of three web hosts that they come to are emulated.
READS, POSTS = 0.5, 0.1


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    with lent(Site.of_scenario("kernel_update_served"), HOSTS) as found:
        yield found


def test_real_kernels_come_to_web_hosts_and_a_replica_and_nobody_notices(machines: Machines) -> None:
    site, tier = machines.site, Tier(machines.site, machines.faults)
    new, before = machines.newest(REPLICA), {host: machines.boot(host) for host in HOSTS}
    with told(Crowd(site, "real_kernels_for_web_hosts_and_a_replica", READS, POSTS)) as crowd:
        # Rails has just started, and loads with its first requests what they need: half a minute for each on such a processor.
        crowd.until_well(600, calm=25)
        begun = time.monotonic()
        rolled = roll(site, *typed(*HOSTS))
        assert rolled.status == 0, tail(rolled.output, 80)
        for host, old in before.items():
            now = machines.boot(host)
            assert now.release == new != old.release
            assert machines.booted_since(host, old) == [now.id]
        assert str(crowd.judge(240)) == "all is well"
        seen = [answer for answer in crowd.answers if answer.sent >= begun]
        failures = [answer for answer in seen if not answer.good]
        times = rolled.seconds / reboots(rolled.output)
        print(f"  {len(seen)} requests within {rolled.seconds:.0f} s, {times:.1f} times the boots")
        assert not failures, failures[:5]
        assert {answer.uuid is None for answer in seen} == {True, False}
    assert tier.leader() not in HOSTS
    tier.all_follow(tier.leader())
