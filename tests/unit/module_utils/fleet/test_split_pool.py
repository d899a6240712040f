# SPDX-License-Identifier: GPL-3.0-or-later
"""Several hosts answer for one name; one of them leaves and comes back, and whoever follows the name meets the others meanwhile."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from plugins.module_utils.fleet.records import Mistake
from plugins.module_utils.fleet.split import Away, Split, answering, targets
from plugins.module_utils.fleet.split_preview import differences
from plugins.module_utils.fleet.split_world import Limits, Refusal
from tests.unit.module_utils.fleet.dns_simulator import (
    BUCKET,
    MEDIA,
    NEW,
    OLD,
    S3,
    Crash,
    Run,
    SimWorld,
    promises,
    rrset,
    split,
    world,
)

ESME, SLAPPY = OLD, NEW
HOSTS = {"esme": ESME, "slappy": SLAPPY}


def pool(*out: str, read_to: Sequence[str] = (*ESME, *SLAPPY), write_to: Sequence[str] | None = BUCKET) -> Split:
    return split(read_to=read_to, write_to=write_to, hosts=HOSTS, out=out)


def both() -> SimWorld:
    return world(media=(rrset(MEDIA, "A", 300, OLD[0], NEW[0]), rrset(MEDIA, "AAAA", 300, OLD[1], NEW[1])))


def moves(*hosts: str) -> Limits:
    at = frozenset(address for host in hosts for address in HOSTS[host])
    return Limits(converge_within=60, bake=10, bake_interval=10, only=at)


def leads_to(there: SimWorld) -> set[str]:
    return {value for record in there.zone.names()[MEDIA] for value in record.values}


def left() -> Run:
    """Return a run in which esme has left."""
    run = Run(both(), pool("esme"), moves("esme"))
    run.run()
    return run


def test_a_name_is_wanted_without_the_addresses_of_who_is_out() -> None:
    wanted = pool("esme")
    assert targets(wanted.sides[0].records) == {*SLAPPY}
    assert wanted.away == (Away("read", MEDIA, ESME[0], "esme"), Away("read", MEDIA, ESME[1], "esme"))
    assert targets(pool().sides[0].records) == {*ESME, *SLAPPY}
    assert pool().away == ()


def test_a_family_that_only_who_is_out_has_goes_with_it() -> None:
    wanted = pool("esme", read_to=(*ESME, SLAPPY[0]))
    assert {record.type for record in wanted.sides[0].records} == {"A"}


def test_an_address_means_the_same_however_it_is_spelled() -> None:
    wanted = split(read_to=("2001:DB8:0::1", *SLAPPY), hosts={"esme": ["2001:db8::1"]}, out=["esme"])
    assert targets(wanted.sides[0].records) == {*SLAPPY}


def test_who_is_out_and_not_declared_changes_nothing() -> None:
    assert pool("yakko", "esme", read_to=SLAPPY) == pool(read_to=SLAPPY)


@pytest.mark.parametrize("out", [("esme", "slappy"), ("slappy", "esme")])
def test_a_name_that_would_lead_nowhere_is_refused_with_who_would_be_missing_and_what_to_do(out: Sequence[str]) -> None:
    with pytest.raises(
        Mistake, match=rf"the read name {MEDIA} would lead nowhere without esme and slappy.*rejoin-service"
    ):
        pool(*out)
    with pytest.raises(Mistake, match=r"nowhere without slappy, .*cut-over-dns"):
        pool("slappy", read_to=SLAPPY)


def test_a_write_name_is_treated_alike() -> None:
    stores = {"rgw-1": BUCKET, "rgw-2": ("198.51.100.2",)}
    wanted = split(read_to=OLD, write_to=(*BUCKET, "198.51.100.2"), hosts=stores, out=["rgw-1"])
    assert targets(wanted.sides[1].records) == {"198.51.100.2"}
    with pytest.raises(Mistake, match=f"the write name {S3} would lead nowhere without rgw-1"):
        split(read_to=OLD, hosts=stores, out=["rgw-1"])


def test_two_hosts_at_one_address_and_what_is_no_address_are_refused() -> None:
    with pytest.raises(Mistake, match=r"both esme and slappy answer at 192\.0\.2\.1"):
        answering({"esme": ["192.0.2.1"], "slappy": ["192.0.2.1"]})
    with pytest.raises(Mistake, match="hosts: esme: nowhere is no address"):
        answering({"esme": ["nowhere"]})


def test_who_leaves_is_gone_after_every_cache_forgot_the_long_answer_and_comes_back_the_same_way() -> None:
    run = left()
    assert leads_to(run.world) == {*SLAPPY}
    promises(run.world, run.split, 300)
    back = Run(run.world, pool(), moves("esme"), run.ledger)
    back.run()
    assert leads_to(run.world) == {*ESME, *SLAPPY}
    promises(run.world, run.split, 300)


def test_nobody_leaves_while_the_others_do_not_work() -> None:
    run = Run(both(), pool("esme"), moves("esme"))
    run.world.healthy -= {SLAPPY[0]}
    with pytest.raises(Refusal, match=rf"{SLAPPY[0]} does not answer.*Nothing was written"):
        run.run()
    assert run.world.provider.writes == 0


def test_nobody_leaves_while_a_server_is_silent() -> None:
    run = Run(both(), pool("esme"), moves("esme"))
    run.world.zone.servers["ns2"].error = "no answer"
    with pytest.raises(Refusal, match=r"ns2.*no answer.*Nothing was written"):
        run.run()
    assert run.world.provider.writes == 0


def test_who_is_broken_can_be_taken_out() -> None:
    run = Run(both(), pool("esme"), moves("esme"))
    run.world.healthy -= {*ESME}
    assert not run.run().failed
    assert leads_to(run.world) == {*SLAPPY}


def test_a_name_that_has_no_other_beside_it_is_left_and_rejoined_alike() -> None:
    run = Run(both(), pool("esme", write_to=None), moves("esme"))
    assert not run.run().failed
    assert leads_to(run.world) == {*SLAPPY}
    back = Run(run.world, pool(write_to=None), moves("esme"))
    assert not back.run().failed
    assert leads_to(back.world) == {*ESME, *SLAPPY}


@pytest.mark.parametrize("out", [("esme",), ()])
def test_a_host_that_leaves_or_rejoins_carries_out_nobody_elses_move(out: Sequence[str]) -> None:
    tomorrow = pool(*out, read_to=(*ESME, *SLAPPY, "192.0.2.77"))
    run = Run(both(), tomorrow, moves("esme"))
    run.world.healthy |= {"192.0.2.77"}
    with pytest.raises(Refusal, match=r"by more than who leaves or rejoins: 192\.0\.2\.77\. .*cut-over-dns"):
        run.run()
    assert run.world.provider.writes == 0
    run.limits = Limits(converge_within=60, bake=30)
    run.run()
    assert "192.0.2.77" in leads_to(run.world)


def killed_in_the_wait() -> Run:
    """Return a run that was killed while esme was leaving, before the name moved."""
    run = Run(both(), pool("esme"), moves("esme"))

    def kill(_: object) -> None:
        if (run.ledger or {}).get("phase") == "ttl_lowered":
            raise Crash

    run.between = kill
    with pytest.raises(Crash):
        run.run()
    run.between = lambda _: None
    return run


def test_a_run_that_is_killed_is_finished_by_the_next_which_waits_as_long() -> None:
    run = killed_in_the_wait()
    assert leads_to(run.world) == {*ESME, *SLAPPY}
    run.run()
    assert leads_to(run.world) == {*SLAPPY}
    promises(run.world, run.split, 300)


def test_who_changes_their_mind_in_the_middle_is_told_to_let_it_finish_first() -> None:
    run = killed_in_the_wait()
    run.split = pool()
    with pytest.raises(Refusal, match="If it is of a host that leaves or rejoins, let that finish"):
        run.run()


def test_a_name_without_who_is_out_is_as_declared_and_with_it_it_is_not() -> None:
    run = left()
    assert differences(run.split, run.world, Limits(), None) == []
    (taken, added) = differences(pool(), run.world, Limits(), None)
    assert ESME[0] in taken
    assert ESME[1] in added
    said = differences(pool("esme"), both(), Limits(), None)
    assert f"{MEDIA} leads to {ESME[0]} of esme, which is out: run what takes it out or brings it back again" in said


def test_another_move_does_not_put_who_is_out_back() -> None:
    run = left()
    there = Run(run.world, pool("esme", read_to=(*ESME, *SLAPPY, "192.0.2.77")), Limits(bake=30), run.ledger)
    there.world.healthy |= {"192.0.2.77"}
    there.run()
    assert leads_to(run.world) == {*SLAPPY, "192.0.2.77"}


def test_going_back_to_who_is_out_is_possible_and_said() -> None:
    run = left()
    run.run("rolled_back")
    assert leads_to(run.world) == {*ESME, *SLAPPY}
    assert any(f"{ESME[0]} of esme" in said and "is led to again" in said for said in run.said)


def test_when_who_stays_breaks_the_name_is_as_it_was_and_the_broken_one_can_leave_instead() -> None:
    run = Run(both(), pool("esme"), moves("esme"))

    def strike(_: object) -> None:
        if (run.ledger or {}).get("phase") == "converged":
            run.world.healthy.discard(SLAPPY[0])

    run.between = strike
    assert run.run().failed
    assert leads_to(run.world) == {*ESME, *SLAPPY}
    back = Run(run.world, pool(), moves("esme"), run.ledger)
    assert not back.run().changed
    instead = Run(run.world, pool("slappy"), moves("slappy"), back.ledger)
    assert not instead.run().failed
    assert leads_to(run.world) == {*ESME}
