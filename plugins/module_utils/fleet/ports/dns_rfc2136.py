# SPDX-License-Identifier: GPL-3.0-or-later
"""A zone on a name server of one's own: read by transfer, written by one signed UPDATE with its prerequisites."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..records import TTL_MAX, Change, Mistake, RecordSet, zone_name
from ..split_verify import named_differently
from . import authority, rfc2136
from .dns_provider import (
    Ambiguous,
    Capabilities,
    Reading,
    Receipt,
    Unanswered,
    marker_name,
    marker_owner,
    marker_text,
)

MARKER_TTL = 300


@dataclass
class Rfc2136:
    """A zone and its primary. Keeps the last copy, because a write demands the markers that were read."""

    zone: str
    primary: rfc2136.Server
    # Whether a parent delegates the zone, and the addresses to ask about it; without any they are looked up.
    delegated: bool = True
    parents: tuple[str, ...] = ()
    capabilities: Capabilities = field(default_factory=lambda: Capabilities(True, True, 0, TTL_MAX))
    copy: tuple[RecordSet, ...] = ()

    def read(self, names: Sequence[str]) -> Reading:
        """Transfer the zone."""
        self.copy = tuple(self.primary.read(self.zone))
        records = tuple(record for record in self.copy if record.name in names)
        markers = {name: self._marker(name) for name in names}
        owners = {name: marker_owner(marker.values) for name, marker in markers.items() if marker}
        return Reading(records, owners, f"serial {self._serial()}")

    def write(self, changes: Sequence[Change], owners: Mapping[str, str]) -> Receipt:
        """Send one UPDATE. The markers are prerequisites as well: who lost a name to somebody else writes nothing."""
        touched = sorted({change.name for change in changes} - set(owners))
        guards = [marker for name in touched if (marker := self._marker(name))]
        try:
            self.primary.update(self.zone, [*changes, *self._marks(owners)], guards)
        except Unanswered as error:
            raise Ambiguous(str(error)) from error
        return Receipt()

    def settled(self, receipt: Receipt) -> None:
        """Return at once: a server that answers an UPDATE with NOERROR has made it, and keeps it over a crash."""

    def servers(self) -> tuple[str, ...]:
        """Return the zone's own NS records."""
        if not self.copy:
            self.copy = tuple(self.primary.read(self.zone))
        return tuple(sorted(value for record in self._all("NS") for value in record.values))

    def delegation(self) -> str:
        """Compare what the parent says with what the zone says."""
        if not self.delegated:
            return ""
        return named_differently(self.servers(), authority.delegation(self.zone, self.parents, self.primary.timeout))

    def _all(self, kind: str) -> Iterable[RecordSet]:
        return (record for record in self.copy if (record.name, record.type) == (self.zone, kind))

    def _serial(self) -> str:
        return next((value.split()[2] for record in self._all("SOA") for value in record.values), "unknown")

    def _marker(self, name: str) -> RecordSet | None:
        where = marker_name(name)
        return next((record for record in self.copy if (record.name, record.type) == (where, "TXT")), None)

    def _marks(self, owners: Mapping[str, str]) -> list[Change]:
        changes = []
        for name, owner in sorted(owners.items()):
            before, where = self._marker(name), marker_name(name)
            after = RecordSet(where, "TXT", MARKER_TTL, frozenset([marker_text(owner)])) if owner else None
            if before != after:
                changes.append(Change(where, "TXT", before, after, () if before else ("TXT",)))
        return changes


def zone(params: Mapping[str, Any]) -> Rfc2136:
    """Return the zone that ``zone``, ``server``, ``port``, ``key`` or ``key_file``, ``timeout`` and so on describe."""
    if not rfc2136.HAS_DNSPYTHON:
        raise Unanswered("dnspython is missing on this host (apt: python3-dnspython)")
    if not params.get("server"):
        raise Mistake("the provider rfc2136 needs `server`: the address of the zone's primary")
    text = params.get("key") or _key_from(params.get("key_file"))
    timeout = float(params.get("timeout") or 10)
    try:
        key = rfc2136.parse_key(str(text))
    except ValueError as error:
        raise Mistake(str(error)) from error
    primary = rfc2136.Server(str(params["server"]), key, int(params.get("port") or 53), timeout)
    parents = tuple(map(str, params.get("parents") or ()))
    return Rfc2136(zone_name(str(params["zone"])), primary, bool(params.get("delegated", True)), parents)


def _key_from(path: Any) -> str:
    if not path:
        raise Mistake("the provider rfc2136 needs `key` or `key_file`: a TSIG key as ALGORITHM:NAME:BASE64")
    try:
        return Path(str(path)).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise Mistake(f"the TSIG key cannot be read: {error}") from error
