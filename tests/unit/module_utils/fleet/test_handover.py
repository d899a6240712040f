# SPDX-License-Identifier: GPL-3.0-or-later
"""The hand-over's steps, in a world that is played: whatever fails, nobody is left waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from plugins.module_utils.fleet.handover import HandOver, Limits, Outcome
from plugins.module_utils.fleet.switchover import Plan, Row, Transaction

PLAN = Plan(
    (
        Row("alice", "basement", "leader", "running", 3, None, ""),
        Row("nixie", "cloud", "replica", "streaming", 3, 0, ""),
    ),
    leader="alice",
    target="nixie",
)
LIMITS = Limits(pause=2, switch=4, leave=3, prove=5, max_lag=100)


class PlayedPooler:
    """A PgBouncer that tells when it is asked to do what."""

    def __init__(self, world: PlayedWorld) -> None:
        self.world = world
        self.held = self.armed = False
        self.ends = True
        self.cannot_arm = ""

    def arm(self, seconds: float) -> str:
        self.armed = not self.cannot_arm
        self.world.did(f"arm {seconds:g}")
        return self.cannot_arm

    def disarm(self) -> None:
        self.armed = False
        self.world.did("disarm")

    def pause(self, within: float) -> bool:
        assert self.armed
        self.world.did("pause")
        self.held = self.ends
        return self.ends

    def resume(self) -> bool:
        self.world.did("resume")
        self.held = False
        return True

    def clients(self) -> frozenset[str]:
        return frozenset({"10.0.0.1:1"} if self.world.time < self.world.clients_leave else ())


class PlayedWorld:
    """A cluster that hands over a second after it was told to."""

    def __init__(self) -> None:
        self.time = 0.0
        self.deeds: list[str] = []
        self.pooler: PlayedPooler | None = PlayedPooler(self)
        self.ordered: float | None = None
        self.takes: float | None = 1.0
        self.patroni_says: str | None = None
        self.successor = "nixie"
        self.clients_leave = 1.5
        self.follows_after = 1.0
        self.migration_until = 0.0
        self.breaks = ""

    def did(self, what: str) -> None:
        self.deeds.append(what)
        if what == self.breaks:
            raise RuntimeError(what)

    def checkpoint(self) -> None:
        self.did("checkpoint")

    def transactions(self) -> list[Transaction]:
        return [Transaction(7, "mastodon", "rake", 1)] if self.time < self.migration_until else []

    def order(self, leader: str, target: str) -> Callable[[], str | None]:
        self.did(f"order {leader} {target}")
        self.ordered = self.time
        return lambda: self.patroni_says

    def leader(self) -> str:
        if self.ordered is None or self.takes is None:
            return "alice"
        return self.successor if self.time >= self.ordered + self.takes else ""

    def leads(self, name: str) -> bool:
        return self.leader() == name

    def look(self) -> tuple[Any, Any]:
        leader, timeline = self.leader(), 3 if self.leader() == "alice" else 4
        follows = self.ordered is not None and self.time >= self.ordered + (self.takes or 0) + self.follows_after
        words: dict[str, Any] = {}
        for name in ("alice", "nixie"):
            place = {"location": 50, "received_location": 50, "replayed_location": 50}
            words[name] = {"role": "replica", "state": "running", "timeline": timeline, "xlog": place}
            words[name]["replication_state"] = "streaming" if follows else "starting"
        if leader in words:
            words[leader]["role"] = "primary"
        members = [
            {"name": name, "role": "leader" if name == leader else "replica", "timeline": timeline} for name in words
        ]
        return {"members": members}, words

    def now(self) -> float:
        return self.time

    def rest(self, seconds: float) -> None:
        # Nothing may happen to the clients while they are held but what was planned.
        assert self.time < 100, "it waits for ever"
        self.time += seconds


def run(world: PlayedWorld) -> Outcome:
    return HandOver(PLAN, 3, world, LIMITS).run()


def let_go(world: PlayedWorld) -> bool:
    return world.pooler is not None and not world.pooler.held and not world.pooler.armed


def test_the_order_of_things() -> None:
    world = PlayedWorld()
    outcome = run(world)
    assert (outcome.switched, outcome.known, outcome.wrong) == (True, True, [])
    assert world.deeds == ["checkpoint", "arm 18", "pause", "order alice nixie", "resume", "disarm"]
    assert 1 <= outcome.seconds["switch"] <= outcome.seconds["without_primary"] < 1.2
    assert outcome.seconds["held"] >= 2


@pytest.mark.parametrize(("clients_leave", "follows_after"), [(2.5, 0.0), (0.0, 2.0)])
def test_clients_are_let_go_only_when_they_have_left_and_the_old_one_follows(
    clients_leave: float, follows_after: float
) -> None:
    world = PlayedWorld()
    world.clients_leave, world.follows_after = clients_leave, follows_after
    outcome = run(world)
    assert outcome.seconds["held"] >= 2.5
    assert any("nobody waits" in line for line in outcome.story)


def test_clients_that_never_leave_are_let_go_all_the_same() -> None:
    world = PlayedWorld()
    world.clients_leave = 99
    outcome = run(world)
    assert outcome.switched
    assert let_go(world)
    assert outcome.seconds["held"] < LIMITS.dead_man
    assert any("10.0.0.1:1 still waits" in line for line in outcome.story)


def test_transactions_that_do_not_end_leave_everything_as_it_was() -> None:
    world = PlayedWorld()
    assert world.pooler
    world.pooler.ends, world.migration_until = False, 50
    outcome = run(world)
    assert (outcome.switched, outcome.known) == (False, True)
    assert outcome.wrong == ["transactions did not end within 2 s: process 7 of mastodon (rake), 1 s"]
    assert world.ordered is None
    assert let_go(world)


def test_a_migration_that_bypasses_the_pooler_is_waited_for_and_never_cut_off() -> None:
    world = PlayedWorld()
    world.migration_until = 1
    assert run(world).switched
    assert world.ordered is not None
    assert world.ordered >= 1
    world = PlayedWorld()
    world.migration_until = 50
    outcome = run(world)
    assert "transactions past PgBouncer did not end within 2 s" in outcome.wrong[0]
    assert world.ordered is None
    assert let_go(world)


def test_a_refusal_of_patroni_is_told_in_its_words() -> None:
    world = PlayedWorld()
    world.takes, world.patroni_says = None, "candidate name does not match (412)"
    outcome = run(world)
    assert (outcome.switched, outcome.known) == (False, True)
    assert outcome.wrong == ["Patroni did not hand over, alice still leads: candidate name does not match (412)"]
    assert let_go(world)


def test_another_leader_than_asked_for_is_told() -> None:
    world = PlayedWorld()
    world.successor, world.patroni_says = "dot", "over to dot instead of nixie (200)"
    # dot is no part of the played words: somebody else leads, alice does not.
    outcome = run(world)
    assert not outcome.switched
    assert let_go(world)


def test_silence_is_an_unknown_outcome() -> None:
    world = PlayedWorld()
    world.takes = 50
    outcome = run(world)
    assert (outcome.switched, outcome.known) == (False, False)
    assert outcome.wrong == ["nixie does not lead after 4 s: no answer yet"]
    assert let_go(world)


def test_without_a_dead_mans_switch_nobody_is_held() -> None:
    world = PlayedWorld()
    assert world.pooler
    world.pooler.cannot_arm = "no systemd"
    outcome = run(world)
    assert "no systemd" in outcome.wrong[0]
    assert "pause" not in world.deeds
    assert world.ordered is None


@pytest.mark.parametrize("step", ["pause", "order alice nixie"])
def test_a_fault_of_ours_leaves_nobody_waiting(step: str) -> None:
    world = PlayedWorld()
    world.breaks = step
    handover = HandOver(PLAN, 3, world, LIMITS)
    with pytest.raises(RuntimeError):
        handover.run()
    assert let_go(world)
    assert handover.outcome.known == (step == "pause")


def test_what_is_not_proven_is_not_said_to_be() -> None:
    world = PlayedWorld()
    world.follows_after = 50
    outcome = run(world)
    assert outcome.switched
    assert "alice does not stream" in outcome.wrong[0]
    assert let_go(world)


def test_without_a_pooler_patroni_is_asked_at_once() -> None:
    world = PlayedWorld()
    world.pooler = None
    outcome = run(world)
    assert outcome.switched
    assert world.deeds == ["checkpoint", "order alice nixie"]


def test_the_dead_mans_switch_comes_after_every_step() -> None:
    limits = Limits(pause=3, switch=15, leave=15, question=1, look=4)
    # A step may begin its last question when its time is over: "who leads?" and two looks at everybody.
    assert limits.dead_man > 3 + 15 + 15 + 1 + 2 * 4


def test_one_time_is_for_all_transactions_those_of_the_pooler_and_those_past_it() -> None:
    world = PlayedWorld()
    assert world.pooler
    world.migration_until = 50
    slow = world.pooler.pause

    def pause(within: float) -> bool:
        world.time += 1.5
        return slow(within)

    world.pooler.pause = pause  # type: ignore[method-assign]
    outcome = run(world)
    assert not outcome.switched
    assert outcome.seconds["held"] < LIMITS.pause + 0.2
