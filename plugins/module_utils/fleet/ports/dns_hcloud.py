# SPDX-License-Identifier: GPL-3.0-or-later
"""A zone in Hetzner's Cloud. Each write is an action on one record set, so a batch is a row of them, in an order that keeps answering.

There is no version to compare with: what the plan was made on is read again immediately before, and the result is read back. Marks
are labels, which the API keeps beside a record set.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

try:
    import hcloud
    import requests
    from hcloud.zones import BoundZone, BoundZoneRRSet, ZoneRecord

    HAS_HCLOUD = True
except ImportError:
    HAS_HCLOUD = False

from ..records import ADDRESS_TYPES, TTL_MAX, Change, Mistake, RecordSet, applied, zone_name
from ..zone_text import DECIMAL, given, spelled
from .dns_provider import (
    Ambiguous,
    Capabilities,
    Failed,
    Reading,
    Receipt,
    Refused,
    Unanswered,
    Unknown,
    raced,
    refuse_races,
)
from .patience import Patience, Throttled, patience, seconds

CAPABILITIES = Capabilities(atomic_type_change=False, atomic_ttl_and_values=False, min_ttl=60, max_ttl=TTL_MAX)
OWNER, SPLIT = "upstairs-owner", "upstairs-split"
LABEL_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
# Somebody else's action runs on the zone, or too many questions came: nothing was done.
BUSY = {"conflict", "locked", "rate_limit_exceeded"}
BROKEN = {"service_error", "server_error", "unknown_error", "unavailable", "maintenance", "timeout", "bad_gateway"}
STRANGER = {"unauthorized", "forbidden", "token_readonly"}

T = TypeVar("T")
Live = Mapping[tuple[str, str], "BoundZoneRRSet"]


class Broken(Exception):
    """The API answered with nothing that tells what it did."""


@dataclass(frozen=True)
class Step:
    """One request of a batch: what it does, in words, and how it is sent. It returns the action's number, if it makes one."""

    text: str
    send: Callable[[], str]


@dataclass(frozen=True)
class HCloud:
    """One zone."""

    client: hcloud.Client
    zone: str
    patience: Patience = field(default_factory=Patience)
    capabilities: Capabilities = CAPABILITIES
    # Whose each name was when it was last read: a mark that has changed since is a lost race too.
    seen: dict[str, str] = field(default_factory=dict)

    def read(self, names: Sequence[str]) -> Reading:
        """Return what is at the names; a record set without a TTL of its own has the zone's."""
        zone = self._zone()
        live = self._live(zone, names)
        owners = {name: _owner(live, name) for name in names}
        self.seen.update(owners)
        return Reading(tuple(sorted(self._record(zone, one) for one in live.values())), owners)

    def write(self, changes: Sequence[Change], owners: Mapping[str, str]) -> Receipt:
        """Send one request after the other, each when the one before is done; then read back."""
        zone, names = self._zone(), sorted({change.name for change in changes} | set(owners))
        live = self._live(zone, names)
        self._compare(zone, live, changes, owners)
        self._refuse(zone, live, changes, owners)
        steps = self._steps(zone, live, changes, owners)
        for name in owners:
            self.seen.pop(name, None)
        receipt = Receipt(tuple(self._sent(steps, partial(self._moved, zone, live, names))))
        self._read_back(zone, live, changes)
        self.seen.update(owners)
        return receipt

    def settled(self, receipt: Receipt) -> None:
        """Wait until the actions have succeeded and the zone is on all of Hetzner's servers."""
        for number in receipt.ids:
            with suppress(Unknown):
                self._wait(partial(self._running, number))
        self._wait(self._publishing)

    def servers(self) -> tuple[str, ...]:
        """Return the servers that Hetzner has assigned to the zone."""
        authority = self._zone().authoritative_nameservers
        assigned = (authority.assigned if authority else None) or []
        return tuple(sorted(f"{name.rstrip('.').lower()}." for name in assigned))

    def delegation(self) -> str:
        """Return what Hetzner found when it last looked at the parent zone, unless that was well."""
        authority = self._zone().authoritative_nameservers
        status = authority.delegation_status if authority else None
        if authority and status == "valid":
            return ""
        delegated, assigned = (
            ", ".join(names or ["nothing"])
            for names in (authority and authority.delegated, authority and authority.assigned)
        )
        return (
            f"{self.zone}: Hetzner says that its delegation is {status or 'unknown'}: the parent zone names {delegated},"
            f" the zone is on {assigned}; correct the name servers at the registrar"
        )

    def _zone(self) -> BoundZone:
        return self._ask(lambda: self.client.zones.get(self.zone[:-1]))

    def _live(self, zone: BoundZone, names: Iterable[str]) -> dict[tuple[str, str], BoundZoneRRSet]:
        found = {}
        for name in names:
            relative = self._relative(name)
            for one in self._ask(partial(zone.get_rrset_all, name=relative)):
                found[name, str(one.type)] = one
        return found

    def _relative(self, name: str) -> str:
        if name == self.zone:
            return "@"
        if not name.endswith(f".{self.zone}"):
            raise Refused(f"{name} is not in the zone {self.zone}")
        return name.removesuffix(f".{self.zone}")

    def _record(self, zone: BoundZone, one: BoundZoneRRSet) -> RecordSet:
        name = self.zone if one.name == "@" else f"{one.name}.{self.zone}"
        ttl = zone.ttl if one.ttl is None else one.ttl
        kind = str(one.type)
        values = (spelled(kind, each.value, self.zone, origin=self.zone, base=DECIMAL) for each in one.records or [])
        return RecordSet(name, kind, int(ttl or 0), frozenset(values))

    def _compare(self, zone: BoundZone, live: Live, changes: Sequence[Change], owners: Mapping[str, str]) -> None:
        have = {key: self._record(zone, one) for key, one in live.items()}
        refuse_races(have, changes, self.seen, {name: _owner(live, name) for name in owners})

    def _refuse(self, zone: BoundZone, live: Live, changes: Sequence[Change], owners: Mapping[str, str]) -> None:
        if zone.mode == "secondary":
            raise Refused(f"{self.zone} is a secondary zone at Hetzner: change it on its primary")
        before = {key: self._record(zone, one) for key, one in live.items()}
        after = applied(before.values(), changes)
        for change in changes:
            one = live.get((change.name, change.type))
            if one is not None and one.protection and one.protection["change"]:
                raise Refused(f"{change.name} {change.type} is protected from changes at Hetzner: lift the protection")
            kinds = [{kind for at, kind in keys if at == change.name} & set(ADDRESS_TYPES) for keys in (before, after)]
            if all(kinds) and ("CNAME" in kinds[0]) != ("CNAME" in kinds[1]):
                raise Refused(
                    f"{change.name}: Hetzner cannot exchange CNAME and addresses at once, the name would be empty meanwhile;"
                    " keep its type, and move what it points at"
                )
        touched = {(change.name, change.type) for change in changes}
        _refuse_marks({key[0] for key in after if key in touched or key[1] in ADDRESS_TYPES}, owners)

    def _steps(self, zone: BoundZone, live: Live, changes: Sequence[Change], owners: Mapping[str, str]) -> list[Step]:
        """Claim, add, change, remove, let go: whoever asks meanwhile gets an answer, and no change is without its mark."""
        claims, frees = self._marks(live, changes, owners)
        adds = [self._add(zone, live, each.after, owners) for each in changes if each.before is None and each.after]
        sets = [
            step for each in changes if each.before and each.after for step in self._set(live, each.before, each.after)
        ]
        removes = [
            Step(f"removing {change.name} {change.type}", partial(_removed, live[change.name, change.type]))
            for change in changes
            if change.before and change.after is None
        ]
        return [*claims, *adds, *sets, *removes, *frees]

    def _marks(self, live: Live, changes: Sequence[Change], owners: Mapping[str, str]) -> tuple[list[Step], list[Step]]:
        claims: list[Step] = []
        frees: list[Step] = []
        gone = {(change.name, change.type) for change in changes if change.after is None}
        touched = {(change.name, change.type) for change in changes}
        for (name, kind), one in live.items():
            if name not in owners or (name, kind) in gone or not (kind in ADDRESS_TYPES or (name, kind) in touched):
                continue
            labels = _labels(one.labels or {}, owners[name])
            if labels != (one.labels or {}):
                step = Step(f"marking {name} {kind}", partial(_labelled, one, labels))
                (claims if owners[name] else frees).append(step)
        return claims, frees

    def _add(self, zone: BoundZone, live: Live, record: RecordSet, owners: Mapping[str, str]) -> Step:
        labels = _labels({}, owners.get(record.name, _owner(live, record.name)))
        send = partial(_created, zone, self._relative(record.name), record, labels)
        return Step(f"adding {record.name} {record.type}", send)

    def _set(self, live: Live, before: RecordSet, after: RecordSet) -> list[Step]:
        one, what = live[before.name, before.type], f"{before.name} {before.type}"
        steps = []
        if before.values != after.values:
            steps.append(Step(f"setting the values of {what}", partial(_valued, one, self._rows(one, after))))
        if before.ttl != after.ttl:
            ttl = Step(f"setting the TTL of {what}", partial(_timed, one, after.ttl))
            # A shorter TTL comes before the new values, a longer one after them: no answer is kept longer than either says.
            steps.insert(0 if after.ttl < before.ttl else len(steps), ttl)
        return steps

    def _rows(self, one: BoundZoneRRSet, record: RecordSet) -> list[ZoneRecord]:
        """Return the wanted rows; one that is there already stays as it is, comment and all."""
        have = {
            spelled(record.type, row.value, self.zone, origin=self.zone, base=DECIMAL): row for row in one.records or []
        }
        return [have.get(value) or _row(record.type, value) for value in sorted(record.values)]

    def _sent(self, steps: Sequence[Step], moved: Callable[[], bool]) -> Iterator[str]:
        """Send each step when the one before is done, and return their actions. Until the first is, nothing was written."""
        for number, step in enumerate(steps):
            try:
                action = self._ask(step.send, Ambiguous)
            except (Refused, Unanswered) as error:
                if number:
                    raise Ambiguous(f"{number} of {len(steps)} steps are done, then {step.text}: {error}") from error
                if not isinstance(error, Throttled | Unanswered) and moved():
                    raise raced(step.text) from error
                raise
            try:
                if action:
                    self._wait(partial(self._running, action))
                    yield action
            except (Refused, Unanswered) as error:
                raise Ambiguous(f"{step.text} was asked for, then: {error}") from error

    def _moved(self, zone: BoundZone, live: Live, names: Sequence[str]) -> bool:
        now = {key: self._record(zone, one) for key, one in self._live(zone, names).items()}
        return now != {key: self._record(zone, one) for key, one in live.items()}

    def _read_back(self, zone: BoundZone, live: Live, changes: Sequence[Change]) -> None:
        names = sorted({change.name for change in changes})
        try:
            now = {key: self._record(zone, one) for key, one in self._live(zone, names).items()}
        except (Refused, Unanswered) as error:
            raise Ambiguous(f"{self.zone} was written and cannot be read back: {error}") from error
        for change in changes:
            found = now.get((change.name, change.type))
            if found != change.after:
                raise Ambiguous(
                    f"{change.name} {change.type} was written, and somebody else wrote it too: it is"
                    f" {'gone' if found is None else '; '.join(found.lines())} now"
                )

    def _running(self, number: str) -> str:
        action = self._ask(partial(self.client.zones.actions.get_by_id, int(number)))
        if action.status == "error":
            error: Mapping[str, Any] = action.error or {}
            raise Failed(
                f"{self.zone}: {action.command} failed at Hetzner: {error.get('message')} ({error.get('code')})"
            )
        return "" if action.status == "success" else f"the action {number} ({action.command}) is {action.status}"

    def _publishing(self) -> str:
        status = self._zone().status
        if status == "error":
            raise Failed(f"{self.zone}: Hetzner could not publish the zone on its servers (its status is error)")
        return "" if status == "ok" else f"the zone is {status}"

    def _wait(self, lacks: Callable[[], str]) -> None:
        left = self.patience.until(lacks)
        if left:
            raise Failed(f"{self.zone}: {left} at Hetzner after {self.patience.settling:g} s")

    def _ask(self, question: Callable[[], T], lost: type[Exception] = Unanswered) -> T:
        return self.patience.ask(lambda: self._once(question, lost))

    def _once(self, question: Callable[[], T], lost: type[Exception]) -> T:
        """Ask once. ``lost`` is what it means when the question went out and no answer can be understood."""
        try:
            return question()
        except hcloud.APIException as error:
            raise self._judged(error, lost) from error
        except requests.exceptions.ConnectTimeout as error:
            raise Unanswered(f"Hetzner cannot be reached: {error}") from error
        except (Broken, requests.exceptions.RequestException) as error:
            raise lost(f"Hetzner gave no answer that can be read: {error}") from error
        except (KeyError, TypeError) as error:
            raise lost(f"Hetzner answered with something else: {error!r} is missing") from error

    def _judged(self, error: hcloud.APIException, lost: type[Exception]) -> Exception:
        said = f"{self.zone}: Hetzner says {error.code}: {error.message}"
        if error.code in BUSY:
            return Throttled(said)
        if error.code in BROKEN:
            return lost(said)
        if error.code in STRANGER:
            return Refused(f"{said}: give a token that may write (token, or HCLOUD_TOKEN) of the zone's project")
        if error.code == "not_found":
            return Unknown(f"{said}: there is no such zone (or record set) in the token's project; create it first")
        return Refused(said)


def _owner(live: Live, name: str) -> str:
    labels = [one.labels or {} for (at, _), one in live.items() if at == name]
    owners = sorted({f"{each[OWNER]}/{each.get(SPLIT, '')}" for each in labels if OWNER in each})
    return owners[0] if len(owners) == 1 else f"unknown ({', '.join(owners)})" if owners else ""


def _refuse_marks(names: set[str], owners: Mapping[str, str]) -> None:
    for name, owner in owners.items():
        if owner and not all(LABEL_VALUE.fullmatch(part) for part in owner.split("/", 1)):
            raise Refused(f"{owner} cannot be a label at Hetzner: use letters, digits, - and . only, up to 63")
        if owner and name not in names:
            raise Refused(f"{name} has no records, so that nothing can be marked as owned by {owner}")


def _labels(labels: Mapping[str, str], owner: str) -> dict[str, str]:
    others = {key: value for key, value in labels.items() if key not in (OWNER, SPLIT)}
    who, _, split = owner.partition("/")
    return {**others, OWNER: who, SPLIT: split} if owner else others


def _row(kind: str, value: str) -> ZoneRecord:
    return ZoneRecord(given(kind, value, DECIMAL))


def _created(zone: BoundZone, name: str, record: RecordSet, labels: dict[str, str]) -> str:
    rows = [_row(record.type, value) for value in sorted(record.values)]
    kind: Any = record.type
    return str(zone.create_rrset(name=name, type=kind, ttl=record.ttl, labels=labels, records=rows).action.id)


def _valued(one: BoundZoneRRSet, rows: list[ZoneRecord]) -> str:
    return str(one.set_rrset_records(rows).id)


def _timed(one: BoundZoneRRSet, ttl: int) -> str:
    return str(one.change_rrset_ttl(ttl).id)


def _removed(one: BoundZoneRRSet) -> str:
    return str(one.delete_rrset().action.id)


def _labelled(one: BoundZoneRRSet, labels: dict[str, str]) -> str:
    one.update_rrset(labels=labels)
    return ""


def _judge(response: requests.Response, *_: object, **__: object) -> None:
    """Look at an answer before the library does: it forgets the headers, and takes an error with status 200 for an answer."""
    status, said = response.status_code, f"{response.status_code} {response.reason}"
    if status == 429:
        # RateLimit-Reset is when all of an hour's questions are free again: the next one is free in a second.
        raise Throttled(f"Hetzner is asked too often ({said})", seconds(response.headers.get("Retry-After")))
    if status >= 500:
        raise Broken(said)
    try:
        body = response.json() if response.ok else {}
    except ValueError as error:
        raise Broken(f"{said}, without JSON") from error
    told = body.get("error") if isinstance(body, dict) else {"message": "no object"}
    if told:
        raise hcloud.APIException(told.get("code", "unknown_error"), told.get("message", ""), told.get("details"))


def zone(params: Mapping[str, Any]) -> HCloud:
    """Make the zone from ``zone`` and ``token`` (or HCLOUD_TOKEN of the environment).

    ``endpoint_url`` leads elsewhere, ``timeout`` is for one answer, ``within`` and ``settle_within`` are how long to go on asking.
    """
    if not HAS_HCLOUD:
        raise Mistake("the library hcloud with zones (2.27) is missing on this host: run the task on the controller")
    token = params.get("token") or os.environ.get("HCLOUD_TOKEN")
    if not token:
        raise Mistake("Hetzner needs a token: give token, or set HCLOUD_TOKEN")
    client = hcloud.Client(
        token=str(token),
        api_endpoint=str(params.get("endpoint_url") or "https://api.hetzner.cloud/v1").rstrip("/"),
        application_name="upstairs",
        timeout=float(params.get("timeout") or 10),
    )
    # The library would send a write again whose answer was lost, and sleep by its own clock; it has no public switch for that.
    client._client._retry_max_retries = 0
    client._client._session.hooks["response"].append(_judge)
    return HCloud(client, zone_name(str(params["zone"])), patience(params))
