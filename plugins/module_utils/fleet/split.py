# SPDX-License-Identifier: GPL-3.0-or-later
"""A split: the name that is read from, the name that is written to, and where both shall lead. Pure: no I/O."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .records import ADDRESS_TYPES, TTL_MAX, Mistake, RecordSet, absolute, canonical, zone_name

ROLES = ("read", "write")
# A label of a cloud's API holds no more, and a word in a TXT record no spaces.
WORD = re.compile(r"[a-z0-9]([a-z0-9._-]{0,28}[a-z0-9])?")

# What each name answers with: one record set for each of the types that lead a visitor somewhere.
Picture = Mapping[str, frozenset[RecordSet]]


@dataclass(frozen=True)
class Side:
    """One of the two names, and the record sets that it shall have in the end.

    A name that is ``elsewhere`` is somebody else's, such as a bucket's at a cloud. It leads to itself, and is only kept apart from
    the other one.
    """

    role: str
    name: str
    records: frozenset[RecordSet]
    elsewhere: bool = False


@dataclass(frozen=True)
class Away:
    """An address that is declared for a name, and that it does not lead to for a while: the host that answers there is out."""

    role: str
    name: str
    address: str
    host: str


@dataclass(frozen=True)
class Split:
    """A pair of names in one zone. ``ttl`` is for every day, ``transit_ttl`` for while a name moves.

    Of what is read and written by the same name, such as the instance's own, there is the read name alone. The sides hold what is
    declared without the addresses of hosts that are out, which are in ``away``.
    """

    id: str
    owner: str
    zone: str
    # The read name first.
    sides: tuple[Side, ...]
    ttl: int
    transit_ttl: int
    away: tuple[Away, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of this zone: there is no other that a split may touch."""
        return tuple(side.name for side in self.sides if not side.elsewhere)

    @property
    def marker(self) -> str:
        """Return who owns the names, as a provider marks it."""
        return f"{self.owner}/{self.id}"

    def final(self) -> Picture:
        """Return what the names answer in the end."""
        return {side.name: side.records for side in self.sides if not side.elsewhere}

    def role_of(self, name: str) -> str:
        """Say which of the two a name is."""
        return next(side.role for side in self.sides if side.name == name)


def parse(params: Mapping[str, Any], min_ttl: int = 0, max_ttl: int = TTL_MAX) -> Split:
    """Return the split that is declared, or say all that is wrong with it. The limits are the provider's."""
    zone = zone_name(str(params["zone"]))
    wrong = [
        f"{key} {params[key]!r} must be small letters, digits, dots, dashes, at most 30"
        for key in ("id", "owner")
        if not WORD.fullmatch(str(params[key]))
    ]
    ttl, transit = int(params["ttl"]), int(params["transit_ttl"])
    wrong += _ttl_faults(ttl, transit, min_ttl, max_ttl)
    sides = []
    declared = [role for role in ROLES if params.get(role)]
    for role in declared:
        try:
            sides.append(_side(role, params[role], zone, ttl))
        except Mistake as mistake:
            wrong.append(f"the {role} name {params[role].get('name')}: {mistake}")
    if len(sides) == len(ROLES):
        wrong += crossings(sides[0], sides[1])
    if sides and len(sides) == len(declared) and all(side.elsewhere for side in sides):
        wrong.append("all its names are elsewhere, so there is nothing that could be moved")
    away: list[Away] = []
    try:
        away = [one for side in sides for one in _away(side, params)]
    except Mistake as mistake:
        wrong.append(str(mistake))
    if wrong:
        raise Mistake(f"split {params['id']}: " + "; ".join(wrong))
    left = tuple(_without(side, away) for side in sides)
    return Split(str(params["id"]), str(params["owner"]), zone, left, ttl, transit, tuple(away))


def answering(hosts: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return for each address who answers there."""
    found: dict[str, str] = {}
    for host, given in sorted(hosts.items()):
        try:
            mine = targets(RecordSet("", kind, 0, values) for kind, values in _addresses(given).items())
        except Mistake as mistake:
            raise Mistake(f"hosts: {host}: {mistake}") from mistake
        for address in sorted(mine):
            if other := found.get(address):
                raise Mistake(f"hosts: both {other} and {host} answer at {address}, so neither can be out alone")
            found[address] = host
    return found


def _away(side: Side, params: Mapping[str, Any]) -> list[Away]:
    """Return which addresses of a name are those of hosts that are out. All of them would be a name that leads nowhere."""
    hosts, out = answering(params.get("hosts") or {}), set(params.get("out") or ())
    declared = targets(side.records)
    away = [
        Away(side.role, side.name, address, hosts[address])
        for address in sorted(declared & {*hosts})
        if hosts[address] in out
    ]
    if len(away) == len(declared):
        raise Mistake(
            f"the {side.role} name {side.name} would lead nowhere without {' and '.join(sorted({one.host for one in away}))}, and nobody "
            "else is declared for it. Bring another one back first (playbooks/rejoin-service.yml), or declare another target and lead the "
            "name there (playbooks/cut-over-dns.yml)"
        )
    return away


def _without(side: Side, away: Iterable[Away]) -> Side:
    gone = {one.address for one in away}
    left = (replace(record, values=record.values - gone) for record in side.records)
    return replace(side, records=frozenset(record for record in left if record.values))


def _ttl_faults(ttl: int, transit: int, least: int, most: int) -> list[str]:
    faults = [
        f"the {what} {value} must lie between {least} and {most}, which this provider takes"
        for what, value in (("ttl", ttl), ("transit_ttl", transit))
        if not least <= value <= most
    ]
    if transit > ttl:
        faults.append(f"the transit_ttl {transit} must not be longer than the ttl {ttl}")
    return faults


def _side(role: str, given: Mapping[str, Any], zone: str, ttl: int) -> Side:
    name = absolute(str(given["name"]), zone)
    if given.get("elsewhere"):
        return _elsewhere(role, name, given, zone)
    if name != zone and not name.endswith(f".{zone}"):
        raise Mistake(f"is not in the zone {zone}")
    addresses, cname = given.get("addresses") or [], given.get("cname") or ""
    if bool(addresses) == bool(cname):
        raise Mistake("needs either addresses or a cname, and not both: a name that leads nowhere is never wanted")
    if cname and name == zone:
        raise Mistake("is the zone itself, where a CNAME cannot stand: give it the addresses instead")
    values = _addresses(addresses) if addresses else {"CNAME": frozenset([canonical("CNAME", cname, zone)])}
    if name in values.get("CNAME", frozenset()):
        raise Mistake("is its own target")
    return Side(role, name, frozenset(RecordSet(name, kind, ttl, found) for kind, found in values.items()))


def _elsewhere(role: str, name: str, given: Mapping[str, Any], zone: str) -> Side:
    if given.get("addresses") or given.get("cname"):
        raise Mistake("is elsewhere, so where it leads is not ours to say: give neither addresses nor a cname")
    if name == zone or name.endswith(f".{zone}"):
        raise Mistake(f"is in the zone {zone} and not elsewhere (a name elsewhere ends with a dot)")
    return Side(role, name, frozenset([RecordSet(name, "CNAME", 0, frozenset([name]))]), elsewhere=True)


def _addresses(given: Sequence[str]) -> dict[str, frozenset[str]]:
    result: dict[str, set[str]] = {}
    for text in given:
        try:
            address = ipaddress.ip_address(str(text))
        except ValueError as error:
            raise Mistake(f"{text} is no address") from error
        if address.is_unspecified or address.is_multicast:
            raise Mistake(f"{text} is no address that a visitor can reach")
        result.setdefault("A" if address.version == 4 else "AAAA", set()).add(str(address))
    return {kind: frozenset(values) for kind, values in result.items()}


def crossings(read: Side, write: Side) -> list[str]:
    """Say where reading would lead to what is written to, or the other way round."""
    if read.name == write.name:
        return [f"{read.name} cannot be both the read name and the write name"]
    faults = [
        f"the {one.role} name {one.name} leads to the {other.role} name {other.name}: writers and readers would meet"
        for one, other in ((read, write), (write, read))
        if other.name in targets(one.records)
    ]
    both = sorted(targets(read.records) & targets(write.records))
    if both:
        faults.append(f"{read.name} and {write.name} both lead to {', '.join(both)}: the split would be none")
    return faults


def targets(records: Iterable[RecordSet]) -> frozenset[str]:
    """Return the addresses or the name that record sets lead to."""
    return frozenset(value for record in records for value in record.values)


def picture(records: Iterable[RecordSet], names: Iterable[str]) -> Picture:
    """Return what leads visitors somewhere at each of the names; a name without any has an empty set."""
    found = list(records)
    return {
        name: frozenset(record for record in found if record.name == name and record.type in ADDRESS_TYPES)
        for name in names
    }


def with_ttl(records: Iterable[RecordSet], ttl: int) -> frozenset[RecordSet]:
    """Return the record sets with another TTL."""
    return frozenset(RecordSet(record.name, record.type, ttl, record.values) for record in records)


def lowered(records: Iterable[RecordSet], ttl: int) -> frozenset[RecordSet]:
    """Return the record sets with a TTL that is no longer than this one."""
    return frozenset(RecordSet(record.name, record.type, min(record.ttl, ttl), record.values) for record in records)


def values_of(records: Iterable[RecordSet]) -> frozenset[tuple[str, str]]:
    """Return types and values, without TTLs: what visitors follow."""
    return frozenset((record.type, value) for record in records for value in record.values)


def as_data(shown: Picture) -> dict[str, Any]:
    """Return a picture as JSON holds it."""
    return {
        name: [
            {"type": record.type, "ttl": record.ttl, "values": sorted(record.values)}
            for record in sorted(records, key=lambda one: one.type)
        ]
        for name, records in sorted(shown.items())
    }


def from_data(data: Mapping[str, Any]) -> Picture:
    """Return the picture that ``as_data`` wrote."""
    return {
        str(name): frozenset(
            RecordSet(str(name), str(one["type"]), int(one["ttl"]), frozenset(map(str, one["values"])))
            for one in records
        )
        for name, records in data.items()
    }


def lines(shown: Picture) -> list[str]:
    """Return a picture as a zone file shows it, for whoever has to restore it by hand."""
    return [
        line
        for _, records in sorted(shown.items())
        for record in sorted(records, key=lambda one: one.type)
        for line in record.lines()
    ]
