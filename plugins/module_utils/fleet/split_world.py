# SPDX-License-Identifier: GPL-3.0-or-later
"""What a move is made in, and what a step of it comes to. Pure: the hands are behind ``World``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .ports.dns_provider import Capabilities, Reading, Receipt
from .records import Mistake, RecordSet
from .split import Picture, answering
from .split_plan import Batch
from .split_record import Moment, Record
from .split_verify import Verdict


class Refusal(Exception):
    """Why nothing more is done; the text says what to do."""


class World(Protocol):
    """What a move is made in."""

    @property
    def capabilities(self) -> Capabilities:
        """Say what the provider can do at once."""

    def read(self) -> Reading:
        """Return what the provider has at both names."""

    def write(self, batch: Batch) -> Receipt:
        """Write one batch."""

    def settled(self, receipt: Receipt) -> None:
        """Wait until the provider says that it is done."""

    def delegation(self) -> str:
        """Return what is wrong with the delegation, or ""."""

    def verify(self, wanted: Picture) -> Verdict:
        """Ask all authoritative servers, at all of their addresses."""

    def negative_ttl(self) -> int:
        """Return for how long caches remember that something is missing."""

    def probe(self, role: str, records: frozenset[RecordSet]) -> list[str]:
        """Return what is wrong at the addresses that these records of the read or write name lead to."""

    def addresses(self, records: frozenset[RecordSet]) -> frozenset[str]:
        """Return the addresses that records lead to, by whatever names."""

    def now(self) -> Moment:
        """Return the time."""


@dataclass(frozen=True)
class Limits:
    """How patient a move is, in seconds, and how many failures in a row turn it back."""

    converge_within: float = 300.0
    bake: float = 300.0
    bake_interval: float = 10.0
    failures: int = 3
    adopt: bool = False
    # Addresses that may come and go; None is all. Who takes a host out must not carry out a move that was declared for tomorrow.
    only: frozenset[str] | None = None


def limits_of(params: Mapping[str, Any]) -> Limits:
    """Return the limits that are declared, or say why they protect from nothing."""
    only = params["only"]
    limits = Limits(
        converge_within=float(params["converge_within"]),
        bake=float(params["bake"]),
        bake_interval=float(params["bake_interval"]),
        failures=int(params["failures"]),
        adopt=bool(params["adopt"]),
        only=frozenset(at for at, host in answering(params["hosts"]).items() if host in only) if only else None,
    )
    wrong = []
    if limits.bake < 2 * int(params["transit_ttl"]):
        wrong.append(
            f"bake {limits.bake:g} must be at least twice the transit_ttl {params['transit_ttl']}: until then hardly anybody has come to "
            "the new target who could find it broken"
        )
    if limits.failures < 1 or limits.converge_within <= 0 or limits.bake_interval <= 0:
        wrong.append("failures must be 1 or more, converge_within and bake_interval more than 0")
    if wrong:
        raise Mistake("; ".join(wrong))
    return limits


@dataclass(frozen=True)
class Outcome:
    """What a step did. With ``pause`` the next step is worth trying after so many seconds, with ``ready_at`` surely not before."""

    record: Record | None
    did: str
    over: bool = False
    changed: bool = False
    pause: float = 0.0
    ready_at: Moment | None = None
    # What comes next is up to others, so that a plan cannot tell it.
    unknown: bool = False
    # The move came to a bad end that it has put right as far as it could.
    failed: bool = False
