# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan how the two names of a split become what they shall be: never empty, nothing else touched. Pure: no I/O.

The one planner of check mode, of the diff and of the writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from .ports.dns_provider import Capabilities, Reading
from .records import ADDRESS_TYPES, BESIDE_CNAME, Change, RecordSet
from .split import Picture, picture, values_of

# Two names with A and AAAA, in the worst case twice because of their TTLs. More is a fault of the planner, and not written.
MOST_CHANGES = 16
# They lead browsers past the addresses, so a name that has them would move only for some.
HINTS = ("HTTPS", "SVCB")
Sets = Mapping[str, RecordSet]


@dataclass(frozen=True)
class Batch:
    """What is written at once: changes, and the owners of names that are not marked as theirs yet."""

    changes: tuple[Change, ...]
    owners: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SplitPlan:
    """Batches in their order, each of which leaves every name answering; or why there are none."""

    batches: tuple[Batch, ...] = ()
    refusals: tuple[str, ...] = ()

    @property
    def changes(self) -> tuple[Change, ...]:
        """Return all changes of records."""
        return tuple(change for batch in self.batches for change in batch.changes)

    def describe(self) -> list[str]:
        """Say everything that would be written."""
        marks = [
            f"{name}: is marked as owned by {owner}" for batch in self.batches for name, owner in batch.owners.items()
        ]
        return [change.describe() for change in self.changes] + marks


def plan(live: Reading, desired: Picture, owner: str, can: Capabilities, adopt: bool = False) -> SplitPlan:
    """Return what turns ``live`` into ``desired``. ``adopt`` takes names that have records and no owner, never another's."""
    have = picture(live.records, desired)
    refusals = [fault for name in sorted(desired) for fault in _refusals(live, name, desired[name], owner, can, adopt)]
    if refusals:
        return SplitPlan(refusals=tuple(refusals))
    changed = [name for name in sorted(desired) if have[name] != desired[name]]
    stages = _stages(
        {name: _by_type(have[name]) for name in changed}, {name: _by_type(desired[name]) for name in changed}, can
    )
    marks = {name: owner for name in sorted(desired) if live.owners.get(name, "") != owner}
    batches = _marked([stage for stage in stages if stage], marks, {name for name in have if have[name]})
    if sum(len(batch.changes) for batch in batches) > MOST_CHANGES:
        return SplitPlan(refusals=(f"more than {MOST_CHANGES} changes for two names: this plan cannot be right",))
    return SplitPlan(tuple(batches))


def _marked(stages: Iterable[tuple[Change, ...]], marks: Mapping[str, str], present: set[str]) -> list[Batch]:
    """Mark names with the first write: nobody ever sees our records under nobody's name.

    A name that is not there yet is marked with the write that makes it: a label needs something to be stuck on.
    """
    left, batches = dict(marks), []
    for stage in stages:
        now = present | {change.name for change in stage}
        batches.append(Batch(stage, {name: left.pop(name) for name in sorted(left) if name in now}))
    return [*batches, Batch((), left)] if left else batches


def _by_type(records: Iterable[RecordSet]) -> Sets:
    return {record.type: record for record in records}


def _refusals(
    live: Reading, name: str, wanted: frozenset[RecordSet], owner: str, can: Capabilities, adopt: bool
) -> list[str]:
    here = [record for record in live.records if record.name == name]
    before = {record.type for record in here if record.type in ADDRESS_TYPES}
    after = {record.type for record in wanted}
    faults = _owner_faults(name, live.owners.get(name, ""), owner, bool(before) and not adopt)
    if not any(record.values for record in wanted):
        faults.append(f"{name}: would be empty, and a name of a split is never that")
    if hints := sorted(before & set(HINTS) - after):
        faults.append(f"{name}: its {', '.join(hints)} records lead visitors past the addresses: remove them first")
    beside = sorted({record.type for record in here} - before - set(BESIDE_CNAME))
    if "CNAME" in after and beside:
        faults.append(f"{name}: a CNAME cannot stand beside its {', '.join(beside)}: give it addresses instead")
    if before and ("CNAME" in before) != ("CNAME" in after) and not can.atomic_type_change:
        faults.append(
            f"{name}: this provider cannot change between addresses and a CNAME at once, so the name would be missing meanwhile; "
            "keep its kind, and let the name that it leads to change"
        )
    faults += [
        f"{name}: the TTL {record.ttl} must lie between {can.min_ttl} and {can.max_ttl}, which this provider takes"
        for record in wanted
        if record not in here and not can.min_ttl <= record.ttl <= can.max_ttl
    ]
    return faults


def _owner_faults(name: str, found: str, owner: str, unclaimed: bool) -> list[str]:
    if found not in ("", owner):
        return [f"{name}: belongs to {found}, not to {owner}: whoever that is has to let go of it first"]
    if not found and unclaimed:
        return [f"{name}: has records and no owner: if nothing else keeps them, take it over with adopt"]
    return []


def _stages(have: Mapping[str, Sets], want: Mapping[str, Sets], can: Capabilities) -> list[tuple[Change, ...]]:
    """Return the changes in portions. Each starts from what those before it leave."""
    goals: list[Callable[[Sets, Sets], Sets]] = [_all]
    if not can.atomic_type_change:
        goals = [_added, _kept, _all]
    if not can.atomic_ttl_and_values:
        goals = [_ttl_lowered, *([_added, _replaced] if len(goals) > 1 else []), _values, _all]
    stages = []
    now = dict(have)
    for goal in goals:
        then = {name: goal(now[name], want[name]) for name in now}
        stages.append(tuple(change for name in sorted(now) for change in _changes(name, now[name], then[name])))
        now = then
    return stages


def _all(_: Sets, want: Sets) -> Sets:
    return want


def _ttl_lowered(now: Sets, want: Sets) -> Sets:
    """Let shorter TTLs come first: what follows is then forgotten as quickly as it shall be."""
    return {
        kind: replace(record, ttl=want[kind].ttl) if kind in want and want[kind].ttl < record.ttl else record
        for kind, record in now.items()
    }


def _added(now: Sets, want: Sets) -> Sets:
    return {**want, **now}


def _kept(now: Sets, want: Sets) -> Sets:
    """Let what goes in the end be there for the moment."""
    return {**now, **want}


def _replaced(now: Sets, want: Sets) -> Sets:
    """Let every type have its new values, with the TTL that it has."""
    return {kind: replace(want[kind], ttl=record.ttl) if kind in want else record for kind, record in now.items()}


def _values(now: Sets, want: Sets) -> Sets:
    """Let types and values be the wanted ones; TTLs that rise come after."""
    return {kind: replace(record, ttl=now[kind].ttl) if kind in now else record for kind, record in want.items()}


def _changes(name: str, before: Sets, after: Sets) -> list[Change]:
    # Guards the types that nobody mentions: an address that somebody adds meanwhile is noticed, too.
    absent = tuple(kind for kind in ADDRESS_TYPES if kind not in before)
    return [
        Change(name, kind, before.get(kind), after.get(kind), absent)
        for kind in sorted({*before, *after})
        if before.get(kind) != after.get(kind)
    ]


def drift(live: Picture, *allowed: Picture) -> list[str]:
    """Say what is there that none of the pictures has. While a write is half made, values and TTLs may be of either."""
    faults = []
    for name, records in sorted(live.items()):
        known = [shown.get(name, frozenset()) for shown in allowed]
        kinds = {record.type for one in known for record in one}
        ttls = {record.ttl for one in known for record in one}
        values = {(record.type, record.values) for one in known for record in one}
        strange = [r for r in records if (r.type, r.values) not in values or r.ttl not in ttls]
        faults += [f"{name} {r.type}: is {', '.join(sorted(r.values))} (TTL {r.ttl})" for r in strange]
        # A type that all pictures have has to be there.
        certain = {kind for kind in kinds if all(any(r.type == kind for r in one) for one in known)}
        faults += [f"{name} {kind}: is missing" for kind in sorted(certain - {r.type for r in records})]
    return faults


def moving(live: Picture, desired: Picture) -> tuple[str, ...]:
    """Return the names that lead somewhere, and shall lead elsewhere."""
    return tuple(name for name in sorted(desired) if live[name] and values_of(live[name]) != values_of(desired[name]))
