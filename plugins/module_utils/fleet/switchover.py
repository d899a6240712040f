# SPDX-License-Identifier: GPL-3.0-or-later
"""May the primary hand over, and to whom? Pure: no I/O. What was not measured is a reason not to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .etcd import quorum
from .patroni import lag, leading, replica_faults

# Who may lead when Patroni waits for replicas, by the words that it reads in synchronous_mode.
CONFIRMS = {
    "none": "",
    "false": "",
    "off": "",
    "true": "sync_standby",
    "on": "sync_standby",
    "quorum": "quorum_standby",
}
Word = Mapping[str, Any]


@dataclass(frozen=True)
class Transaction:
    """A transaction of a client."""

    pid: int
    user: str
    application: str
    seconds: float

    def describe(self) -> str:
        """Say whose it is."""
        return f"process {self.pid} of {self.user} ({self.application or 'no name'}), {self.seconds:.0f} s"


@dataclass(frozen=True)
class Observed:
    """All that was seen. None is what could not be seen; ``statuses`` is each member's own word."""

    # The members that the inventory declares.
    expected: Collection[str]
    cluster: Word | None
    statuses: Mapping[str, Word | None]
    config: Word | None
    etcd: Mapping[str, bool]
    transactions: Sequence[Transaction] | None
    archiver: str = ""
    # What is wrong with the pooler of the leader's host.
    pooler: str = ""


@dataclass(frozen=True)
class Wish:
    """Where to, in the operator's words, and within which limits."""

    to: str = ""
    to_site: str = ""
    max_lag: int = 0
    max_transaction: float = 0


@dataclass(frozen=True)
class Row:
    """A member as the plan shows it."""

    name: str
    site: str
    role: str
    state: str
    timeline: int | None
    lag: int | None
    tags: str
    # What keeps it from following now, and what keeps it from leading although it follows.
    lost: tuple[str, ...] = ()
    unfit: tuple[str, ...] = ()

    @property
    def against(self) -> tuple[str, ...]:
        """Why it cannot lead."""
        return (*self.lost, *self.unfit)


@dataclass(frozen=True)
class Plan:
    """Who leads, who shall, and what speaks against it."""

    rows: tuple[Row, ...] = ()
    leader: str = ""
    target: str = ""
    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())

    @property
    def done(self) -> bool:
        """Whether it is already as wished."""
        return bool(self.target) and self.target == self.leader


def leader_of(statuses: Mapping[str, Word | None]) -> str:
    """Return the one member that says that it leads, empty if none or several do."""
    leaders = leading(statuses)
    return leaders[0] if len(leaders) == 1 else ""


def make_plan(seen: Observed, wish: Wish) -> Plan:
    """Decide. A plan without refusals may be carried out."""
    members = _members(seen.cluster)
    leader = leader_of(seen.statuses)
    names = sorted({*members, *seen.expected}) if seen.cluster is not None else []
    rows = tuple(_row(name, seen, leader, wish.max_lag) for name in names)
    if not leader or members.get(leader, {}).get("role") != "leader":
        return Plan(rows, leader, refusals=(_no_leader(seen, leader),))
    target, wrong = _target(rows, leader, wish)
    warnings = (f"WAL is not archived: {seen.archiver}",) if seen.archiver else ()
    if target == leader:
        return Plan(rows, leader, target, (), warnings)
    return Plan(rows, leader, target, (*wrong, *_against_any(seen, wish, leader)), warnings)


def _members(cluster: Word | None) -> dict[str, Word]:
    return {str(member["name"]): member for member in (cluster or {}).get("members", [])}


def _no_leader(seen: Observed, leader: str) -> str:
    if seen.cluster is None:
        return "Patroni does not say who its members are"
    if leader:
        return f"{leader} says that it leads and does not hold the leader key: wait until the cluster has settled"
    leaders = leading(seen.statuses)
    return f"{' and '.join(leaders)} say that they lead" if leaders else "nobody says that it leads"


def _row(name: str, seen: Observed, leader: str, max_lag: int) -> Row:
    member, status, ours = _members(seen.cluster).get(name), seen.statuses.get(name), seen.statuses.get(leader) or {}
    tags = dict((member or {}).get("tags") or {})
    shown = " ".join(f"{key}={str(value).lower()}" for key, value in sorted(tags.items()) if key != "site")
    state = str((status or {}).get("replication_state") or (status or {}).get("state") or "silent")
    role = str(member.get("role")) if member else "not in the cluster"
    row = Row(name, str(tags.get("site", "")), role, state, (member or {}).get("timeline"), None, shown)
    if name == leader:
        return row
    lost = replica_faults(member, status, ours, max_lag)
    unfit = _unfit(name, tags, role, seen) if member else []
    if status is not None and lag(ours, status) is not None:
        unfit += _unplayed(ours, status, max_lag)
    behind = None if status is None else lag(ours, status)
    return replace(row, lag=behind, lost=tuple(lost), unfit=tuple(unfit))


def _unfit(name: str, tags: Word, role: str, seen: Observed) -> list[str]:
    """Tell why a member that follows well cannot lead."""
    found = [
        f"is tagged {tag}" for tag, value in (("nofailover", True), ("failover_priority", 0)) if _is(tags, tag, value)
    ]
    if name not in seen.expected:
        found.append("is not in the inventory's list")
    needed = CONFIRMS.get(_mode(seen))
    if needed and role != needed:
        found.append(f"is no {needed}, and the cluster is synchronous ({_mode(seen)})")
    return found


def _mode(seen: Observed) -> str:
    return str((seen.config or {}).get("synchronous_mode")).lower()


def _is(tags: Word, tag: str, value: Any) -> bool:
    return tag in tags and tags[tag] == value and isinstance(tags[tag], type(value))


def _unplayed(leader: Word, status: Word, max_lag: int) -> list[str]:
    """Tell what a member that has received nearly everything has yet to replay before it could serve."""
    place = status.get("xlog") or {}
    if not place.get("replayed_location"):
        return ["has a lag that was not measured"]
    unplayed = int((leader.get("xlog") or {})["location"]) - int(place["replayed_location"])
    found = []
    if (lag(leader, status) or 0) <= max_lag < unplayed:
        found.append(f"has {unplayed} bytes to replay, {max_lag} are allowed")
    return [*found, "has paused its replay"] if place.get("paused") else found


def _target(rows: Sequence[Row], leader: str, wish: Wish) -> tuple[str, list[str]]:
    """Return who shall lead, and what is wrong with that."""
    names = {row.name: row for row in rows}
    if bool(wish.to) == bool(wish.to_site):
        return "", [f"say to whom: -e to=<{'|'.join(names)}>, or to which site: -e to_site=<{'|'.join(_sites(rows))}>"]
    if wish.to:
        if wish.to not in names:
            return "", [f"{wish.to} is not a member: {', '.join(names)} are"]
        return wish.to, [f"{wish.to} {why}" for why in names[wish.to].against]
    if wish.to_site not in _sites(rows):
        return "", [f"no member is in the site {wish.to_site}: there are {', '.join(_sites(rows)) or 'no sites'}"]
    there = [row for row in rows if row.site == wish.to_site]
    if leader in [row.name for row in there]:
        return leader, []
    able = sorted((row for row in there if not row.against), key=lambda row: (row.lag or 0, row.name))
    if able:
        return able[0].name, []
    return "", [
        f"{wish.to_site} has nobody who could lead: " + "; ".join(f"{r.name} {', '.join(r.against)}" for r in there)
    ]


def _sites(rows: Sequence[Row]) -> list[str]:
    return sorted({row.site for row in rows if row.site})


def _against_any(seen: Observed, wish: Wish, leader: str) -> list[str]:
    """Tell what speaks against any switchover now."""
    found = []
    cluster = seen.cluster or {}
    if leader not in seen.expected:
        found.append(f"{leader} leads and is not in the inventory's list")
    if seen.config is None:
        found.append("Patroni does not say how the cluster is configured")
    elif _mode(seen) not in CONFIRMS:
        found.append(
            f"the cluster's synchronous_mode is {seen.config['synchronous_mode']}, and nobody knows who may lead then"
        )
    if cluster.get("pause"):
        found.append("Patroni is paused (patronictl resume ends that)")
    if cluster.get("scheduled_switchover"):
        found.append(f"a switchover is scheduled already, at {cluster['scheduled_switchover'].get('at')}")
    sick = sorted(name for name, healthy in seen.etcd.items() if not healthy)
    left = len(seen.etcd) - len(sick) - 1
    if left < quorum(len(seen.etcd)):
        found.append(
            f"etcd would not survive the loss of one more member: {left} of {len(seen.etcd)} would be left and "
            f"{quorum(len(seen.etcd))} must agree" + (f" (not healthy: {', '.join(sick)})" if sick else "")
        )
    if seen.pooler:
        found.append(f"PgBouncer's console does not obey: {seen.pooler}")
    if seen.transactions is None:
        found.append("the transactions under way could not be measured")
    return found + too_old(seen.transactions or (), wish.max_transaction)


def too_old(transactions: Sequence[Transaction], limit: float) -> list[str]:
    """Tell which transactions would hold up the switchover, or be lost in it."""
    old = [one for one in transactions if one.seconds > limit]
    if not old:
        return []
    return [f"transactions are older than {limit:g} s: " + "; ".join(one.describe() for one in old)]


def table(plan: Plan) -> list[str]:
    """Show the members, one line each."""
    head = ("member", "site", "role", "timeline", "lag", "tags", "may lead")
    lines = [head, *(_cells(row, plan) for row in plan.rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def _cells(row: Row, plan: Plan) -> tuple[str, ...]:
    leads = row.name == plan.leader
    behind = "-" if leads else "not measured" if row.lag is None else f"{row.lag} B"
    verdict = "leads" if leads else f"no: {', '.join(row.against)}" if row.against else "yes"
    return (row.name, row.site or "-", row.role, str(row.timeline), behind, row.tags or "-", verdict)


def narrate(plan: Plan, pooled: bool) -> list[str]:
    """Say what will be done, or why not."""
    lines = [*table(plan), *(f"Warning: {warning}." for warning in plan.warnings)]
    if plan.done:
        return [*lines, f"Nothing to do: {plan.leader} leads."]
    if plan.refusals:
        return [*lines, *(f"Refused: {refusal}." for refusal in plan.refusals)]
    hold = ["let PgBouncer hold new transactions until those under way have ended"] if pooled else []
    free = ["let go of PgBouncer when its clients have gone to the new primary"] if pooled else []
    steps = ["write a checkpoint", *hold, f"let Patroni hand over from {plan.leader} to {plan.target}", *free]
    steps.append(f"prove that {plan.target} leads on a new timeline and that {plan.leader} follows")
    return [*lines, *(f"{number}. {step}" for number, step in enumerate(steps, 1))]


def proven(
    plan: Plan, before: int, cluster: Word | None, statuses: Mapping[str, Word | None], max_lag: int
) -> list[str]:
    """Tell what is still missing for the proof: one leader on a new timeline, and the old one follows it."""
    if cluster is None:
        return ["Patroni does not say who its members are"]
    leader = leader_of(statuses)
    if leader != plan.target:
        return [f"{leader or 'nobody alone'} says that it leads, not {plan.target}"]
    after = (statuses[leader] or {}).get("timeline")
    found = [] if isinstance(after, int) and after > before else [f"{leader} writes timeline {after}, as before"]
    members = _members(cluster)
    if members.get(leader, {}).get("role") != "leader":
        found.append(f"{leader} does not hold the leader key")
    # Whoever followed before follows now, whether it could have led or not; a member that was lost before is another story.
    for row in plan.rows:
        if row.name != leader and (row.name == plan.leader or not row.lost):
            wrong = replica_faults(members.get(row.name), statuses.get(row.name), statuses[leader] or {}, max_lag)
            found += [f"{row.name} {why}" for why in wrong]
    return found
