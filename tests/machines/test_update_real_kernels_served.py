# SPDX-License-Identifier: GPL-3.0-or-later
"""New kernels that really are booted while people come, and one that panics: two web hosts and a replica of the database are virtual
machines.

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
from tests.rehearsals.rolling import lent, reboots, roll, says, typed
from tests.rehearsals.tier import Tier
from tests.visitors import Site

WEB, NEXT, REPLICA = "served-2", "served-3", "served-4"
# On the replica the new kernel's package is installed by the roll itself.
HOSTS = {WEB: "both", NEXT: "both", REPLICA: "old"}
# Visitors per second: few, because two of three web hosts that they come to are emulated.
READS, POSTS = 0.5, 0.1
# Seconds: longer than the edge waits for Rails, so that it is the edge that gives up.
PATIENCE = 150.0


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    with lent(Site.of_scenario("kernel_update_served"), HOSTS) as found:
        yield found


@pytest.fixture(autouse=True)
def nothing_planted(machines: Machines) -> Iterator[None]:
    """Leave to the next story machines with which nothing is wrong, and no record of a roll."""
    yield
    machines.faults.mend()
    machines.forget_rolls()


def test_a_real_kernel_that_panics_is_denied_and_its_host_serves_again_with_the_old_one(machines: Machines) -> None:
    site, new = machines.site, machines.newest(REPLICA)
    old, others = machines.boot(WEB), machines.others(WEB)
    with told(Crowd(site, "a_real_kernel_that_panics", READS, POSTS, patience=PATIENCE)) as crowd:
        crowd.until_well(600, calm=25)
        begun = time.monotonic()
        machines.faults.panic(WEB, new)
        stopped = roll(site, *typed(WEB, NEXT, kernel_update_canary=WEB))
        assert stopped.status != 0
        says(
            stopped,
            f"{WEB} came back with {old.release} and not with {new}",
            "It fell back",
            f"{WEB} came to `booted`",
            f"Not touched: {NEXT}",
            f"-e go_back={WEB}",
        )
        fallen = machines.boot(WEB)
        assert fallen.release == old.release
        assert fallen.id != old.id
        back = roll(site, *typed(WEB, NEXT, go_back=WEB))
        assert back.status == 0, tail(back.output, 80)
        # Nobody else is led into it.
        says(back, f"{WEB}: done", "did not come up on another host")
        assert machines.boot(WEB) == fallen
        assert machines.others(WEB) == others
        assert str(crowd.judge(240)) == "all is well"
        failures = [answer for answer in crowd.answers if answer.sent >= begun and not answer.good]
        assert not failures, failures[:5]


def test_real_kernels_come_to_web_hosts_and_a_replica_and_nobody_notices(machines: Machines) -> None:
    site, tier = machines.site, Tier(machines.site, machines.faults)
    new, before = machines.newest(REPLICA), {host: machines.boot(host) for host in HOSTS}
    with told(Crowd(site, "real_kernels_for_web_hosts_and_a_replica", READS, POSTS, patience=PATIENCE)) as crowd:
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
