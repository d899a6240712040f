# SPDX-License-Identifier: GPL-3.0-or-later
"""The world in which a split is moved: its provider, its authoritative servers, its targets, and the clocks of this host."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..checks import Response, Url, without
from ..records import TTL_MAX, Change, Mistake, RecordSet, absolute
from ..sigv4 import sign
from ..split import Picture, Split, parse
from ..split_plan import Batch
from ..split_probes import Canary, Probe, Request, fly, judge
from ..split_probes import parse as parse_probes
from ..split_record import Moment
from ..split_verify import Verdict
from ..split_verify import judge as judge_survey
from . import authority, web
from .authority import Authorities
from .dns_provider import Capabilities, Provider, Reading, Receipt, Refused, Unanswered, maker, provider
from .rfc2136 import HAS_DNSPYTHON

# What is secret of what a provider needs. Ansible hides every value of `credentials` wherever it appears, in the record as well, so
# that nothing else may be there: of a TTL of 60 beside a timeout of 60 nothing would be left that can be read again.
SECRETS = frozenset({"key", "token", "access_key", "secret_key", "session_token"})
# Headers that are no secrets; of all others no message repeats the value.
TELLING = ("accept", "host", "origin", "range")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class RealWorld:
    """Where reads, writes and questions really happen."""

    split: Split
    provider: Provider
    authorities: Authorities
    probes: tuple[Probe, ...] = ()
    timeout: float = 5.0

    @property
    def capabilities(self) -> Capabilities:
        """Say what the provider can do at once."""
        return self.provider.capabilities

    def read(self) -> Reading:
        """Return what the provider has at both names."""
        return self.provider.read(self.split.names)

    def write(self, batch: Batch) -> Receipt:
        """Write one batch."""
        return self.provider.write(batch.changes, batch.owners)

    def settled(self, receipt: Receipt) -> None:
        """Wait until the provider says that it is done."""
        self.provider.settled(receipt)

    def delegation(self) -> str:
        """Return what is wrong with the delegation, or ""."""
        return self.provider.delegation()

    def verify(self, wanted: Picture) -> Verdict:
        """Ask all authoritative servers, at all of their addresses."""
        return judge_survey(self.authorities.survey(self.provider.servers(), tuple(wanted)), wanted)

    def negative_ttl(self) -> int:
        """Return for how long caches remember that something is missing."""
        return self.authorities.negative_ttl(self.provider.servers())

    def addresses(self, records: frozenset[RecordSet]) -> frozenset[str]:
        """Return the addresses that records lead to. A name that this host cannot resolve stays a name, which no probe reaches."""
        found: set[str] = set()
        for record in records:
            for value in record.values:
                found |= {*(authority.resolve(value) or (value,))} if record.type == "CNAME" else {value}
        return frozenset(found)

    def probe(self, role: str, records: frozenset[RecordSet]) -> list[str]:
        """Ask the probes of a role at each address. Without any nothing would be proven, so that is a fault too."""
        mine = [probe for probe in self.probes if probe.role == role]
        if not mine:
            return [f"no probe is declared for the {role} name, so nothing would prove that its new target works"]
        return [fault for at in sorted(self.addresses(records)) for probe in mine for fault in self._probe(probe, at)]

    def _probe(self, probe: Probe, at: str) -> list[str]:
        ca_file = next((one.ca_file for one in (probe.request, probe.canary) if one is not None), None)
        if authority.is_name(at):
            return [f"{probe.name}: this host finds no address of {at}"]
        try:
            return [f"{probe.name}: {without(fault, _secrets(probe))}" for fault in self._ask(probe, at)]
        except TimeoutError:
            return [f"{probe.name}: {at} gives no answer within {self.timeout:g} s"]
        except Exception as error:
            # Whatever it is, the target is not proven.
            return [f"{probe.name}: at {at}: {without(web.explain(error, ca_file), _secrets(probe))}"]

    def _ask(self, probe: Probe, at: str) -> list[str]:
        if probe.port is not None:
            socket.create_connection((at, probe.port), self.timeout).close()
        if probe.request is not None:
            return judge(probe.request, at, self._send(probe.request, at))
        if probe.canary is not None:
            return self._fly(probe.canary, at)
        return []

    def _send(self, asked: Request, at: str) -> Response:
        there = (at, asked.url.port)
        return web.request(asked.url, asked.method, asked.headers, there, asked.ca_file, self.timeout)

    def _fly(self, canary: Canary, at: str) -> list[str]:
        def send(method: str, url: Url, payload: bytes) -> Response:
            headers: Mapping[str, str] = sign(method, url, payload, canary.keys, datetime.now(UTC))
            sent = payload if method == "PUT" else None
            return web.request(url, method, headers, (at, url.port), canary.ca_file, self.timeout, sent)

        return fly(canary, secrets.token_hex(8), at, send)

    def now(self) -> Moment:
        """Return the time by the calendar, and by a clock that nobody sets and that goes on while the host sleeps."""
        return Moment(time.time(), BOOT_ID.read_text(encoding="ascii").strip(), time.clock_gettime(time.CLOCK_BOOTTIME))


def _secrets(probe: Probe) -> list[str]:
    """Return what no message may repeat: messages are kept in the record."""
    headers = probe.request.headers if probe.request else {}
    keys = [probe.canary.keys.access_key, probe.canary.keys.secret_key] if probe.canary else []
    return [*keys, *(value.strip() for name, value in headers.items() if name.lower() not in TELLING)]


def _refuse_mixed(options: Mapping[str, Any], credentials: Mapping[str, Any]) -> None:
    shown, hidden = sorted(SECRETS & {*options}), sorted({*credentials} - SECRETS)
    if shown:
        raise Mistake(f"provider_options are shown and logged: {', '.join(shown)} belongs into credentials")
    if hidden:
        raise Mistake(
            f"credentials hold {', '.join(sorted(SECRETS))} and nothing else: {', '.join(hidden)} belongs into provider_options, since "
            "what is hidden would be cut out of the record too"
        )


def connect(params: Mapping[str, Any]) -> RealWorld:
    """Return the world that the parameters of dns_split describe; what is declared is judged by what the provider can do."""
    if not HAS_DNSPYTHON:
        raise Unanswered(
            "dnspython is missing on this host (apt: python3-dnspython): nobody else asks the zone's servers"
        )
    _refuse_mixed(params["provider_options"], params["credentials"])
    options = {**params["provider_options"], **params["credentials"], "zone": params["zone"]}
    there = provider(params["provider"], options)
    split = parse(params, there.capabilities.min_ttl, there.capabilities.max_ttl)
    return RealWorld(
        split, there, authorities(params, split.zone), parse_probes(params["probes"], split), params["timeout"]
    )


@dataclass(frozen=True)
class Nobody:
    """A provider that is not asked."""

    capabilities: Capabilities = field(default_factory=lambda: Capabilities(False, False, 0, TTL_MAX))

    def read(self, names: Sequence[str]) -> Reading:
        """Refuse."""
        raise Refused("only probes were asked for")

    def write(self, changes: Sequence[Change], owners: Mapping[str, str]) -> Receipt:
        """Refuse."""
        raise Refused("only probes were asked for")

    def settled(self, receipt: Receipt) -> None:
        """Refuse."""
        raise Refused("only probes were asked for")

    def servers(self) -> tuple[str, ...]:
        """Name nobody."""
        return ()

    def delegation(self) -> str:
        """Say that nobody knows."""
        return "only probes were asked for"


def prober(params: Mapping[str, Any]) -> RealWorld:
    """Return a world that can be probed from this host and not be read or written: that needs neither library nor secret."""
    maker(params["provider"])
    _refuse_mixed(params["provider_options"], params["credentials"])
    split = parse(params)
    probes = parse_probes(params["probes"], split)
    return RealWorld(split, Nobody(), authorities(params, split.zone), probes, params["timeout"])


def authorities(params: Mapping[str, Any], zone: str) -> Authorities:
    """Return how the servers of the zone are asked."""
    given = {
        absolute(str(server), zone): tuple(map(str, addresses))
        for server, addresses in params["server_addresses"].items()
    }
    families = tuple(params["families"])
    if params["rounds"] < 1 or not families:
        raise Mistake("rounds must be 1 or more and families hold 4, 6 or both: nobody asked is nothing proven")
    return Authorities(zone, given, families, params["server_port"], params["rounds"], params["timeout"])
