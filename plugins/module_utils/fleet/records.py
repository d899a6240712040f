# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide what a zone's records should become. Nothing here asks or tells a server."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

# Where a visitor is sent. They are moved together, so for a seeded name they are one unit.
ADDRESS_TYPES = ("A", "AAAA", "CNAME", "HTTPS", "SVCB")
TYPES = ("A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT")
# What may stand beside a CNAME: the signatures that a signing server adds by itself.
BESIDE_CNAME = ("NSEC", "RRSIG")
# An UPDATE is one message of at most 64 KiB; this many changes of long names stay well below it.
BATCH = 200
TTL_MAX = 2**31 - 1
SERIAL = 2
LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?")


class Mistake(ValueError):
    """What was asked makes no sense; the text says what and what to do."""


@dataclass(frozen=True, order=True)
class RecordSet:
    """All records of one name and type. Values have one spelling each, so that equal means equal."""

    name: str
    type: str
    ttl: int
    values: frozenset[str]

    def lines(self) -> list[str]:
        """Return it as a zone file would show it."""
        return [f"{self.name} {self.ttl} {self.type} {value}" for value in sorted(self.values)]


@dataclass(frozen=True)
class Wanted:
    """A declared record set; without values it must be absent. A seed is planted once and then left alone."""

    record: RecordSet
    seed: bool = False


@dataclass(frozen=True)
class Change:
    """One record set before and after; ``absent`` are the types that were not at this name when the plan was made."""

    name: str
    type: str
    before: RecordSet | None
    after: RecordSet | None
    absent: tuple[str, ...] = ()

    def describe(self) -> str:
        """Say the change in one line."""
        what = f"{self.name} {self.type}"
        if self.before is None:
            return f"{what}: add {shown(self.after)}"
        if self.after is None:
            return f"{what}: remove {shown(self.before)}"
        return f"{what}: {shown(self.before)} becomes {shown(self.after)}"


@dataclass(frozen=True)
class Plan:
    """What to change, which seeds have moved on since they were planted, and why nothing may be changed."""

    changes: tuple[Change, ...]
    held: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()


def shown(record: RecordSet | None) -> str:
    """Return values and TTL for people."""
    return "nothing" if record is None else f"{', '.join(sorted(record.values))} (TTL {record.ttl})"


def absolute(name: str, zone: str) -> str:
    """Return a name of the inventory in full: ``@`` is the zone, without a final dot it is below the zone."""
    lower = name.lower()
    if lower in ("@", zone):
        return zone
    if not lower.endswith(".") and f"{lower}.".endswith(f".{zone}"):
        raise Mistake(f"{name} would be {lower}.{zone}: end it with a dot if it is the whole name")
    full = lower if lower.endswith(".") else f"{lower}.{zone}"
    labels = full[:-1].split(".")
    if labels[0] == "*":
        labels = labels[1:]
    if len(full) > 254 or not labels or not all(len(label) <= 63 and LABEL.fullmatch(label) for label in labels):
        raise Mistake(f"{name} is no name for DNS (write an international one as xn--...)")
    return full


def target(name: str, zone: str) -> str:
    """Return the name that a record points at. One with a dot inside must say that it is whole."""
    if "." in name.rstrip(".") and not name.endswith("."):
        raise Mistake(f"the target {name} must end with a dot (without one it would be below {zone})")
    return name if name == "." else absolute(name, zone)


def canonical(kind: str, value: str, zone: str) -> str:
    """Return the one spelling of a value, or say what is wrong with it."""
    if kind in ("A", "AAAA"):
        return _address(kind, value)
    if kind == "TXT":
        return value
    if kind == "CAA":
        return _caa(value)
    fields = value.split()
    numbers = {"CNAME": 0, "NS": 0, "PTR": 0, "MX": 1, "SRV": 3}
    if kind == "SOA":
        if len(fields) != 7 or not all(field.isdecimal() for field in fields[2:]):
            raise Mistake(f"SOA {value}: wanted are two names and five numbers")
        return " ".join([target(fields[0], zone), target(fields[1], zone), *(str(int(field)) for field in fields[2:])])
    before = numbers[kind]
    if len(fields) != before + 1 or not all(f.isdecimal() and int(f) < 65536 for f in fields[:before]):
        raise Mistake(f"{kind} {value}: wanted is {'a name' if not before else f'{before} numbers and a name'}")
    return " ".join([*(str(int(field)) for field in fields[:before]), target(fields[-1], zone)])


def _address(kind: str, value: str) -> str:
    try:
        return str(ipaddress.IPv4Address(value) if kind == "A" else ipaddress.IPv6Address(value))
    except ValueError as error:
        raise Mistake(f"{kind} {value}: no such address") from error


def _caa(value: str) -> str:
    match = re.fullmatch(r'(\d{1,3}) +([A-Za-z0-9]+) +("?)([^"]*)\3', value)
    if not match or int(match[1]) > 255:
        raise Mistake(f'CAA {value}: wanted is such as 0 issue "letsencrypt.org"')
    return f'{int(match[1])} {match[2].lower()} "{match[4]}"'


def zone_name(name: str) -> str:
    """Return a zone's name in full; in the inventory the final dot may be missing."""
    return absolute(f"{name.rstrip('.')}.", ".")


def parse(zone: str, entries: Iterable[Mapping[str, Any]], default_ttl: int) -> list[Wanted]:
    """Return what an inventory declares for one zone, or all that is wrong with it."""
    wanted: dict[tuple[str, str], Wanted] = {}
    wrong: list[str] = []
    for entry in entries:
        try:
            one = _parse(zone, entry, default_ttl)
        except Mistake as mistake:
            wrong.append(f"{entry.get('name')} {entry.get('type')}: {mistake}")
            continue
        key = (one.record.name, one.record.type)
        if key in wanted:
            wrong.append(f"{key[0]} {key[1]}: is declared twice; give one entry all values")
        wanted[key] = one
    wrong += _mixed(wanted.values())
    if wrong:
        raise Mistake(f"zone {zone}: " + "; ".join(wrong))
    return list(wanted.values())


def _mixed(wanted: Iterable[Wanted]) -> list[str]:
    owners: dict[str, set[bool]] = {}
    for one in wanted:
        if one.record.type in ADDRESS_TYPES:
            owners.setdefault(one.record.name, set()).add(one.seed)
    return [
        f"{name}: its addresses move together, so {', '.join(ADDRESS_TYPES)} are all `managed: seed` or none is"
        for name, seeds in owners.items()
        if len(seeds) > 1
    ]


def _parse(zone: str, entry: Mapping[str, Any], default_ttl: int) -> Wanted:
    name, kind = absolute(str(entry["name"]), zone), str(entry["type"]).upper()
    if kind not in TYPES:
        raise Mistake(f"{kind} is not among {', '.join(TYPES)}")
    if name != zone and not name.endswith(f".{zone}"):
        raise Mistake(f"is not in the zone {zone}")
    values = frozenset(canonical(kind, str(value), zone) for value in entry.get("values") or [])
    ttl = default_ttl if entry.get("ttl") is None else int(entry["ttl"])
    if not 0 <= ttl <= TTL_MAX:
        raise Mistake(f"the TTL {ttl} must lie between 0 and {TTL_MAX}")
    seed = entry.get("managed", "always") == "seed"
    _refuse(zone, name, kind, values, absent=entry.get("state", "present") == "absent", seed=seed)
    return Wanted(RecordSet(name, kind, ttl, values), seed)


def _refuse(zone: str, name: str, kind: str, values: frozenset[str], *, absent: bool, seed: bool) -> None:
    if absent and (values or seed):
        raise Mistake("a record that shall be absent has neither values nor `managed: seed`")
    if not absent and not values:
        raise Mistake("has no values; to remove it say `state: absent`")
    if kind in ("CNAME", "SOA") and len(values) > 1:
        raise Mistake("can have one value only")
    if kind == "CNAME" and name == zone:
        raise Mistake("a CNAME cannot be the zone itself: give it the addresses (A, AAAA) instead")
    if kind == "SOA" and name != zone:
        raise Mistake("SOA belongs to the zone itself (@)")
    if absent and name == zone and kind in ("NS", "SOA"):
        raise Mistake("a zone cannot be without it")


def plan(live: Iterable[RecordSet], wanted: Sequence[Wanted], zone: str) -> Plan:
    """Return the changes that turn ``live`` into ``wanted``, in a stable order. What is not declared is not touched."""
    have = {(record.name, record.type): record for record in live}
    changes: list[Change] = []
    held: list[str] = []
    for one in sorted(wanted, key=lambda w: (w.record.name, w.record.type)):
        record = one.record
        before = have.get((record.name, record.type))
        if one.seed and _planted(have, record):
            if before != record:
                held.append(f"{record.name} {record.type}: the zone has {shown(before)}, the seed was {shown(record)}")
            continue
        after = _after(before, record)
        if before != after:
            absent = () if before else _absent(have, record)
            changes.append(Change(record.name, record.type, before, after, absent))
    return Plan(tuple(changes), tuple(held), tuple(_conflicts(have, changes)))


def _planted(have: Mapping[tuple[str, str], RecordSet], record: RecordSet) -> bool:
    kinds = ADDRESS_TYPES if record.type in ADDRESS_TYPES else (record.type,)
    return any((record.name, kind) in have for kind in kinds)


def _after(before: RecordSet | None, record: RecordSet) -> RecordSet | None:
    if not record.values:
        return None
    if record.type != "SOA" or before is None:
        return record
    old, new = (next(iter(each.values)).split() for each in (before, record))
    new[SERIAL] = old[SERIAL]
    if new != old or before.ttl != record.ttl:
        # A server takes an SOA only with a newer serial (RFC 1982: it may wrap, and 0 is avoided).
        new[SERIAL] = str(int(old[SERIAL]) % (2**32 - 1) + 1)
    return RecordSet(record.name, "SOA", record.ttl, frozenset([" ".join(new)]))


def _absent(have: Mapping[tuple[str, str], RecordSet], record: RecordSet) -> tuple[str, ...]:
    kinds = ADDRESS_TYPES if record.type in ADDRESS_TYPES else (record.type,)
    return tuple(kind for kind in kinds if (record.name, kind) not in have)


def applied(live: Iterable[RecordSet], changes: Iterable[Change]) -> dict[tuple[str, str], RecordSet]:
    """Return what the zone holds when the changes have been made."""
    result = {(record.name, record.type): record for record in live}
    for change in changes:
        if change.after is None:
            result.pop((change.name, change.type), None)
        else:
            result[change.name, change.type] = change.after
    return result


def _conflicts(have: Mapping[tuple[str, str], RecordSet], changes: Sequence[Change]) -> list[str]:
    touched = {change.name for change in changes}
    kinds: dict[str, set[str]] = {}
    for name, kind in applied(have.values(), changes):
        if name in touched and kind not in BESIDE_CNAME:
            kinds.setdefault(name, set()).add(kind)
    return [
        f"{name}: a CNAME cannot stand beside {', '.join(sorted(found - {'CNAME'}))}; declare the one that goes with `state: absent`"
        for name, found in sorted(kinds.items())
        if "CNAME" in found and len(found) > 1
    ]


def batches(changes: Sequence[Change], size: int = BATCH) -> list[list[Change]]:
    """Return the changes in portions for one UPDATE each; a name is never split, so it never goes through a gap."""
    result: list[list[Change]] = []
    for _, group in groupby(changes, key=lambda change: change.name):
        portion = list(group)
        if result and len(result[-1]) + len(portion) <= size:
            result[-1] += portion
        else:
            result.append(portion)
    return result


def diff(zone: str, changes: Sequence[Change]) -> dict[str, str]:
    """Return the changed record sets as Ansible shows differences."""
    before = [line for change in changes if change.before for line in change.before.lines()]
    after = [line for change in changes if change.after for line in change.after.lines()]
    texts = {key: "".join(f"{line}\n" for line in lines) for key, lines in (("before", before), ("after", after))}
    return {"before_header": zone, "after_header": zone, **texts}
