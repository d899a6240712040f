# SPDX-License-Identifier: GPL-3.0-or-later
"""New kernels that really are booted, and go wrong: two hosts are virtual machines, and each story begins with one as it was at first.

The hosts are those of the scenario kernel_update_machines, which runs this. The logic of a roll is rehearsed with containers
(test_update_kernels.py), on all hosts of the lab and within minutes.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bin.programs import tail
from bin.vms import Boot
from tests.rehearsals.machines import Machines
from tests.rehearsals.rolling import lent, roll, says, typed
from tests.visitors import Site

EDGE, NEXT = "machine-2", "machine-3"


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    with lent(Site.of_scenario("kernel_update_machines"), {EDGE: "both", NEXT: "old"}) as found:
        yield found


@pytest.fixture
def edge(machines: Machines) -> Iterator[Boot]:
    """Return the boot of an edge with which nothing is wrong, as with the next one, and of whose roll nothing is known."""
    machines.forget_rolls()
    yield machines.fresh(EDGE, NEXT)[0]
    machines.forget_rolls()


def test_real_kernels_that_could_not_be_booted_are_refused(machines: Machines, edge: Boot) -> None:
    new = machines.newest(EDGE)
    machines.faults.no_initrd(EDGE, new)
    machines.faults.fill_boot(EDGE)
    machines.faults.half_configure(NEXT, edge.release)
    refused = roll(machines.site, *typed(EDGE, NEXT))
    assert refused.status != 0
    says(
        refused,
        "Nothing was begun",
        f"/boot/initrd.img-{new} is missing",
        "/boot has 0 MiB free",
        f"linux-image-{edge.release} is not wholly installed (dpkg says iF)",
    )
    assert machines.boot(EDGE) == edge
    machines.fresh(NEXT)
    machines.faults.hold(NEXT)
    held = roll(machines.site, *typed(NEXT))
    assert held.status == 0, tail(held.output, 60)
    says(held, "linux-image-cloud-amd64 is held", "Nothing to do")


def test_real_kernels_that_panic_leave_the_host_on_the_old_one_and_out(machines: Machines, edge: Boot) -> None:
    new, others = machines.newest(EDGE), machines.others(EDGE)
    machines.faults.panic(EDGE, new)
    stopped = roll(machines.site, *typed(EDGE, NEXT, kernel_update_canary=EDGE))
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
    denied = roll(machines.site, *typed(NEXT, give_up=EDGE))
    says(denied, "is denied")
    assert machines.others(EDGE) == others


def test_real_kernels_on_a_host_that_stays_off_and_then_comes_up_open_and_ill(machines: Machines, edge: Boot) -> None:
    others, new = machines.others(EDGE), machines.newest(EDGE)
    machines.faults.break_unit(EDGE, "nginx.service", new)
    machines.faults.forget_firewall(EDGE)
    machines.faults.never_return(EDGE)
    stopped = roll(machines.site, *typed(EDGE, NEXT, kernel_update_canary=EDGE, kernel_update_reboot_within=60))
    assert stopped.status != 0
    says(
        stopped,
        "It did not come back within 60 s. What is known: silent",
        f"{EDGE} came to `rebooting`",
        f"Not touched: {NEXT}",
        "The fleet's lock stays",
        f"-e go_back={EDGE}",
    )
    assert machines.others(EDGE) == others
    assert machines.lock()
    # Its power button is pressed; what the same command does from here on is all but another reboot.
    machines.faults.mend(f"{EDGE} is off")
    back = machines.boot(EDGE)
    assert back.release == new != edge.release
    assert machines.is_out(EDGE)
    bare = roll(machines.site, *typed(EDGE, base_verify_within=60))
    assert bare.status != 0
    says(bare, "The firewall is loaded and starts at boot: nftables.service is inactive", f"{EDGE} came to `booted`")
    assert machines.is_out(EDGE)
    machines.faults.mend(f"firewall of {EDGE}")
    ill = roll(machines.site, *typed(EDGE))
    assert ill.status != 0
    says(ill, "nginx.service", f"{EDGE} came to `rejoined`")
    assert machines.boot(EDGE) == back
    assert machines.is_out(EDGE)
    assert machines.lock()
    machines.faults.mend(f"nginx.service of {EDGE}")
    whole = roll(machines.site, *typed(EDGE))
    assert whole.status == 0, tail(whole.output, 80)
    assert machines.booted_since(EDGE, edge) == [back.id]
    assert machines.serves(EDGE)
    assert not machines.lock()
