# SPDX-License-Identifier: GPL-3.0-or-later
"""Say what a move would do, by making it in a world that reads for real and writes nowhere. Pure: the hands are the real world's."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from . import split_plan
from .ports.dns_provider import Capabilities, Reading, Receipt
from .records import Change, RecordSet, applied
from .split import Picture, Split, picture, targets
from .split_phases import Mover
from .split_plan import Batch
from .split_record import OVER, Moment, Record
from .split_verify import Verdict
from .split_world import Limits, Outcome, World

# No move has more steps; more is a fault of the machine, and said instead of gone on with.
MOST_STEPS = 200


@dataclass
class DryWorld:
    """A world in which writes are only thought of, servers follow at once, and waiting takes no time."""

    real: World
    written: list[Change] = field(default_factory=list)
    marked: dict[str, str] = field(default_factory=dict)
    skipped: float = 0.0

    @property
    def capabilities(self) -> Capabilities:
        """Say what the provider can do at once."""
        return self.real.capabilities

    def read(self) -> Reading:
        """Return what would be there by now."""
        found = self.real.read()
        records = tuple(applied(found.records, self.written).values())
        return Reading(records, {**found.owners, **self.marked}, found.token)

    def write(self, batch: Batch) -> Receipt:
        """Remember what would be written."""
        self.written += batch.changes
        self.marked |= batch.owners
        return Receipt()

    def settled(self, receipt: Receipt) -> None:
        """Take it for done."""

    def delegation(self) -> str:
        """Return what is wrong with the delegation."""
        return self.real.delegation()

    def verify(self, wanted: Picture) -> Verdict:
        """Ask the servers, until there is something that they cannot know."""
        return Verdict(()) if self.written or self.marked else self.real.verify(wanted)

    def negative_ttl(self) -> int:
        """Return for how long caches remember that something is missing."""
        return self.real.negative_ttl()

    def probe(self, role: str, records: frozenset[RecordSet]) -> list[str]:
        """Probe before the first write; what would be asked afterwards is the same."""
        return [] if self.written else self.real.probe(role, records)

    def addresses(self, records: frozenset[RecordSet]) -> frozenset[str]:
        """Return the addresses that records lead to."""
        return self.real.addresses(records)

    def now(self) -> Moment:
        """Return the time, and what would have been waited."""
        now = self.real.now()
        return replace(now, utc=now.utc + self.skipped, ticks=now.ticks + self.skipped)


@dataclass(frozen=True)
class Preview:
    """The steps, when each would be at the earliest, in seconds from now, and what would be written in all."""

    steps: tuple[tuple[float, str], ...]
    changes: tuple[Change, ...]
    # Names that would only get their owner's mark are a change, too.
    marked: tuple[str, ...] = ()

    def net(self) -> list[Change]:
        """Return what is different in the end, whatever there was on the way."""
        first: dict[tuple[str, str], Change] = {}
        for change in self.changes:
            begun = first.get((change.name, change.type), change)
            first[change.name, change.type] = replace(begun, after=change.after)
        return [change for _, change in sorted(first.items()) if change.before != change.after]

    def table(self) -> list[str]:
        """Return the steps as numbered lines."""
        return [f"{number:>3}. +{at:>6.0f} s  {said}" for number, (at, said) in enumerate(self.steps, 1)]


def preview(split: Split, state: str, world: World, limits: Limits, record: Record | None) -> Preview:
    """Go through all steps from where the record stands, or those before what is up to others.

    Refuses what the move itself would refuse. A server that lags is waited for by the move, and not here: here no time passes.
    """
    dry = DryWorld(world)
    mover = Mover(split, state, dry, limits)
    steps: list[tuple[float, str]] = []
    for _ in range(MOST_STEPS):
        at = dry.skipped
        outcome = mover.step(record)
        record = outcome.record
        steps.append((at, outcome.did))
        if outcome.over or outcome.unknown:
            return Preview(tuple(steps), tuple(dry.written), tuple(sorted(dry.marked)))
        dry.skipped += _jump(outcome, dry.now())
    raise RuntimeError(f"the plan of {split.id} has no end after {MOST_STEPS} steps: {steps[-1][1]}")


def _jump(outcome: Outcome, now: Moment) -> float:
    """Return what has to be waited for: whole, where its end is known."""
    ready = outcome.ready_at
    return outcome.pause if ready is None else max(0.0, ready.utc - now.utc)


def differences(split: Split, world: World, limits: Limits, record: Record | None) -> list[str]:
    """Say where the names are not as declared, or servers answer otherwise. Writes nothing; none is the good answer.

    For who adopts names without an owner, a mark that is missing is no difference.
    """
    reading = world.read()
    live = picture(reading.records, split.names)
    plan = split_plan.plan(reading, split.final(), split.marker, world.capabilities, limits.adopt)
    said = [change.describe() for change in plan.changes] if limits.adopt else plan.describe()
    faults = [*plan.refusals, *said]
    faults += [
        f"{one.name} leads to {one.address} of {one.host}, which is out: run what takes it out or brings it back again"
        for one in split.away
        if one.address in targets(live.get(one.name, ()))
    ]
    if record is not None and (record.phase not in OVER or record.intent is not None):
        faults.append(f"a move is under way: {record.phase}")
    if fault := world.delegation():
        faults.append(f"the delegation: {fault}")
    return [*faults, *world.verify(live).faults]
