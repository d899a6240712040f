# SPDX-License-Identifier: GPL-3.0-or-later
"""Handing Redis over: what is refused, and that whatever happens writes go on and priorities come back."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from plugins.module_utils.fleet.redis import Copy, Member, Opinion
from plugins.module_utils.fleet.redis_switch import (
    PING,
    Instance,
    Limits,
    Refused,
    SwitchFailed,
    perform,
    plan,
    set_right,
    table,
)

MEMBERS = (Member("alice", "10.0.0.1"), Member("dot", "10.0.0.2"), Member("nixie", "10.0.0.3"))
MASTER = Copy("master", offset=500)
REPLICA = Copy("slave", offset=480, follows="10.0.0.1:6379", link_up=True)
COPIES: dict[str, Copy | None] = {"alice": MASTER, "dot": REPLICA, "nixie": REPLICA}
AGREED = Opinion("10.0.0.1:6379", flags=("master",), others=2)
OPINIONS: dict[str, Opinion | None] = {"s1": AGREED, "s2": AGREED, "s3": AGREED}
FOUND = Instance("data", 6379, MEMBERS, COPIES, OPINIONS, 2, 1)
LIMITS = Limits(max_lag=100, pause_ms=10000, within=10)


def refusals(
    copies: dict[str, Copy | None] | None = None, opinions: dict[str, Opinion | None] | None = None
) -> tuple[str, ...]:
    found = replace(FOUND, copies=COPIES | (copies or {}), opinions=OPINIONS | (opinions or {}))
    return plan(found, "nixie", LIMITS).refusals


def test_a_fleet_that_is_well_is_handed_over() -> None:
    one = plan(FOUND, "nixie", LIMITS)
    assert one.changes
    assert one.refusals == ()


def test_who_is_master_already_has_nothing_to_do() -> None:
    one = plan(FOUND, "alice", LIMITS)
    assert not one.changes
    assert one.refusals == ()
    assert "nothing to do" in "\n".join(table([one]))


@pytest.mark.parametrize(
    ("copies", "said"),
    [
        ({"nixie": None}, "nixie does not answer"),
        ({"nixie": replace(REPLICA, link_up=False)}, "nixie has no link to alice"),
        ({"nixie": replace(REPLICA, offset=None)}, "the lag of nixie could not be measured"),
        ({"alice": replace(MASTER, offset=None)}, "the lag of nixie could not be measured"),
        ({"nixie": replace(REPLICA, offset=399)}, "nixie is 101 bytes behind, 100 are allowed"),
        ({"alice": None}, "nobody says that it is master"),
        ({"dot": MASTER}, "alice and dot says that it is master"),
    ],
)
def test_a_copy_that_would_lose_something_is_refused(copies: dict[str, Copy | None], said: str) -> None:
    assert refusals(copies) == (said,)


@pytest.mark.parametrize(
    ("opinions", "said"),
    [
        ({"s1": None, "s2": None}, "1 of 3 Sentinels answer, 2 must (silent: s1, s2)"),
        ({"s1": replace(AGREED, quorum=False, quorum_said="NOQUORUM")}, "Sentinel s1 could not fail over: NOQUORUM"),
        (
            {"s1": replace(AGREED, flags=("failover_in_progress",))},
            "Sentinel s1 is at work on it: failover_in_progress",
        ),
        (
            {"s1": replace(AGREED, address="10.0.0.2:6379")},
            "Sentinel s1 says that 10.0.0.2:6379 is master, alice says so itself",
        ),
    ],
)
def test_sentinels_that_could_not_decide_are_a_refusal(opinions: dict[str, Opinion | None], said: str) -> None:
    assert refusals(opinions=opinions) == (said,)


def test_one_silent_sentinel_of_three_is_none() -> None:
    assert refusals(opinions={"s1": None}) == ()


def test_a_stranger_is_refused() -> None:
    assert plan(FOUND, "yakko", LIMITS).refusals == ("yakko holds no copy: alice, dot, nixie do",)


def test_the_table_says_what_was_not_measured() -> None:
    shown = table([plan(replace(FOUND, copies=COPIES | {"dot": None}), "nixie", LIMITS)])
    assert any("dot" in line and "not measured" in line for line in shown)


class World:
    """Three members and three Sentinels that do what they are told, unless a fault is planted."""

    def __init__(self, faults: tuple[str, ...] = ()) -> None:
        self.faults, self.said, self.clock = faults, list[str](), 0.0
        self.priority = {"alice": "100", "dot": "100", "nixie": "100"}
        self.quorum = {"alice": "1", "dot": "1", "nixie": "1"}
        self.master, self.paused, self.pauses = {"alice"}, False, 0
        self.asked: Counter[str] = Counter()

    def _late(self, question: str, times: int) -> None:
        """Answer a question too late the first times that it is asked while no write waits."""
        self.asked[question] += 1
        if self.pauses == 0 and "PAUSE" not in question and self.asked[question] <= times:
            raise TimeoutError("timed out")

    def redis(self, member: str, *words: object) -> Any:
        self._late(f"{member}: {words}", 3 if "late" in self.faults else 99 if f"{member} gone" in self.faults else 0)
        self.said.append(f"{member}: {' '.join(map(str, words))}")
        if words[0] == "CONFIG":
            settings = {"replica-priority": self.priority, "min-replicas-to-write": self.quorum}[str(words[2])]
            if words[1] == "GET":
                return [words[2], settings[member]]
            settings[member] = str(words[3])
        elif words[:2] == ("CLIENT", "PAUSE"):
            self.paused = True
            self.pauses += 1
        elif words[:2] == ("CLIENT", "UNPAUSE"):
            self.paused = False
        elif words[0] == "REPLICAOF":
            self.master.discard(member)
        return "OK"

    def undo(self, member: str, *words: object) -> None:
        self.redis(member, *words)

    def sentinel(self, name: str, *words: object) -> Any:
        self._late(f"{name}: {words}", 3 if "late" in self.faults else 0)
        self.said.append(f"{name}: {' '.join(map(str, words))}")
        if words[0] == "REPLICAS":
            seen = "100" if "blind sentinel" in self.faults else self.priority["dot"]
            return [["ip", "10.0.0.2", "port", "6379", "slave-priority", seen]]
        if words[0] == "FAILOVER" and "refused" in self.faults:
            raise Refused("NOGOODSLAVE")
        if words[0] == "FAILOVER" and "silent" in self.faults:
            raise TimeoutError("timed out")
        if words[0] == "FAILOVER" and "no failover" not in self.faults:
            self.master.add("nixie")
            self.clock += 30 if "clock jumps" in self.faults else 0
        return "OK"

    def says(self, name: str, instance: str) -> str | None:
        self.said.append(f"{name}: who is master?")
        if "other word" in self.faults:
            return "10.0.0.2:6379"
        return "10.0.0.3:6379" if "nixie" in self.master and "no agreement" not in self.faults else "10.0.0.1:6379"

    def copy(self, member: str) -> Copy | None:
        if "late" in self.faults and self.pauses == 0:
            return None
        if member in self.master:
            self.clock += 30 if "clock jumps early" in self.faults and self.pauses == 1 else 0
            elected = len(self.master) > 1
            more = {"pinged": PING, "takes writes": 40}.get(self.faults[0] if self.faults else "", 0) if elected else 0
            return replace(MASTER, offset=500 + more)
        behind = member == "nixie" and "never catches up" in self.faults
        if member == "nixie" and "turned away" in self.faults:
            return replace(REPLICA, offset=500, follows="10.0.0.2:6379")
        if member == "nixie" and "cut off" in self.faults:
            return replace(REPLICA, offset=500, link_up=False)
        return replace(REPLICA, offset=480 if behind else 500)

    def now(self) -> float:
        return self.clock

    def sleep(self, seconds: float) -> None:
        self.clock += seconds
        if "elected" in self.faults:
            self.master = {"dot"}


def handed_over(*faults: str) -> tuple[World, str]:
    world = World(faults)
    try:
        perform(plan(FOUND, "nixie", LIMITS), world, LIMITS)
    except SwitchFailed as error:
        return world, str(error)
    return world, ""


def test_it_is_handed_over_in_this_order() -> None:
    world, failure = handed_over()
    assert failure == ""
    order = ["dot: CONFIG SET replica-priority 0", *["alice: CLIENT PAUSE 10000 WRITE"] * 2, "s1: FAILOVER data"]
    order += ["alice: REPLICAOF 10.0.0.3 6379", "alice: CLIENT KILL TYPE normal", "alice: CLIENT UNPAUSE"]
    order += ["dot: CONFIG SET replica-priority 100"]
    assert [said for said in world.said if said in order] == order
    assert world.master == {"nixie"}


@pytest.mark.parametrize(
    ("fault", "said", "masters"),
    [
        ("blind sentinel", "Nothing was handed over", {"alice"}),
        ("never catches up", "alice stays master", {"alice"}),
        ("no failover", "it may still become it", {"alice"}),
        ("refused", "NOGOODSLAVE. alice stays master", {"alice"}),
        ("silent", "did not answer", {"alice"}),
        ("clock jumps early", "The pause was over before nixie was elected", {"alice"}),
        ("clock jumps", "the pause is over. Until Sentinel tells it", {"alice", "nixie"}),
        ("takes writes", "took writes after all (540, it had 500)", {"alice", "nixie"}),
        ("no agreement", "not all Sentinels say so", {"nixie"}),
    ],
)
def test_whatever_goes_wrong_writes_go_on_and_priorities_come_back(fault: str, said: str, masters: set[str]) -> None:
    world, failure = handed_over(fault)
    assert said in failure
    assert not world.paused
    assert set(world.priority.values()) == {"100"}
    assert set(world.quorum.values()) == {"1"}
    assert world.master == masters


def test_who_answers_late_while_no_write_waits_is_asked_again_and_is_not_left_electable() -> None:
    world, failure = handed_over("late")
    assert failure == ""
    assert world.master == {"nixie"}
    assert "dot: CONFIG SET replica-priority 0" in world.said


@pytest.mark.parametrize("faults", [("late", "elected"), ("turned away",), ("cut off",), ("other word",)])
def test_nobody_is_asked_to_fail_over_where_the_plan_is_no_longer_true(faults: tuple[str, ...]) -> None:
    world, failure = handed_over(*faults)
    assert "Nothing was handed over" in failure
    assert not any("FAILOVER" in said for said in world.said)
    assert not world.paused
    assert set(world.priority.values()) == {"100"}
    assert set(world.quorum.values()) == {"1"}


def test_who_answers_no_more_is_told_before_anything_is_handed_over() -> None:
    world = World(("dot gone",))
    with pytest.raises(TimeoutError):
        perform(plan(FOUND, "nixie", LIMITS), world, LIMITS)
    assert world.master == {"alice"}
    assert not world.pauses


def test_no_failover_is_asked_for_while_a_write_is_missing() -> None:
    world, _ = handed_over("never catches up")
    assert not any("FAILOVER" in said for said in world.said)


def test_the_old_master_follows_before_its_writers_are_let_go() -> None:
    world, _ = handed_over("no agreement")
    assert world.said.index("alice: REPLICAOF 10.0.0.3 6379") < world.said.index("alice: CLIENT UNPAUSE")


def test_the_old_master_refuses_nobody_before_the_sentinels_know_better() -> None:
    world, _ = handed_over()
    demoted = world.said.index("alice: REPLICAOF 10.0.0.3 6379")
    assert "s1: who is master?" in world.said[:demoted]
    assert world.said.index("alice: CONFIG SET min-replicas-to-write 0") < world.said.index("s1: FAILOVER data")
    assert world.said.index("alice: CONFIG SET min-replicas-to-write 1") > demoted


@pytest.mark.parametrize("fault", ["clock jumps", "takes writes"])
def test_an_old_master_that_may_have_taken_writes_is_not_emptied(fault: str) -> None:
    world, _ = handed_over(fault)
    assert not any("REPLICAOF" in said for said in world.said)


def test_a_ping_to_the_replicas_is_no_write() -> None:
    assert handed_over("pinged")[1] == ""


def test_the_pause_begins_anew_before_somebody_is_elected() -> None:
    world, _ = handed_over()
    paused = [number for number, said in enumerate(world.said) if said == "alice: CLIENT PAUSE 10000 WRITE"]
    assert len(paused) == 2
    assert paused[1] < world.said.index("s1: FAILOVER data")


@pytest.mark.parametrize(
    ("fault", "known"),
    [("never catches up", True), ("refused", True), ("silent", False), ("no failover", False), ("clock jumps", False)],
)
def test_it_says_whether_it_is_known_who_is_master(fault: str, known: bool) -> None:
    with pytest.raises(SwitchFailed) as failure:
        perform(plan(FOUND, "nixie", LIMITS), World((fault,)), LIMITS)
    assert failure.value.known is known


def test_what_a_killed_switch_left_is_set_right_and_not_kept() -> None:
    world = World()
    world.priority = {"alice": "100", "dot": "0", "nixie": "0"}
    world.quorum = {"alice": "0", "dot": "1", "nixie": "1"}
    perform(plan(FOUND, "nixie", LIMITS), world, LIMITS)
    assert set(world.priority.values()) == {"100"}
    assert set(world.quorum.values()) == {"1"}
    assert set_right(FOUND, world) == []


def test_who_has_nothing_to_do_sets_right_what_is_left() -> None:
    world = World()
    world.quorum["alice"] = "0"
    assert set_right(FOUND, world) == ["alice had min-replicas-to-write 0, it has 1 again"]


def test_what_is_left_of_a_killed_switch_is_no_refusal_and_what_the_inventory_wants_is() -> None:
    assert refusals({"nixie": replace(REPLICA, priority=0)}) == ()
    never = (*MEMBERS[:2], replace(MEMBERS[2], priority=0))
    assert "never to be elected" in plan(replace(FOUND, members=never), "nixie", LIMITS).refusals[0]
