# SPDX-License-Identifier: GPL-3.0-or-later
"""When an etcd member may be born, restarted or taken away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.module_utils.fleet.etcd import FirstStart, Known, Member, Refusal, may_stop, plan_first_start, quorum

MEMBERS = [Member("alice", "192.0.2.1"), Member("nixie", "192.0.2.2"), Member("freud", "192.0.2.3")]
ALICE, NIXIE, FREUD = MEMBERS
RUNNING = tuple(Known(member.name, member.peer_url, f"{number}a") for number, member in enumerate(MEMBERS))


def refusal(plan: FirstStart | Refusal | None) -> str:
    assert isinstance(plan, Refusal)
    return plan.why


def test_members_that_were_all_seen_without_data_found_the_cluster() -> None:
    plan = plan_first_start(ALICE, MEMBERS, None, {"alice", "nixie", "freud"})
    assert plan == FirstStart(
        "new", "alice=http://192.0.2.1:2380,nixie=http://192.0.2.2:2380,freud=http://192.0.2.3:2380"
    )


def test_a_single_member_founds_its_cluster() -> None:
    assert plan_first_start(ALICE, [ALICE], None, set()) == FirstStart("new", "alice=http://192.0.2.1:2380")


@pytest.mark.parametrize("seen", [set(), {"alice"}, {"alice", "nixie"}])
def test_what_was_not_seen_may_hold_data_so_nobody_founds(seen: set[str]) -> None:
    assert "may hold the cluster's data" in refusal(plan_first_start(ALICE, MEMBERS, None, seen))


def test_a_member_whose_data_is_lost_does_not_come_back_as_itself() -> None:
    assert "etcdctl member remove 2a" in refusal(plan_first_start(FREUD, MEMBERS, RUNNING, {"freud"}))


def test_a_newcomer_is_announced_and_joins_what_runs() -> None:
    plan = plan_first_start(FREUD, MEMBERS, RUNNING[:2], {"freud"})
    assert plan == FirstStart(
        "existing", "alice=http://192.0.2.1:2380,nixie=http://192.0.2.2:2380,freud=http://192.0.2.3:2380", announce=True
    )


def test_a_newcomer_that_was_announced_before_is_not_announced_twice() -> None:
    plan = plan_first_start(FREUD, MEMBERS, (*RUNNING[:2], Known("", FREUD.peer_url, "9")), {"freud"})
    assert isinstance(plan, FirstStart)
    assert not plan.announce


def test_newcomers_come_one_at_a_time() -> None:
    running = (RUNNING[0], Known("", NIXIE.peer_url, "9"))
    assert "One at a time" in refusal(plan_first_start(FREUD, MEMBERS, running, {"freud"}))


def test_a_name_with_another_address_is_refused() -> None:
    running = (*RUNNING[:2], Known("freud", "http://198.51.100.1:2380", "9"))
    assert "another address" in refusal(plan_first_start(FREUD, MEMBERS, running, {"freud"}))


def test_one_of_three_may_leave_while_the_others_are_healthy() -> None:
    assert may_stop(FREUD, MEMBERS, {"alice", "nixie", "freud"}, returns=False) is None


def test_a_second_of_three_may_not() -> None:
    assert "not healthy: freud" in refusal(may_stop(NIXIE, MEMBERS, {"alice", "nixie"}, returns=False))


def test_the_only_member_may_restart_and_never_leave() -> None:
    assert may_stop(ALICE, [ALICE], {"alice"}, returns=True) is None
    assert refusal(may_stop(ALICE, [ALICE], {"alice"}, returns=False))


def test_a_member_that_is_down_anyway_may_restart() -> None:
    assert may_stop(FREUD, MEMBERS, {"alice"}, returns=True) is None


@given(st.integers(1, 7), st.sets(st.integers(0, 6)), st.integers(0, 6))
def test_whoever_leaves_leaves_a_quorum_behind(size: int, well: set[int], who: int) -> None:
    members = [Member(f"m{number}", f"192.0.2.{number}") for number in range(size)]
    healthy = {members[number].name for number in well if number < size}
    me = members[who % size]
    if may_stop(me, members, healthy, returns=False) is None:
        assert len(healthy - {me.name}) >= quorum(size)
