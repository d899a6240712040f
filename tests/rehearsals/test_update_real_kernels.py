# SPDX-License-Identifier: GPL-3.0-or-later
"""New kernels that really are booted: two web hosts and a replica of the database are virtual machines, and one more is where
kernels go wrong. That one begins each story with the disk that it had at first.

The logic of a roll is rehearsed with containers (test_update_kernels.py), on all hosts and within minutes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from bin.programs import Outcome, tail
from bin.vms import Boot
from tests.rehearsals.conftest import Operate
from tests.rehearsals.crowd import Crowd
from tests.rehearsals.machines import Machines

PLAYBOOK = "update-kernels.yml"
# The edge boots soonest. What is written there is undone before each story. Rails needs minutes to start on a machine, so the web hosts
# become some for the last story alone.
EDGE, REPLICA, WEB = "slappy", "dot", ("yakko", "wakko")
# On the replica the new kernel's package is installed by the roll itself.
VMS = {EDGE: "both", REPLICA: "old"}
# An emulated processor takes ten to twenty times as long for everything.
PATIENCE = {
    "base_verify_within": 240,
    "haproxy_verify_within": 240,
    "web_verify_within": 240,
    "sidekiq_verify_within": 240,
    "streaming_verify_within": 240,
    "pgbouncer_verify_within": 240,
    "postgres_healthy_within": 240,
    "nameserver_healthy_within": 240,
    "streaming_start_seconds": 300,
    "kernel_update_reboot_within": 900,
    "kernel_update_waves": [],
    "kernel_update_bake_time": 4,
    "kernel_update_checks": 1,
}
# Visitors per second: fewer than on containers, because the two of three web hosts that they come to are emulated.
RATES = {"reads": 1.0, "posts": 0.2}


def typed(*only: str, **more: object) -> tuple[str, ...]:
    """Return what an operator types to roll these hosts."""
    return ("-e", json.dumps({**PATIENCE, "only": ",".join(only), **more}))


def words_of(run: Outcome) -> str:
    """Return what was said, however it was broken into lines."""
    return " ".join(run.output.split())


def says(run: Outcome, *wanted: str) -> None:
    """Insist that a run that stopped says all of this."""
    said = words_of(run)
    missing = [words for words in wanted if words not in said]
    assert not missing, f"not said: {missing}\n{tail(run.output, 60)}"


@pytest.fixture
def edge(machines: Machines) -> Iterator[Boot]:
    """Return the boot of an edge whose disk is as it was at first, and of whose roll nothing is known."""
    machines.forget_rolls()
    yield machines.fresh(EDGE)
    machines.forget_rolls()


@pytest.fixture
def web(machines: Machines) -> None:
    """Web hosts are machines, and the edge serves, whatever the story before left there."""
    machines.become(dict.fromkeys(WEB, "both"))
    if not machines.serves(EDGE):
        machines.fresh(EDGE)


def test_real_kernels_that_could_not_be_booted_are_refused(operate: Operate, machines: Machines, edge: Boot) -> None:
    new = machines.newest(EDGE)
    machines.faults.hold(EDGE)
    held = operate(PLAYBOOK, *typed(EDGE))
    assert held.status == 0
    says(held, "linux-image-cloud-amd64 is held", "Nothing to do")
    machines.faults.mend()
    machines.faults.no_initrd(EDGE, new)
    machines.faults.fill_boot(EDGE)
    refused = operate(PLAYBOOK, *typed(EDGE))
    assert refused.status != 0
    says(refused, "Nothing was begun", f"/boot/initrd.img-{new} is missing", "/boot has 0 MiB free")
    assert machines.boot(EDGE) == edge


def test_real_kernels_that_panic_leave_the_host_on_the_old_one_and_out(
    operate: Operate, machines: Machines, edge: Boot
) -> None:
    new, others = machines.newest(EDGE), machines.others(EDGE)
    machines.faults.panic(EDGE, new)
    stopped = operate(PLAYBOOK, *typed(EDGE, REPLICA, kernel_update_canary=EDGE))
    assert stopped.status != 0
    says(
        stopped,
        f"{EDGE} came back with {edge.release} and not with {new}",
        "It fell back",
        f"{EDGE} came to `booted`",
        f"Not touched: {REPLICA}",
    )
    now = machines.boot(EDGE)
    assert now.release == edge.release
    assert now.id != edge.id
    assert machines.is_out(EDGE)
    # Nobody else is led into it.
    denied = operate(PLAYBOOK, *typed(REPLICA, give_up=EDGE))
    says(denied, "is denied")
    assert machines.others(EDGE) == others


def test_real_kernels_on_a_host_that_never_returns_stop_the_roll(
    operate: Operate, machines: Machines, edge: Boot
) -> None:
    new, others = machines.newest(EDGE), machines.others(EDGE)
    machines.faults.never_return(EDGE)
    stopped = operate(PLAYBOOK, *typed(EDGE, REPLICA, kernel_update_canary=EDGE, kernel_update_reboot_within=60))
    assert stopped.status != 0
    says(
        stopped,
        "It did not come back within 60 s. What is known: silent",
        f"{EDGE} came to `rebooting`",
        f"Not touched: {REPLICA}",
        "The fleet's lock stays",
        f"-e go_back={EDGE}",
    )
    assert machines.others(EDGE) == others
    assert machines.lock()
    # Its power button is pressed; what the same command does then is all but another reboot.
    machines.faults.mend()
    back = machines.boot(EDGE)
    assert back.release == new
    assert machines.is_out(EDGE)
    again = operate(PLAYBOOK, *typed(EDGE))
    assert again.status == 0, tail(again.output, 80)
    assert machines.booted_since(EDGE, edge) == [back.id]
    assert machines.serves(EDGE)
    assert not machines.lock()


def test_real_kernels_whose_host_comes_up_open_or_ill_keep_it_out(
    operate: Operate, machines: Machines, edge: Boot
) -> None:
    new = machines.newest(EDGE)
    machines.faults.break_unit(EDGE, "nginx.service", new)
    machines.faults.forget_firewall(EDGE)
    ill = operate(PLAYBOOK, *typed(EDGE, kernel_update_reboot_within=180))
    assert ill.status != 0
    says(ill, "units have failed: nginx.service", f"{EDGE} came to `rebooting`")
    booted = machines.boot(EDGE)
    assert booted.release == new
    assert machines.is_out(EDGE)
    machines.faults.mend(f"nginx.service of {EDGE}")
    bare = operate(PLAYBOOK, *typed(EDGE, base_verify_within=30))
    assert bare.status != 0
    says(bare, "The firewall that is loaded is the one in its file", f"{EDGE} came to `booted`")
    assert machines.is_out(EDGE)
    machines.faults.mend()
    again = operate(PLAYBOOK, *typed(EDGE))
    assert again.status == 0, tail(again.output, 80)
    assert machines.booted_since(EDGE, edge) == [booted.id]
    assert machines.serves(EDGE)


def test_real_kernels_come_to_web_hosts_and_a_replica_and_nobody_notices(
    operate: Operate, machines: Machines, web: None, crowd: Crowd
) -> None:
    rolled = (*WEB, REPLICA)
    new, before = machines.newest(REPLICA), {host: machines.boot(host) for host in rolled}
    roll = operate(PLAYBOOK, *typed(*rolled))
    assert roll.status == 0, tail(roll.output, 80)
    for host, old in before.items():
        now = machines.boot(host)
        assert now.release == new != old.release
        assert machines.booted_since(host, old) == [now.id]
    assert str(crowd.judge(240)) == "all is well"
    assert not crowd.failures, crowd.failures[:5]
