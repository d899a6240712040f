# SPDX-License-Identifier: GPL-3.0-or-later
"""The hand-over itself, on the old primary's host: its steps, their order and what is undone when one fails. I/O is the world's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from .switchover import Plan, Transaction, leader_of, proven


class Pooler(Protocol):
    """What is asked of PgBouncer."""

    def pause(self, within: float) -> bool:
        """Hold its clients; False if their transactions did not end in time."""

    def resume(self) -> bool:
        """Let go of them."""

    def clients(self) -> frozenset[str]:
        """Return who is connected."""

    def arm(self, seconds: float) -> str:
        """Let systemd do it if we cannot; return what went wrong."""

    def disarm(self) -> None:
        """No longer."""


class World(Protocol):
    """What is asked of everybody else."""

    @property
    def pooler(self) -> Pooler | None:
        """The pooler in front of the old primary."""

    def checkpoint(self) -> None:
        """Write the pages that a stop would have to write."""

    def transactions(self) -> Sequence[Transaction]:
        """Look at the transactions of this host's server."""

    def order(self, leader: str, target: str) -> Callable[[], str | None]:
        """Tell Patroni; the answer is None until there is one."""

    def leads(self, name: str) -> bool:
        """Ask a member whether it leads."""

    def look(self) -> tuple[Mapping[str, Any] | None, Mapping[str, Mapping[str, Any] | None]]:
        """Ask for the members and each of them."""

    def now(self) -> float:
        """Tell the time."""

    def rest(self, seconds: float) -> None:
        """Wait a little."""


@dataclass(frozen=True)
class Limits:
    """Seconds for each step, and for one question to one member or one look at all of them, which a step may end with."""

    pause: float = 5
    switch: float = 10
    leave: float = 5
    prove: float = 60
    max_lag: int = 0
    question: float = 1
    look: float = 3

    @property
    def held(self) -> float:
        """For how long clients are held at most."""
        return self.pause + self.switch + self.leave + self.question + 2 * self.look

    @property
    def dead_man(self) -> float:
        """After which nobody is held any more: later than every step's own end."""
        return self.held + 2


@dataclass
class Outcome:
    """What became of it. ``known`` is false if a hand-over may still happen."""

    switched: bool = False
    known: bool = True
    wrong: list[str] = field(default_factory=list)
    story: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


class HandOver:
    """One hand-over."""

    def __init__(self, plan: Plan, timeline: int, world: World, limits: Limits) -> None:
        """Remember the plan; the timeline is the one that ends now."""
        self.plan, self.timeline, self.world, self.limits = plan, timeline, world, limits
        self.outcome = Outcome()
        self.began = world.now()

    def tell(self, what: str) -> None:
        """Note a step with its time."""
        self.outcome.story.append(f"{self.world.now() - self.began:6.2f} s  {what}")

    def fail(self, why: str, *, known: bool = True) -> Outcome:
        """Note why it ended."""
        self.outcome.known = known
        self.outcome.wrong.append(why)
        self.tell(why)
        return self.outcome

    def run(self) -> Outcome:
        """Do it all, and leave nobody waiting whatever happens."""
        self.world.checkpoint()
        self.tell("a checkpoint is written")
        pooler = self.world.pooler
        if pooler is None:
            self.switch()
        else:
            self.hold(pooler)
        if self.outcome.switched:
            self.prove()
        return self.outcome

    def hold(self, pooler: Pooler) -> None:
        """Hold the pooler's clients during the switch."""
        if wrong := pooler.arm(self.limits.dead_man):
            self.fail(f"nothing would let go of PgBouncer's clients if this run died: {wrong}")
            return
        held = self.world.now()
        try:
            if not pooler.pause(self.limits.pause):
                self.fail(f"transactions did not end within {self.limits.pause:g} s{self.whose()}")
                return
            self.tell("PgBouncer holds new transactions, none is under way")
            if self.alone(held + self.limits.pause):
                self.switch()
                self.outcome.seconds["without_primary"] = round(self.world.now() - held, 2)
            if self.outcome.switched:
                self.await_departure(pooler)
        finally:
            pooler.resume()
            pooler.disarm()
            self.outcome.seconds["held"] = round(self.world.now() - held, 2)
            self.tell("PgBouncer lets go")

    def whose(self) -> str:
        """Name the longest transactions."""
        longest = sorted(self.world.transactions(), key=lambda one: -one.seconds)[:3]
        return ": " + "; ".join(one.describe() for one in longest) if longest else ""

    def alone(self, deadline: float) -> bool:
        """Wait for those who do not come through PgBouncer (migrations): they would be cut off."""
        while self.world.transactions():
            if self.world.now() > deadline:
                self.fail(f"transactions past PgBouncer did not end within {self.limits.pause:g} s{self.whose()}")
                return False
            self.world.rest(0.05)
        return True

    def switch(self) -> None:
        """Tell Patroni, and wait for the new leader's own word."""
        began = self.world.now()
        self.outcome.known = False
        answer = self.world.order(self.plan.leader, self.plan.target)
        while self.world.now() - began < self.limits.switch:
            if self.world.leads(self.plan.target):
                self.outcome.switched = self.outcome.known = True
                self.outcome.seconds["switch"] = round(self.world.now() - began, 2)
                self.tell(f"{self.plan.target} leads, by its own word")
                return
            said = answer()
            if said is not None and self.judge(said):
                return
            self.world.rest(0.05)
        self.fail(
            f"{self.plan.target} does not lead after {self.limits.switch:g} s: {answer() or 'no answer yet'}",
            known=False,
        )

    def judge(self, said: str) -> bool:
        """Patroni has answered and the target does not lead: see who does."""
        leader = leader_of(self.world.look()[1])
        if leader == self.plan.leader:
            self.fail(f"Patroni did not hand over, {leader} still leads: {said}")
        elif leader and leader != self.plan.target:
            self.fail(f"{leader} leads now, not {self.plan.target}: {said}")
        return bool(leader) and leader != self.plan.target

    def await_departure(self, pooler: Pooler) -> None:
        """Wait until the clients have gone: HAProxy sends them to the new primary. Let go too early, they would write to a replica."""
        deadline = self.world.now() + self.limits.leave
        held = pooler.clients()
        while self.world.now() < deadline:
            left = held & pooler.clients()
            if not left and self.follows():
                self.tell(f"nobody waits at {self.plan.leader}'s PgBouncer any more, and it follows")
                return
            self.world.rest(0.1)
        names = ", ".join(sorted(held & pooler.clients()))
        what = (
            f"{names} still waits at {self.plan.leader}'s PgBouncer"
            if names
            else f"{self.plan.leader} does not follow yet"
        )
        self.tell(f"after {self.limits.leave:g} s {what}")

    def follows(self) -> bool:
        """Ask whether the old primary streams from the new one."""
        status = self.world.look()[1].get(self.plan.leader) or {}
        return status.get("role") == "replica" and status.get("replication_state") == "streaming"

    def prove(self) -> None:
        """Ask everybody until it is as wished."""
        deadline = self.world.now() + self.limits.prove
        while wrong := proven(self.plan, self.timeline, *self.world.look(), self.limits.max_lag):
            if self.world.now() > deadline:
                self.fail(f"handed over, but after {self.limits.prove:g} s: {'; '.join(wrong)}")
                return
            self.world.rest(0.5)
        self.tell("everybody says so")
