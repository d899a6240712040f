# SPDX-License-Identifier: GPL-3.0-or-later
"""May the primary hand over, and to whom? Pure: no I/O. What was not measured is a reason not to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .etcd import quorum
from .patroni import lag

LEADS = ("primary", "master")
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
    """A member as the plan shows it. ``against`` is why it cannot lead."""

    name: str
    site: str
    role: str
    state: str
    timeline: int | None
    lag: int | None
    tags: str
    against: tuple[str, ...] = ()


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
    leading = [name for name, status in statuses.items() if status and status.get("role") in LEADS]
    return leading[0] if len(leading) == 1 else ""


def make_plan(seen: Observed, wish: Wish) -> Plan:
    """Decide. A plan without refusals may be carried out."""
    members = {member["name"]: member for member in (seen.cluster or {}).get("members", [])}
    leader = leader_of(seen.statuses)
    rows = tuple(_row(members[name], seen, leader, wish.max_lag) for name in sorted(members))
    if not leader or members.get(leader, {}).get("role") != "leader":
        return Plan(rows, leader, refusals=(_no_leader(seen, leader),))
    target, wrong = _target(rows, leader, wish)
    warnings = (f"WAL is not archived: {seen.archiver}",) if seen.archiver else ()
    if target == leader:
        return Plan(rows, leader, target, (), warnings)
    return Plan(rows, leader, target, (*wrong, *_against_any(seen, wish)), warnings)


def _no_leader(seen: Observed, leader: str) -> str:
    if seen.cluster is None:
        return "Patroni does not say who its members are"
    if leader:
        return f"{leader} says that it leads and does not hold the leader key: wait until the cluster has settled"
    leading = sorted(name for name, status in seen.statuses.items() if status and status.get("role") in LEADS)
    return f"{' and '.join(leading)} say that they lead" if leading else "nobody says that it leads"


def _row(member: Word, seen: Observed, leader: str, max_lag: int) -> Row:
    name = str(member["name"])
    status = seen.statuses.get(name)
    tags = dict(member.get("tags") or {})
    site = str(tags.pop("site", ""))
    behind = None if name == leader or status is None else lag(seen.statuses.get(leader) or {}, status)
    against = () if name == leader else tuple(_against(member, status, seen, leader, max_lag))
    state = str((status or {}).get("replication_state") or (status or {}).get("state") or "silent")
    shown = " ".join(f"{key}={str(value).lower()}" for key, value in sorted(tags.items()))
    return Row(name, site, str(member.get("role")), state, member.get("timeline"), behind, shown, against)


def _against(member: Word, status: Word | None, seen: Observed, leader: str, max_lag: int) -> list[str]:
    """Tell why a member cannot take over."""
    if status is None:
        return ["does not answer"]
    tags = member.get("tags") or {}
    ours = seen.statuses.get(leader) or {}
    found = [
        f"is tagged {tag}" for tag, value in (("nofailover", True), ("failover_priority", 0)) if _is(tags, tag, value)
    ]
    if status.get("state") != "running":
        found.append(f"is not running: {status.get('state')}")
    if status.get("replication_state") != "streaming":
        found.append(f"does not stream: {status.get('replication_state') or 'no word about it'}")
    if member.get("timeline") is None or member.get("timeline") != ours.get("timeline"):
        found.append(f"follows timeline {member.get('timeline')}, the leader writes {ours.get('timeline')}")
    if (seen.config or {}).get("synchronous_mode") is True and member.get("role") != "sync_standby":
        found.append("is not a synchronous standby, and the cluster is synchronous")
    return found + _behind(ours, status, max_lag)


def _is(tags: Word, tag: str, value: Any) -> bool:
    return tag in tags and tags[tag] == value and isinstance(tags[tag], type(value))


def _behind(leader: Word, status: Word, max_lag: int) -> list[str]:
    """Tell what a member has yet to receive, or to replay before it could serve."""
    received = lag(leader, status)
    place = status.get("xlog") or {}
    if received is None or not place.get("replayed_location"):
        return ["has a lag that was not measured"]
    unplayed = int((leader.get("xlog") or {})["location"]) - int(place["replayed_location"])
    found = [f"is {received} bytes behind, {max_lag} are allowed"] if received > max_lag else []
    if received <= max_lag < unplayed:
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


def _against_any(seen: Observed, wish: Wish) -> list[str]:
    """Tell what speaks against any switchover now."""
    found = []
    cluster = seen.cluster or {}
    if seen.config is None:
        found.append("Patroni does not say how the cluster is configured")
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
    members = {member["name"]: member for member in cluster.get("members", [])}
    if members.get(leader, {}).get("role") != "leader":
        found.append(f"{leader} does not hold the leader key")
    seen = Observed(cluster, statuses, {}, {}, ())
    # Whoever followed before follows now; a member that was lost before is another story.
    for row in plan.rows:
        if row.name != leader and (row.name == plan.leader or not row.against):
            follows = _row(members.get(row.name, {"name": row.name}), seen, leader, max_lag)
            found += [f"{row.name} {why}" for why in follows.against if not why.startswith("is tagged")]
    return found
