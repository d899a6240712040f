# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a zone from its server (AXFR) and change it (UPDATE, RFC 2136), both signed with a TSIG key."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

try:
    import dns.exception
    import dns.name
    import dns.query
    import dns.rdata
    import dns.rdataclass
    import dns.rdataset
    import dns.rdatatype
    import dns.rdtypes.ANY.TXT
    import dns.tsig
    import dns.tsigkeyring
    import dns.update
    import dns.xfr
    import dns.zone

    HAS_DNSPYTHON = True
except ImportError:
    HAS_DNSPYTHON = False

from ..records import TYPES, Change, RecordSet
from .dns_provider import Raced, Refused, Unanswered

ALGORITHMS = ("hmac-sha256", "hmac-sha384", "hmac-sha512")
LOST_RACE = ("NXRRSET", "YXRRSET", "NXDOMAIN", "YXDOMAIN")


@dataclass(frozen=True)
class Key:
    """A TSIG key. Its secret is in no representation."""

    name: str
    algorithm: str
    secret: str = field(repr=False)


def parse_key(text: str) -> Key:
    """Read ``algorithm:name:secret``, which knsupdate and kdig read too."""
    parts = text.strip().split(":")
    if len(parts) != 3 or parts[0] not in ALGORITHMS or not re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", parts[2]):
        raise ValueError(f"a TSIG key is ALGORITHM:NAME:BASE64 with one of {', '.join(ALGORITHMS)}")
    return Key(parts[1], parts[0], parts[2])


@dataclass(frozen=True)
class Server:
    """A name server and the key that it knows us by."""

    address: str
    key: Key
    port: int = 53
    timeout: float = 10.0

    def read(self, zone: str) -> list[RecordSet]:
        """Return all records of a zone."""
        copy = dns.zone.Zone(dns.name.from_text(zone), relativize=False)
        try:
            query, _ = dns.xfr.make_query(copy, **self._signed())
            dns.query.inbound_xfr(
                self.address, copy, query, port=self.port, timeout=self.timeout, lifetime=self.timeout
            )
        except (dns.tsig.PeerError, dns.xfr.TransferError) as error:
            raise Refused(
                f"{self.address} refuses to transfer {zone} to the key {self.key.name}: {self._why(error)}"
            ) from error
        except (dns.exception.DNSException, OSError, EOFError, ValueError) as error:
            raise Unanswered(f"{self.address} gave no copy of {zone}: {error or type(error).__name__}") from error
        return list(_record_sets(copy))

    def update(self, zone: str, changes: Sequence[Change], guards: Sequence[RecordSet] = ()) -> None:
        """Make the changes in one UPDATE: all of them, or, if what they were planned on or a guard has changed, none."""
        message = self._message(zone, changes)
        for guard in guards:
            message.present(guard.name, *_rdataset(guard))
        try:
            answer = dns.query.tcp(message, self.address, port=self.port, timeout=self.timeout)
        except dns.tsig.PeerError as error:
            raise Refused(f"{self.address} refuses the key {self.key.name}: {self._why(error)}") from error
        except (dns.exception.DNSException, OSError, EOFError) as error:
            raise Unanswered(f"{self.address} did not answer an update of {zone}: {error}") from error
        said = dns.rcode.to_text(answer.rcode())
        if said in LOST_RACE:
            raise Raced(f"{zone} was changed by somebody else meanwhile ({said}); nothing was written, run again")
        if said != "NOERROR":
            raise Refused(f"{self.address} refuses to update {zone} for the key {self.key.name}: {said}")

    def _why(self, error: Exception) -> str:
        if not isinstance(error, dns.tsig.PeerBadTime):
            return str(error)
        return (
            "its clock and this host's differ by more than the five minutes for which a signature is good (BADTIME): compare `date -u` on "
            "both, and set the wrong one right (chronyc makestep)"
        )

    def _signed(self) -> dict[str, Any]:
        name = dns.name.from_text(self.key.name)
        key = dns.tsig.Key(name, self.key.secret, self.key.algorithm)
        return {"keyring": {name: key}, "keyname": name, "keyalgorithm": dns.name.from_text(self.key.algorithm)}

    def _message(self, zone: str, changes: Sequence[Change]) -> dns.update.UpdateMessage:
        message = dns.update.UpdateMessage(zone, **self._signed())
        guarded: set[tuple[str, str]] = set()
        for change in changes:
            if change.before:
                # Rdatas, not the rdataset: that would carry its TTL, which a prerequisite must not have.
                message.present(change.name, *_rdataset(change.before))
            for kind in change.absent:
                if (change.name, kind) not in guarded:
                    message.absent(change.name, kind)
                    guarded.add((change.name, kind))
        # Removals first: beside a CNAME that is still there, an addition would be ignored. Nobody sees what is between.
        for change in changes:
            if change.before and not _in_place(change, zone):
                message.delete(change.name, change.type)
        for change in changes:
            if change.after:
                message.add(change.name, _rdataset(change.after))
            if change.type == "NS" and _in_place(change, zone):
                _delete_values(message, change)
        return message


def _in_place(change: Change, zone: str) -> bool:
    """A zone is never without SOA and NS: a server ignores their removal, so the old go after the new have come."""
    return change.name == zone and change.type in ("NS", "SOA")


def _delete_values(message: dns.update.UpdateMessage, change: Change) -> None:
    if change.before and change.after:
        gone = RecordSet(change.name, change.type, change.before.ttl, change.before.values - change.after.values)
        for rdata in _rdataset(gone):
            message.delete(change.name, rdata)


def _rdataset(record: RecordSet) -> dns.rdataset.Rdataset:
    kind = dns.rdatatype.from_text(record.type)
    result = dns.rdataset.Rdataset(dns.rdataclass.IN, kind)
    for value in sorted(record.values):
        result.add(_rdata(kind, value), record.ttl)
    result.update_ttl(record.ttl)
    return result


def _rdata(kind: dns.rdatatype.RdataType, value: str) -> dns.rdata.Rdata:
    if kind != dns.rdatatype.TXT:
        return dns.rdata.from_text(dns.rdataclass.IN, kind, value)
    raw = value.encode()
    strings = [raw[start : start + 255] for start in range(0, len(raw), 255)] or [b""]
    return dns.rdtypes.ANY.TXT.TXT(dns.rdataclass.IN, kind, strings)


def _record_sets(zone: dns.zone.Zone) -> Iterator[RecordSet]:
    for name, rdataset in zone.iterate_rdatasets():
        kind = dns.rdatatype.to_text(rdataset.rdtype)
        values = frozenset(spelling(kind, rdata) for rdata in rdataset)
        yield RecordSet(name.to_text().lower(), kind, rdataset.ttl, values)


def spelling(kind: str, rdata: Any) -> str:
    """Return a value as the model spells it."""
    if kind == "TXT":
        return b"".join(rdata.strings).decode(errors="backslashreplace")
    text = str(rdata.to_text(relativize=False))
    return text.lower() if kind in TYPES and kind != "CAA" else text
