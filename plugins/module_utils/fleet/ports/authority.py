# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask authoritative servers themselves: every server, at every address, without recursion, and no resolver in between."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

try:
    import dns.exception
    import dns.flags
    import dns.message
    import dns.name
    import dns.query
    import dns.rcode
    import dns.rdatatype
    import dns.resolver
except ImportError:
    # Whoever makes a provider has said so already.
    pass

from ..records import RecordSet
from ..split_verify import Asked, Survey
from .dns_provider import Unanswered
from .rfc2136 import spelling

# What leads a visitor to an address. A name with an HTTPS record is refused before anybody is asked.
KINDS = ("A", "AAAA", "CNAME")
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
# A packet may be lost; a server that answers none of so many is down.
TRIES = 3
AT_ONCE = 16


@dataclass(frozen=True)
class Authorities:
    """How the servers of a zone are asked. ``addresses`` names those that the host's resolver does not know."""

    zone: str
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    families: tuple[int, ...] = (4, 6)
    port: int = 53
    rounds: int = 3
    timeout: float = 3.0

    def survey(self, servers: Sequence[str], names: Sequence[str]) -> Survey:
        """Ask every server for every name, each as often as ``rounds`` says."""
        known = {server: self.reach(server) for server in servers}
        asked = [(server, address) for server, found in known.items() for address in found]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = [one for some in pool.map(lambda at: self._ask(at[0], at[1], names), asked) for one in some]
        return Survey(known, tuple(answers), self.rounds)

    def negative_ttl(self, servers: Sequence[str]) -> int:
        """Return for how long caches remember that something is missing: the longest that any server says (RFC 2308)."""
        found, silent = [], []
        for address in (address for server in servers for address in self.reach(server)):
            try:
                answer = question(address, self.zone, "SOA", self.port, self.timeout)
            except (dns.exception.DNSException, OSError, EOFError) as error:
                silent.append(f"{address}: {error or type(error).__name__}")
                continue
            found += [min(rrset.ttl, rdata.minimum) for rrset in answer.answer for rdata in rrset if _is_soa(rrset)]
        if not found:
            raise Unanswered(
                f"nobody says how long the absence of a name is remembered ({'; '.join(silent) or 'no SOA'})"
            )
        return int(max(found))

    def reach(self, server: str) -> tuple[str, ...]:
        """Return the addresses at which a server is asked."""
        given = self.addresses.get(server)
        found = given if given is not None else resolve(server)
        return tuple(one for one in found if ipaddress.ip_address(one).version in self.families)

    def _ask(self, server: str, address: str, names: Sequence[str]) -> list[Asked]:
        answers = []
        for name in list(names) * self.rounds:
            answers.append(self._one(server, address, name))
            if answers[-1].error:
                # One that is down would keep everybody waiting, once for each question.
                break
        return answers

    def _one(self, server: str, address: str, name: str) -> Asked:
        records: set[RecordSet] = set()
        authoritative = True
        for kind in KINDS:
            try:
                answer = question(address, name, kind, self.port, self.timeout)
            except (dns.exception.DNSException, OSError, EOFError) as error:
                return Asked(server, address, name, error=f"no answer ({error or type(error).__name__})")
            said = dns.rcode.to_text(answer.rcode())
            if said not in ("NOERROR", "NXDOMAIN"):
                return Asked(server, address, name, error=f"answers {said}")
            authoritative = authoritative and bool(answer.flags & dns.flags.AA)
            records |= _record_sets(answer, name)
        return Asked(server, address, name, frozenset(records), authoritative)


def question(address: str, name: str, kind: str, port: int, timeout: float, recurse: bool = False) -> Any:
    """Ask one question by UDP, and by TCP if the answer is cut short; a lost packet is sent again."""
    query = dns.message.make_query(name, kind, use_edns=0, payload=1232)
    if not recurse:
        query.flags &= ~dns.flags.RD
    last: Exception | None = None
    for _ in range(TRIES):
        try:
            return dns.query.udp_with_fallback(query, address, timeout=timeout, port=port)[0]
        except dns.exception.Timeout as error:
            last = error
    raise last or dns.exception.Timeout


def _is_soa(rrset: Any) -> bool:
    return bool(rrset.rdtype == dns.rdatatype.SOA)


def _record_sets(answer: Any, name: str) -> set[RecordSet]:
    """Return what stands at this very name; what a CNAME leads to is another name's."""
    return {
        RecordSet(name, kind, rrset.ttl, frozenset(spelling(kind, rdata) for rdata in rrset))
        for rrset in answer.answer
        if rrset.name.to_text().lower() == name and (kind := dns.rdatatype.to_text(rrset.rdtype)) in KINDS
    }


def resolve(name: str) -> tuple[str, ...]:
    """Return all addresses of a name as this host knows it; none if it does not."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError:
        return ()
    return tuple(sorted({str(entry[4][0]) for entry in found}))


def is_name(text: str) -> bool:
    """Return whether a text is anything but an address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return True
    return False


def delegation(zone: str, parents: Iterable[str], timeout: float = 5.0) -> tuple[str, ...]:
    """Return the servers to which the parent zone delegates, by the word of one of its own servers."""
    said = []
    for address in [*parents] or _parents_of(zone):
        try:
            answer = question(address, zone, "NS", 53, timeout)
        except (dns.exception.DNSException, OSError, EOFError) as error:
            said.append(f"{address}: {error or type(error).__name__}")
            continue
        found = {
            str(rdata.target).lower()
            for rrset in (*answer.answer, *answer.authority)
            if rrset.rdtype == dns.rdatatype.NS and rrset.name.to_text().lower() == zone
            for rdata in rrset
        }
        if found:
            return tuple(sorted(found))
        said.append(f"{address}: no delegation ({dns.rcode.to_text(answer.rcode())})")
    raise Unanswered(
        f"no server of the parent of {zone} says to whom it is delegated ({'; '.join(said) or 'none is known'}); a zone that nobody "
        "delegates needs delegated=false"
    )


def _parents_of(zone: str) -> list[str]:
    try:
        parent = dns.resolver.zone_for_name(dns.name.from_text(zone).parent())
        names = [str(rdata.target) for rdata in dns.resolver.resolve(parent, "NS")]
    except (dns.exception.DNSException, OSError) as error:
        raise Unanswered(f"the servers of the parent of {zone} cannot be looked up: {error}") from error
    return [address for name in names for address in resolve(name)]


def observe(resolvers: Iterable[str], names: Sequence[str], timeout: float = 3.0) -> list[str]:
    """Return what resolvers answer. It proves nothing, because they are many behind one address: it is for people."""
    return [_observed(resolver, name, timeout) for resolver in resolvers for name in names]


def _observed(resolver: str, name: str, timeout: float) -> str:
    parts = []
    for kind in ("A", "AAAA"):
        try:
            answer = question(resolver, name, kind, 53, timeout, recurse=True)
        except (dns.exception.DNSException, OSError, EOFError) as error:
            return f"{resolver}: {name}: no answer ({error or type(error).__name__})"
        parts += [f"{rdata} (TTL {rrset.ttl})" for rrset in answer.answer for rdata in rrset]
    return f"{resolver}: {name}: {', '.join(parts) or 'nothing'}"
