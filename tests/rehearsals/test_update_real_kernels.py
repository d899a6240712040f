# SPDX-License-Identifier: GPL-3.0-or-later
"""New kernels that really are booted: two web hosts and a replica of the database are virtual machines, and one more is where
kernels go wrong. That one begins each story with the disk that it had at first.

The logic of a roll is rehearsed with containers (test_update_kernels.py), on all hosts and within minutes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from bin.programs import Outcome, tail
from bin.vms import Boot
from tests.rehearsals.conftest import told
from tests.rehearsals.crowd import Crowd
from tests.rehearsals.faults import Faults
from tests.rehearsals.machines import Machines
from tests.rehearsals.operation import Operation
from tests.rehearsals.stage import TRANSIT, Stage, declared, edited
from tests.rehearsals.tier import Tier
from tests.visitors import Site

PLAYBOOK = "update-kernels.yml"
# An edge boots soonest, and does least by itself: to each story it is as it was when it had first booted, and the other one is who would
# come after it. A replica is asked all the time by those who want to know who leads, and Rails needs minutes to start: they become
# machines for the last story alone.
EDGE, NEXT, REPLICA, WEB = "slappy", "esme", "dot", ("yakko", "wakko")
# Where there is the old kernel alone, the new one's package is installed by the roll itself.
VMS = {EDGE: "both", NEXT: "old"}
SERVING = {**dict.fromkeys(WEB, "both"), REPLICA: "old"}
# Seconds for one roll of all of them.
PATIENCE = 3000
# An emulated processor takes ten to twenty times as long for everything.
SLOWLY = {
    "base_verify_within": 240,
    "haproxy_verify_within": 240,
    "web_verify_within": 240,
    "sidekiq_verify_within": 240,
    "streaming_verify_within": 240,
    "pgbouncer_verify_within": 240,
    "postgres_healthy_within": 240,
    "nameserver_healthy_within": 240,
    "web_start_seconds": 1500,
    "sidekiq_start_seconds": 1500,
    "streaming_start_seconds": 300,
    "kernel_update_reboot_within": 900,
    "kernel_update_waves": [],
    "kernel_update_bake_time": 4,
    "kernel_update_checks": 1,
}
# Visitors per second: fewer than on containers, because the two of three web hosts that they come to are emulated.
READS, POSTS = 1.0, 0.2


def typed(*only: str, **more: object) -> tuple[str, ...]:
    """Return what an operator types to roll these hosts, whom nobody knows by name for long."""
    split = edited(declared("social"), Site.of_environment().edges, TRANSIT)
    return ("-e", json.dumps({**SLOWLY, **split, "only": ",".join(only), **more}))


def roll(*arguments: str) -> Outcome:
    """Roll kernels to the end, and show what went well too: a plan is no change and no failure."""
    with Operation(Site.of_environment(), PLAYBOOK, arguments, "real", {"ANSIBLE_DISPLAY_OK_HOSTS": "yes"}) as rolling:
        return rolling.wait(PATIENCE)


def words_of(run: Outcome) -> str:
    """Return what was said, however it was broken into lines."""
    return " ".join(run.output.split())


def says(run: Outcome, *wanted: str) -> None:
    """Insist that a run that stopped says all of this."""
    said = words_of(run)
    missing = [words for words in wanted if words not in said]
    assert not missing, f"not said: {missing}\n{tail(run.output, 60)}"


@pytest.fixture(scope="module")
def machines(site: Site, left_as_found: None) -> Iterator[Machines]:
    """Some hosts are virtual machines while these stories go on."""
    tier, lent = Tier(site), Machines(site)
    try:
        lent.forget_rolls()
        lent.become(VMS)
        yield lent
    finally:
        lent.leave()
        lent.forget_rolls()
        tier.all_follow(tier.leader())


@pytest.fixture(scope="module")
def short_lived(site: Site, left_as_found: None) -> Iterator[None]:
    """Nobody comes by the name that an edge leaves, so nobody has to be waited for."""
    planted = Faults(site)
    Stage(planted, "social").set_up(site.edges, TRANSIT)
    yield
    planted.mend()


@pytest.fixture
def edge(short_lived: None, machines: Machines) -> Iterator[Boot]:
    """Return the boot of an edge with which nothing is wrong, and of whose roll nothing is known."""
    machines.forget_rolls()
    yield machines.fresh(EDGE)
    machines.forget_rolls()


@pytest.fixture
def serving(machines: Machines) -> None:
    """Web hosts and a replica are machines, behind edges that are not."""
    machines.leave()
    machines.become(SERVING)


def test_real_kernels_that_could_not_be_booted_are_refused(machines: Machines, edge: Boot) -> None:
    new = machines.newest(EDGE)
    machines.faults.hold(NEXT)
    machines.faults.half_configure(EDGE, new)
    machines.faults.no_initrd(EDGE, new)
    machines.faults.fill_boot(EDGE)
    refused = roll(*typed(EDGE, NEXT))
    assert refused.status != 0
    says(
        refused,
        "Nothing was begun",
        f"/boot/initrd.img-{new} is missing",
        "/boot has 0 MiB free",
        f"linux-image-{new} is not wholly installed (dpkg says iF)",
        "linux-image-cloud-amd64 is held",
    )
    assert machines.boot(EDGE) == edge
    machines.faults.mend(f"linux-image-cloud-amd64 of {NEXT}")


def test_real_kernels_that_panic_leave_the_host_on_the_old_one_and_out(machines: Machines, edge: Boot) -> None:
    new, others = machines.newest(EDGE), machines.others(EDGE)
    machines.faults.panic(EDGE, new)
    stopped = roll(*typed(EDGE, NEXT, kernel_update_canary=EDGE))
    assert stopped.status != 0
    says(
        stopped,
        f"{EDGE} came back with {edge.release} and not with {new}",
        "It fell back",
        f"{EDGE} came to `booted`",
        f"Not touched: {NEXT}",
    )
    now = machines.boot(EDGE)
    assert now.release == edge.release
    assert now.id != edge.id
    assert machines.is_out(EDGE)
    # Nobody else is led into it.
    denied = roll(*typed(NEXT, give_up=EDGE))
    says(denied, "is denied")
    assert machines.others(EDGE) == others


def test_real_kernels_on_a_host_that_never_returns_stop_the_roll(machines: Machines, edge: Boot) -> None:
    first, others, new = machines.fresh(NEXT), machines.others(NEXT), machines.newest(NEXT)
    machines.faults.never_return(NEXT)
    stopped = roll(*typed(NEXT, EDGE, kernel_update_canary=NEXT, kernel_update_reboot_within=60))
    assert stopped.status != 0
    says(
        stopped,
        "It did not come back within 60 s. What is known: silent",
        f"{NEXT} came to `rebooting`",
        f"Not touched: {EDGE}",
        "The fleet's lock stays",
        f"-e go_back={NEXT}",
    )
    assert machines.others(NEXT) == others
    assert machines.lock()
    # Its power button is pressed; what the same command does then is all but another reboot.
    machines.faults.mend()
    back = machines.boot(NEXT)
    assert back.release == new != first.release
    assert machines.is_out(NEXT)
    again = roll(*typed(NEXT))
    assert again.status == 0, tail(again.output, 80)
    assert machines.booted_since(NEXT, first) == [back.id]
    assert machines.serves(NEXT)
    assert not machines.lock()


def test_real_kernels_whose_host_comes_up_open_or_ill_keep_it_out(machines: Machines, edge: Boot) -> None:
    new = machines.newest(EDGE)
    machines.faults.break_unit(EDGE, "nginx.service", new)
    machines.faults.forget_firewall(EDGE)
    bare = roll(*typed(EDGE, base_verify_within=60))
    assert bare.status != 0
    says(bare, "The firewall is loaded and starts at boot: nftables.service is inactive", f"{EDGE} came to `booted`")
    booted = machines.boot(EDGE)
    assert booted.release == new
    assert machines.is_out(EDGE)
    machines.faults.mend(f"firewall of {EDGE}")
    ill = roll(*typed(EDGE))
    assert ill.status != 0
    says(ill, "nginx.service", f"{EDGE} came to `rejoined`")
    assert machines.boot(EDGE) == booted
    assert machines.is_out(EDGE)
    assert machines.lock()


@pytest.mark.by_hand
def test_real_kernels_come_to_web_hosts_and_a_replica_and_nobody_notices(
    site: Site, machines: Machines, serving: None
) -> None:
    new, before = machines.newest(REPLICA), {host: machines.boot(host) for host in SERVING}
    with told(Crowd(site, "real_kernels_for_web_hosts_and_a_replica", READS, POSTS)) as crowd:
        # Rails has just started, and loads with its first requests what they need: half a minute for each on such a processor.
        crowd.until_well(600, calm=20)
        begun = time.monotonic()
        rolled = roll(*typed(*SERVING))
        assert rolled.status == 0, tail(rolled.output, 80)
        for host, old in before.items():
            now = machines.boot(host)
            assert now.release == new != old.release
            assert machines.booted_since(host, old) == [now.id]
        assert str(crowd.judge(240)) == "all is well"
        failures = [answer for answer in crowd.failures if answer.sent >= begun]
        assert not failures, failures[:5]
