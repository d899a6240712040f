# SPDX-License-Identifier: GPL-3.0-or-later
"""Hand one instance of Redis over to another member: the plan, what refuses it, and the order of the steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from .redis import TROUBLE, Copies, Copy, Member, Opinions, lag, masters

# Sentinel looks at a replica's priority every ten seconds.
PREFERENCE_SEEN = 15.0
PAUSE = 0.05
# Questions that may be asked again, a second apart, as long as no write waits: an answer must come at once (see Wire), and a Sentinel that
# writes its file down, or a busy host, is late now and then.
TRIES = 6
# Longer than an answer may take (see Wire): an old master that takes writes again loses them, so nothing is begun so late.
SLACK = 1.2
# How much an offset grows when a master asks its replicas whether they live.
PING = len(b"*1\r\n$4\r\nPING\r\n")
LOOK = "Look before anything else (playbooks/verify-fleet.yml --tags redis)."


class SwitchFailed(Exception):
    """It was begun and did not come to its end; the message says what is true now, and ``known`` whether that is certain."""

    def __init__(self, message: str, known: bool = True) -> None:
        """Say what is true."""
        super().__init__(message)
        self.known = known


class Refused(Exception):
    """Who was asked answered, and refused."""


class Hands(Protocol):
    """The only I/O: what is asked of members and Sentinels, and the clock. Silence is an OSError, a refusal Refused."""

    def redis(self, member: str, *words: object) -> Any:
        """Ask a member."""

    def sentinel(self, name: str, *words: object) -> Any:
        """Ask a Sentinel."""

    def copy(self, member: str) -> Any:
        """Return a member's own word, or None."""

    def says(self, name: str, instance: str) -> str | None:
        """Return who is master by a Sentinel's word, or None."""

    def undo(self, member: str, *words: object) -> None:
        """Ask a member, and go on if it does not answer: somebody else is told."""

    def now(self) -> float:
        """Return seconds."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


@dataclass(frozen=True)
class Limits:
    """What is allowed."""

    max_lag: int
    pause_ms: int
    within: float


@dataclass(frozen=True)
class Instance:
    """One instance as it was found."""

    name: str
    port: int
    members: tuple[Member, ...]
    copies: Copies
    opinions: Opinions
    majority: int
    min_replicas: int = 0

    def address(self, member: str) -> str:
        """Return a member's address as Sentinel writes it."""
        return next(f"{known.address}:{self.port}" for known in self.members if known.name == member)


@dataclass(frozen=True)
class Plan:
    """What will be done with one instance, or why not."""

    instance: Instance
    target: str
    master: str = ""
    refusals: tuple[str, ...] = ()
    sentinel: str = ""
    steps: tuple[str, ...] = field(default=())

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return not self.refusals and self.master != self.target


def plan(instance: Instance, target: str, limits: Limits) -> Plan:
    """Return what handing this instance over means."""
    lead = masters(instance.copies)
    master = lead[0] if len(lead) == 1 else ""
    refusals = tuple(_refusals(instance, target, lead, limits))
    if refusals or master == target:
        return Plan(instance, target, master, refusals)
    sentinel = sorted(name for name, opinion in instance.opinions.items() if opinion)[0]
    rest = [member.name for member in instance.members if member.name not in (master, target)]
    steps = (
        f"for a moment nobody but {target} may be elected" + (f" (not {', '.join(rest)})" if rest else ""),
        f"pause writes on {master} for at most {limits.pause_ms} ms, and wait until {target} has all that was written",
        f"SENTINEL FAILOVER {instance.name} at {sentinel}; {master} follows {target}, and its clients are sent away",
    )
    return Plan(instance, target, master, (), sentinel, steps)


def _refusals(instance: Instance, target: str, lead: Sequence[str], limits: Limits) -> list[str]:
    names = [member.name for member in instance.members]
    if target not in names:
        return [f"{target} holds no copy: {', '.join(names)} do"]
    if len(lead) != 1:
        return [f"{' and '.join(lead) or 'nobody'} says that it is master"]
    found = _of_sentinels(instance, lead[0])
    return found if lead[0] == target else found + _of_target(instance, target, lead[0], limits)


def _of_sentinels(instance: Instance, master: str) -> list[str]:
    answering = {name: opinion for name, opinion in instance.opinions.items() if opinion}
    found = []
    if len(answering) < instance.majority:
        silent = ", ".join(sorted(set(instance.opinions) - set(answering)))
        found.append(
            f"{len(answering)} of {len(instance.opinions)} Sentinels answer, {instance.majority} must (silent: {silent})"
        )
    for name, opinion in sorted(answering.items()):
        if opinion.address != instance.address(master):
            found.append(f"Sentinel {name} says that {opinion.address} is master, {master} says so itself")
        if not opinion.quorum:
            found.append(f"Sentinel {name} could not fail over: {opinion.quorum_said}")
        bad = [flag for flag in opinion.flags if flag in TROUBLE]
        if bad:
            found.append(f"Sentinel {name} is at work on it: {', '.join(bad)}")
    return found


def _of_target(instance: Instance, target: str, master: str, limits: Limits) -> list[str]:
    copy, leader = instance.copies.get(target), instance.copies.get(master)
    if copy is None or leader is None:
        return [f"{target} does not answer"]
    if not copy.link_up or copy.follows != instance.address(master):
        return [f"{target} has no link to {master}"]
    # By the inventory's word: what a killed switch left is set right first.
    if next(member.priority for member in instance.members if member.name == target) == 0:
        return [f"{target} is never to be elected: its redis_replica_priority is 0"]
    behind = lag(leader, copy)
    if behind is None:
        return [f"the lag of {target} could not be measured"]
    return [f"{target} is {behind} bytes behind, {limits.max_lag} are allowed"] if behind > limits.max_lag else []


def table(plans: Sequence[Plan]) -> list[str]:
    """Return the plan for people."""
    names = [word for one in plans for word in (one.instance.name, *(m.name for m in one.instance.members))]
    width = max(len(name) for name in [*names, "instance"])
    lines = [_row(width, "instance", "member", "role", "offset", "link", "lag")]
    for one in plans:
        leader = one.instance.copies.get(one.master)
        lines += [
            _row(width, one.instance.name, m.name, *_cells(one.instance.copies.get(m.name), leader))
            for m in one.instance.members
        ]
        lines += _intention(one)
    return lines


def _row(width: int, instance: str, member: str, *cells: str) -> str:
    role, offset, link, behind = cells
    return f"{instance:<{width}} {member:<{width}} {role:<8} {offset:>14} {link:<5} {behind}"


def _cells(copy: Any, leader: Any) -> tuple[str, str, str, str]:
    if copy is None:
        return "silent", "?", "?", "not measured"
    offset = "?" if copy.offset is None else str(copy.offset)
    if copy.role == "master":
        return "master", offset, "-", "-"
    behind = lag(leader, copy) if leader else None
    return "replica", offset, "up" if copy.link_up else "down", "not measured" if behind is None else f"{behind} bytes"


def _intention(one: Plan) -> list[str]:
    name = one.instance.name
    if one.refusals:
        return [f"{name}: refused: {why}" for why in one.refusals]
    if not one.changes:
        return [f"{name}: {one.target} is master already: nothing to do"]
    return [f"{name}: {number}. {step}" for number, step in enumerate(one.steps, start=1)]


def perform(one: Plan, hands: Hands, limits: Limits) -> int:
    """Hand over and return for how many milliseconds writes waited. Whatever happens, what the inventory wants comes back."""
    set_right(one.instance, hands)
    rest = [
        m.name for m in one.instance.members if m.name not in (one.master, one.target) and _present(one.instance, m)
    ]
    wanted = {member.name: member.priority for member in one.instance.members}
    try:
        _prefer(one, hands, rest)
        return _hand_over(one, hands, limits)
    finally:
        for name in rest:
            hands.undo(name, "CONFIG", "SET", "replica-priority", wanted[name])


def set_right(instance: Instance, hands: Hands) -> list[str]:
    """Give every member back what the inventory wants: a switch that was killed has left something else. Return what was."""
    found = []
    for member in instance.members:
        if not _present(instance, member):
            continue
        wanted = {"replica-priority": member.priority, "min-replicas-to-write": instance.min_replicas}
        for setting, value in wanted.items():
            had = _again(hands, member.name, "CONFIG", "GET", setting)[1]
            if str(had) != str(value):
                _again(hands, member.name, "CONFIG", "SET", setting, value)
                found.append(f"{member.name} had {setting} {had}, it has {value} again")
    return found


def _present(instance: Instance, member: Member) -> bool:
    """Tell whether a member was there when it was planned. Who only answers late now must not be left electable."""
    return instance.copies.get(member.name) is not None


def _again(hands: Hands, member: str, *words: object) -> Any:
    """Ask a member what may be asked twice, until it answers. Raise OSError when it never does."""
    for _ in range(TRIES - 1):
        try:
            return hands.redis(member, *words)
        except OSError:
            hands.sleep(1)
    return hands.redis(member, *words)


def _prefer(one: Plan, hands: Hands, others: Sequence[str]) -> None:
    """Let nobody but the target be electable, and wait until the Sentinel that will choose knows it."""
    for name in others:
        _again(hands, name, "CONFIG", "SET", "replica-priority", 0)
    never = {one.instance.address(name) for name in others}
    target = one.instance.address(one.target)

    def known() -> bool:
        try:
            replicas = hands.sentinel(one.sentinel, "REPLICAS", one.instance.name)
        except OSError:
            return False
        rows = [dict(zip(flat[::2], flat[1::2], strict=False)) for flat in replicas]
        seen = {f"{row.get('ip')}:{row.get('port')}": row.get("slave-priority") for row in rows}
        return seen.get(target) != "0" and all(seen[address] == "0" for address in never & set(seen))

    if not _until(hands, PREFERENCE_SEEN, known):
        raise SwitchFailed(f"Sentinel {one.sentinel} did not take notice of the priorities. Nothing was handed over.")


def _hand_over(one: Plan, hands: Hands, limits: Limits) -> int:
    begun = hands.now()
    try:
        ends = _pause(one, hands, limits)
        # Its replicas leave it before its clients do: a write that waits is no error, one that is refused for that is.
        hands.redis(one.master, "CONFIG", "SET", "min-replicas-to-write", 0)
        final, ends = _caught_up(one, hands, limits, ends)
        agreed, waited = _promote(one, hands, limits, final, begun, ends)
    finally:
        hands.undo(one.master, "CONFIG", "SET", "min-replicas-to-write", one.instance.min_replicas)
        hands.undo(one.master, "CLIENT", "UNPAUSE")
    if not agreed:
        raise SwitchFailed(
            f"{one.target} is master by its own word, and not all Sentinels say so after {limits.within:g} s.",
            known=False,
        )
    return waited


def _pause(one: Plan, hands: Hands, limits: Limits) -> float:
    """Let writes wait, and return when that ends at the earliest: reckoned from before it was asked for."""
    ends = hands.now() + limits.pause_ms / 1000
    hands.redis(one.master, "CLIENT", "PAUSE", limits.pause_ms, "WRITE")
    return ends


def _caught_up(one: Plan, hands: Hands, limits: Limits, ends: float) -> tuple[int, float]:
    """Wait until the target has everything; return how much that is, and when the pause ends, which then begins anew."""
    half = hands.now() + limits.pause_ms / 2000
    copy = hands.copy(one.master)
    if copy is None or not _as_planned(one, hands, copy):
        raise SwitchFailed(
            f"{one.master} is no longer master, or {one.target} no longer follows it. Nothing was handed over. Try again."
        )
    final = copy.offset
    if final is None or not _until(hands, half - hands.now(), lambda: _has(hands.copy(one.target), final)):
        raise SwitchFailed(
            f"{one.target} did not get all that was written within half of the pause. {one.master} stays master."
        )
    # Once only, so that writes never wait for longer than one and a half times what is allowed.
    in_time = hands.now() + SLACK <= ends
    ends = _pause(one, hands, limits) if in_time else ends
    if not in_time or not _untouched(hands.copy(one.master), final, limits.pause_ms / 1000):
        raise SwitchFailed(f"The pause was over before {one.target} was elected: {one.master} stays master. Try again.")
    return final, ends


def _as_planned(one: Plan, hands: Hands, leader: Copy) -> bool:
    """Tell whether who is master and who follows is still so: who answered late was perhaps lost, and somebody elected meanwhile."""
    target, address = hands.copy(one.target), one.instance.address(one.master)
    return (
        leader.role == "master"
        and target is not None
        and target.follows == address
        and target.link_up
        and hands.says(one.sentinel, one.instance.name) == address
    )


def _promote(one: Plan, hands: Hands, limits: Limits, final: int, begun: float, ends: float) -> tuple[bool, int]:
    """Let Sentinel elect, and the old master follow; return whether all agree, and for how long writes waited."""
    try:
        hands.sentinel(one.sentinel, "FAILOVER", one.instance.name)
    except Refused as error:
        raise SwitchFailed(f"Sentinel {one.sentinel} refused: {error}. {one.master} stays master.") from error
    except OSError as error:
        raise SwitchFailed(
            f"Sentinel {one.sentinel} was asked and did not answer: {error}. {LOOK}", known=False
        ) from error
    if not _until(hands, ends - hands.now() - SLACK, lambda: _is_master(hands.copy(one.target))):
        raise SwitchFailed(
            f"Sentinel {one.sentinel} was asked and {one.target} is not master at the end of the pause: it may still become it. "
            f"{LOOK}",
            known=False,
        )
    # Not before the Sentinels know: a client that is refused now asks them once more, and not twice.
    agreed = _until(hands, ends - hands.now() - SLACK, lambda: _all_say(one, hands))
    stake = (
        f"{one.target} is master, and {one.master} was not told to follow it: %s. Until Sentinel tells it (ten seconds), what {one.master} "
        f"takes is lost. {LOOK}"
    )
    old = hands.copy(one.master)
    if not _untouched(old, final, ends - begun):
        what = "it does not answer" if old is None else f"it took writes after all ({old.offset}, it had {final})"
        raise SwitchFailed(stake % what, known=False)
    if hands.now() + SLACK / 2 > ends:
        raise SwitchFailed(stake % "the pause is over", known=False)
    host, _, port = one.instance.address(one.target).rpartition(":")
    try:
        # Sentinel would do it too, ten seconds later. By then this master would take writes that it is about to throw away.
        hands.redis(one.master, "REPLICAOF", host, port)
    except (OSError, Refused) as error:
        raise SwitchFailed(stake % error, known=False) from error
    agreed = agreed or _until(hands, limits.within, lambda: _all_say(one, hands))
    waited = round((min(hands.now(), ends) - begun) * 1000)
    _send_away(one, hands)
    return agreed, waited


def _untouched(copy: Any, final: int, seconds: float) -> bool:
    """Whether a master has taken no write since: what it may have sent is a PING to its replicas every ten seconds."""
    if copy is None or copy.offset is None:
        return False
    # A Sentinel that made it a replica has already done what is about to be asked.
    pings = 1 + int(seconds // 10)
    return copy.role != "master" or copy.offset - final in {PING * number for number in range(pings + 1)}


def _send_away(one: Plan, hands: Hands) -> None:
    """Close the clients' connections: they ask the Sentinels again. What they had waiting was never carried out."""
    for kind in ("normal", "pubsub"):
        hands.undo(one.master, "CLIENT", "KILL", "TYPE", kind)


def _has(copy: Any, offset: int | None) -> bool:
    return copy is not None and offset is not None and copy.offset is not None and copy.offset >= offset


def _is_master(copy: Any) -> bool:
    return copy is not None and copy.role == "master"


def _all_say(one: Plan, hands: Hands) -> bool:
    wanted = one.instance.address(one.target)
    answering = [name for name, opinion in one.instance.opinions.items() if opinion]
    return all(hands.says(name, one.instance.name) == wanted for name in answering)


def _until(hands: Hands, seconds: float, question: Callable[[], bool]) -> bool:
    deadline = hands.now() + seconds
    while not question():
        if hands.now() >= deadline:
            return False
        hands.sleep(PAUSE)
    return True
