# SPDX-License-Identifier: GPL-3.0-or-later
"""A zone, its provider, its authoritative servers and a clock, in memory: what goes wrong in DNS, at will.

Each version of the zone is kept with its time. A server shows the newest version that is as old as its lag, so whatever any server
ever showed is among the versions, and a promise about all servers at all times is a promise about all versions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from plugins.module_utils.fleet.ports.dns_provider import (
    Ambiguous,
    Capabilities,
    Failed,
    Raced,
    Reading,
    Receipt,
    Unanswered,
)
from plugins.module_utils.fleet.records import ADDRESS_TYPES, Change, RecordSet, applied
from plugins.module_utils.fleet.split import Picture, Split, parse, picture
from plugins.module_utils.fleet.split_phases import Mover
from plugins.module_utils.fleet.split_plan import Batch
from plugins.module_utils.fleet.split_record import Moment, read
from plugins.module_utils.fleet.split_verify import Asked, Survey, Verdict, judge
from plugins.module_utils.fleet.split_world import Limits, Outcome

ATOMIC = Capabilities(True, True, 1, 86400)
SINGLE = Capabilities(False, False, 1, 86400)
MEDIA, S3 = "media.example.org.", "s3.example.org."
OLD, NEW, BUCKET = ("192.0.2.1", "2001:db8::1"), ("192.0.2.2", "2001:db8::2"), ("198.51.100.1",)


class Crash(BaseException):
    """The process is killed."""


def split(
    read_to: Sequence[str] | str = NEW,
    write_to: Sequence[str] | str | None = BUCKET,
    ttl: int = 300,
    transit: int = 5,
    write_elsewhere: str = "",
    hosts: Mapping[str, Sequence[str]] | None = None,
    out: Sequence[str] = (),
) -> Split:
    def side(name: str, to: Sequence[str] | str) -> dict[str, object]:
        return {"name": name, "cname": to} if isinstance(to, str) else {"name": name, "addresses": list(to)}

    return parse(
        {
            "id": "media",
            "owner": "upstairs",
            "zone": "example.org",
            "read": side("media", read_to),
            "write": {"name": write_elsewhere, "elsewhere": True}
            if write_elsewhere
            else None
            if write_to is None
            else side("s3", write_to),
            "ttl": ttl,
            "transit_ttl": transit,
            "hosts": hosts or {},
            "out": list(out),
        }
    )


@dataclass
class Clock:
    utc: float = 1_700_000_000.0
    boot: str = "boot-1"
    ticks: float = 100.0
    # The time that passes, whatever clocks show.
    real: float = 0.0

    def advance(self, seconds: float) -> None:
        self.real += seconds
        self.utc += seconds
        self.ticks += seconds

    def reboot(self) -> None:
        self.boot += "+"
        self.ticks = 1.0

    def now(self) -> Moment:
        return Moment(self.utc, self.boot, self.ticks)


@dataclass
class Server:
    addresses: tuple[str, ...]
    lag: float = 0.0
    error: str = ""
    authoritative: bool = True
    # Shows this version for ever.
    stuck: int | None = None


@dataclass(frozen=True)
class Version:
    at: float
    records: Mapping[tuple[str, str], RecordSet]


@dataclass
class Zone:
    clock: Clock
    versions: list[Version] = field(default_factory=list)
    owners: dict[str, str] = field(default_factory=dict)
    servers: dict[str, Server] = field(
        default_factory=lambda: {"ns1": Server(("10.0.0.1",)), "ns2": Server(("10.0.0.2", "fd00::2"), lag=3.0)}
    )

    @property
    def records(self) -> Mapping[tuple[str, str], RecordSet]:
        return self.versions[-1].records

    def put(self, records: Mapping[tuple[str, str], RecordSet]) -> None:
        self.versions.append(Version(self.clock.real, dict(records)))

    def shown(self, server: Server) -> Mapping[tuple[str, str], RecordSet]:
        if server.stuck is not None:
            return self.versions[server.stuck].records
        seen = [version for version in self.versions if version.at + server.lag <= self.clock.real]
        return (seen or self.versions[:1])[-1].records

    def names(self) -> Picture:
        return picture(self.records.values(), (MEDIA, S3))


@dataclass
class MemoryProvider:
    zone: Zone
    capabilities: Capabilities = ATOMIC
    # What happens to the next writes: "" is made, "lost" is made without an answer, "dropped" is neither, "late" was overtaken.
    fate: list[str] = field(default_factory=list)
    silent: int = 0
    failed: str = ""
    wrong_delegation: str = ""
    writes: int = 0

    def read(self, names: Sequence[str]) -> Reading:
        if self.silent:
            self.silent -= 1
            raise Unanswered("the provider is silent")
        records = tuple(record for record in self.zone.records.values() if record.name in names)
        owners = {name: owner for name, owner in self.zone.owners.items() if name in names}
        return Reading(records, owners, str(len(self.zone.versions)))

    def write(self, changes: Sequence[Change], owners: Mapping[str, str]) -> Receipt:
        fate = self.fate.pop(0) if self.fate else ""
        if fate == "dropped":
            raise Ambiguous("no answer to the write")
        self._compare(changes)
        if fate == "late":
            raise Raced("somebody was quicker")
        self.writes += 1
        self.zone.owners |= owners
        portions = [list(changes)] if self.capabilities.atomic_type_change else [[change] for change in changes]
        for portion in portions:
            self.zone.put(applied(self.zone.records.values(), portion))
        if fate == "lost":
            raise Ambiguous("no answer to the write")
        return Receipt((f"change-{self.writes}",))

    def _compare(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if self.zone.records.get((change.name, change.type)) != change.before:
                raise Raced(f"{change.name} {change.type} is not what it was")
            if any((change.name, kind) in self.zone.records for kind in change.absent):
                raise Raced(f"{change.name} has what it had not")

    def settled(self, receipt: Receipt) -> None:
        if self.failed:
            raise Failed(self.failed)

    def servers(self) -> tuple[str, ...]:
        return tuple(self.zone.servers)

    def delegation(self) -> str:
        return self.wrong_delegation


@dataclass
class SimWorld:
    """The world of a mover. ``before`` is called with the name of each thing that it touches, before and after."""

    provider: MemoryProvider
    healthy: set[str] = field(default_factory=lambda: {*OLD, *NEW, *BUCKET})
    # Whose next answer comes too late.
    late: set[str] = field(default_factory=set)
    touched: Callable[[str], None] = lambda _: None
    probed: list[str] = field(default_factory=list)
    resolved: dict[str, str] = field(default_factory=dict)

    @property
    def capabilities(self) -> Capabilities:
        return self.provider.capabilities

    @property
    def zone(self) -> Zone:
        return self.provider.zone

    def read(self) -> Reading:
        self.touched("read")
        return self.provider.read((MEDIA, S3))

    def write(self, batch: Batch) -> Receipt:
        self.touched("before a write")
        receipt = self.provider.write(batch.changes, batch.owners)
        self.touched("after a write")
        return receipt

    def settled(self, receipt: Receipt) -> None:
        self.touched("settle")
        self.provider.settled(receipt)

    def delegation(self) -> str:
        return self.provider.delegation()

    def verify(self, wanted: Picture) -> Verdict:
        self.touched("verify")
        answers = []
        for name, server in self.zone.servers.items():
            shown = self.zone.shown(server)
            for address in server.addresses:
                for asked in wanted:
                    records = picture(shown.values(), (asked,))[asked] if not server.error else frozenset[RecordSet]()
                    answers.append(Asked(name, address, asked, records, server.authoritative, server.error))
        return judge(Survey({name: s.addresses for name, s in self.zone.servers.items()}, tuple(answers), 1), wanted)

    def negative_ttl(self) -> int:
        return 60

    def probe(self, role: str, records: frozenset[RecordSet]) -> list[str]:
        self.touched("probe")
        found = sorted(self.addresses(records))
        self.probed += found
        late, self.late = self.late & {*found}, self.late - {*found}
        return [f"{address} does not answer" for address in found if address not in self.healthy or address in late]

    def addresses(self, records: frozenset[RecordSet]) -> frozenset[str]:
        return frozenset(self.resolved.get(value, value) for record in records for value in record.values)

    def now(self) -> Moment:
        return self.zone.clock.now()


def rrset(name: str, kind: str, ttl: int, *values: str) -> RecordSet:
    return RecordSet(name, kind, ttl, frozenset(values))


def world(
    media: Sequence[RecordSet] = (rrset(MEDIA, "A", 300, OLD[0]), rrset(MEDIA, "AAAA", 300, OLD[1])),
    can: Capabilities = ATOMIC,
    owner: str = "upstairs/media",
) -> SimWorld:
    zone = Zone(Clock())
    bystanders = [
        rrset("example.org.", "SOA", 300, "ns1.example.org. hostmaster.example.org. 1 900 120 1209600 60"),
        rrset("example.org.", "NS", 300, "ns1.example.org.", "ns2.example.org."),
        rrset("www.example.org.", "A", 300, OLD[0]),
        rrset("media.example.org.", "TXT", 300, "not ours"),
        rrset(S3, "A", 300, *BUCKET),
    ]
    if any(record.type == "CNAME" for record in media):
        bystanders.pop(3)
    zone.put({(record.name, record.type): record for record in (*bystanders, *media)})
    if owner:
        zone.owners |= dict.fromkeys((MEDIA, S3), owner)
    # Whatever the servers show of the beginning, they have shown for long.
    zone.clock.advance(10_000)
    return SimWorld(MemoryProvider(zone, can))


@dataclass
class Run:
    """What the controller does: keep the record, wait, ask for the next step. It can be killed and started again."""

    world: SimWorld
    split: Split = field(default_factory=split)
    limits: Limits = field(default_factory=lambda: Limits(converge_within=60, bake=30, bake_interval=10))
    ledger: dict[str, object] | None = None
    said: list[str] = field(default_factory=list)
    # Called with the outcome of each step, after it was stored.
    between: Callable[[Outcome], None] = lambda _: None

    def once(self, state: str = "present", running: float = 0.0) -> Outcome:
        outcome = Mover(self.split, state, self.world, self.limits, running).step(read(self.ledger, self.split))
        self.world.touched("before it is stored")
        if outcome.record is not None:
            self.ledger = outcome.record.data()
        self.world.touched("after it is stored")
        self.said.append(outcome.did)
        self.between(outcome)
        return outcome

    def run(self, state: str = "present") -> Outcome:
        began = self.world.zone.clock.real
        for _ in range(500):
            outcome = self.once(state, self.world.zone.clock.real - began)
            if outcome.over:
                return outcome
            self.world.touched("before a wait")
            self.world.zone.clock.advance(outcome.pause)
            self.world.touched("after a wait")
        raise AssertionError(f"no end: {self.said[-3:]}")


def promises(world: SimWorld, mine: Split, waited: int) -> None:
    """Judge all that ever was: never empty, nothing else touched, and no cut before every cache had forgotten."""
    first = world.zone.versions[0].records
    for version in world.zone.versions:
        shown = picture(version.records.values(), mine.names)
        for name, before in picture(first.values(), mine.names).items():
            assert not before or shown[name], f"{name} was empty"
        ours = {(name, kind) for name in mine.names for kind in ADDRESS_TYPES}
        assert {k: v for k, v in version.records.items() if k not in ours} == {
            k: v for k, v in first.items() if k not in ours
        }
    assert set(world.zone.owners) <= {MEDIA, S3}
    _no_skipped_wait(world, waited)


def _no_skipped_wait(world: SimWorld, waited: int) -> None:
    targets = [picture(version.records.values(), (MEDIA,))[MEDIA] for version in world.zone.versions]
    values = [frozenset(value for record in records for value in record.values) for records in targets]
    cuts = [n for n in range(1, len(values)) if values[n - 1] != values[n]]
    if not cuts:
        return
    long = max(record.ttl for record in targets[0])
    low = [n for n in range(cuts[0]) if all(record.ttl < long for record in targets[n])]
    slowest = max(server.lag for server in world.zone.servers.values())
    assert low, "moved with a long TTL"
    assert world.zone.versions[cuts[0]].at - (world.zone.versions[low[0]].at + slowest) >= waited, "a wait was skipped"


def owned(reading: Reading, owner: str) -> Reading:
    return replace(reading, owners=dict.fromkeys((MEDIA, S3), owner))
