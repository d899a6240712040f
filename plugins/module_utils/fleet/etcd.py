# SPDX-License-Identifier: GPL-3.0-or-later
"""When an etcd member may be born, restarted or taken away. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Member:
    """A member as the inventory declares it."""

    name: str
    address: str

    @property
    def client_url(self) -> str:
        """Where clients ask it."""
        return f"http://{self.address}:2379"

    @property
    def peer_url(self) -> str:
        """Where the other members reach it."""
        return f"http://{self.address}:2380"


@dataclass(frozen=True)
class Known:
    """A member as a running cluster knows it. The name is empty until the member has started once."""

    name: str
    peer_url: str
    id: str = ""


@dataclass(frozen=True)
class FirstStart:
    """How a member without data starts: as a founder (new), or as a newcomer to what runs (existing)."""

    state: str
    initial_cluster: str
    announce: bool = False

    def describe(self) -> str:
        """Say it in words."""
        if self.state == "new":
            return "found the cluster"
        return "announce this member and join the cluster" if self.announce else "join the cluster as announced"


@dataclass(frozen=True)
class Refusal:
    """Why not, and what to do."""

    why: str


def quorum(members: int) -> int:
    """Return how many members must agree."""
    return members // 2 + 1


def plan_first_start(
    me: Member, declared: Sequence[Member], running: Sequence[Known] | None, empty: Collection[str]
) -> FirstStart | Refusal:
    """Decide how a member without data starts.

    ``running`` is the member list of a member that answers, None where none does. ``empty`` names the members that
    were seen without data in this run: what was not seen is not known, and a second cluster under the same name would
    forget who leads the database.
    """
    if running is None:
        return _found(me, declared, empty)
    return _join(me, running)


def _found(me: Member, declared: Sequence[Member], empty: Collection[str]) -> FirstStart | Refusal:
    doubtful = [member.name for member in declared if member.name != me.name and member.name not in empty]
    if doubtful:
        return Refusal(
            f"{me.name} has no etcd data, no member answers, and {', '.join(doubtful)} may hold the cluster's data "
            "(not part of this run, or stopped). Start what has data first; to found a new cluster run all members together."
        )
    return FirstStart("new", ",".join(f"{member.name}={member.peer_url}" for member in declared))


def _join(me: Member, running: Sequence[Known]) -> FirstStart | Refusal:
    mine = next((known for known in running if known.peer_url == me.peer_url), None)
    if mine is not None and mine.name:
        return Refusal(
            f"{me.name} has no etcd data, but the cluster knows it as member {mine.id}: its data was lost. A member that forgot "
            f"its votes may not come back as itself. On another member: etcdctl member remove {mine.id}; then converge {me.name} again."
        )
    if any(known.name == me.name for known in running):
        return Refusal(
            f"The cluster has a member {me.name} with another address. Remove it there first: etcdctl member remove."
        )
    if any(not known.name for known in running if known is not mine):
        return Refusal(
            f"Another member was announced and has not started yet. One at a time: finish it, then converge {me.name}."
        )
    cluster = [f"{known.name}={known.peer_url}" for known in running if known is not mine]
    return FirstStart("existing", ",".join([*cluster, f"{me.name}={me.peer_url}"]), announce=mine is None)


def may_stop(me: Member, declared: Sequence[Member], healthy: Collection[str], *, returns: bool) -> Refusal | None:
    """Tell why ``me`` may not stop now; None if it may.

    ``returns``: a restart. The only member of a cluster may restart (there is nobody else to lose), and one that
    is not healthy costs nothing. Nobody leaves a cluster that would not decide without them.
    """
    if returns and (len(declared) == 1 or me.name not in healthy):
        return None
    others = len([member for member in declared if member.name != me.name and member.name in healthy])
    if others >= quorum(len(declared)):
        return None
    sick = [member.name for member in declared if member.name not in healthy]
    return Refusal(
        f"{me.name} must stay: without it {others} of {len(declared)} etcd members would be healthy and {quorum(len(declared))} are needed"
        + (f" (not healthy: {', '.join(sick)})." if sick else ".")
    )
