# SPDX-License-Identifier: GPL-3.0-or-later
"""What every provider of DNS can do for a split, and what each of its failures means.

A new provider is one file beside this one, with a class that keeps the promises of ``Provider`` and a function that makes it from
parameters, and one entry in ``known``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..records import Change, Mistake, RecordSet

MARKER_LABEL = "_upstairs-owner"


class Unanswered(Exception):
    """No usable answer came, and nothing was asked to be written: all is as unknown as before."""


class Refused(Exception):
    """The provider answered, and did nothing."""


class Unknown(Refused):
    """What was asked about is not there, or so long ago that the provider has forgotten it."""


class Raced(Exception):
    """A record that the plan was made on has changed since; nothing was written."""


class Ambiguous(Exception):
    """A write was sent and its answer is lost or unclear: it was made, or not. Read again before anything else."""


class Failed(Exception):
    """The provider took a write, and says now that it came to nothing or that the zone is in error."""


@dataclass(frozen=True)
class Capabilities:
    """What one batch of a provider can do at once, and which TTLs it takes."""

    atomic_type_change: bool
    atomic_ttl_and_values: bool
    min_ttl: int
    max_ttl: int
    apex_alias: bool = False


@dataclass(frozen=True)
class Reading:
    """The records at the names that were asked for, and who owns each of these names ("" is nobody).

    ``token`` names the state that was read as the provider itself does: a serial, a version, or nothing.
    """

    records: tuple[RecordSet, ...]
    owners: Mapping[str, str] = field(default_factory=dict)
    token: str = ""


@dataclass(frozen=True)
class Receipt:
    """What the provider calls the writes of one batch; without any, its zone as a whole is what has to settle."""

    ids: tuple[str, ...] = ()


class Provider(Protocol):
    """A zone at a provider. Names are whole, in lower case, with a final dot; a TXT value is one text without quotes.

    An owner is ``<owner>/<split>``. Being throttled is no error: it is tried again inside, after a random share of a growing time
    and not before the moment that the provider names, until a deadline. An answer that blames the question is not tried again. An
    error in the body of an answer is an error, whatever its status.
    """

    @property
    def capabilities(self) -> Capabilities:
        """Say what one batch can do."""

    def read(self, names: Sequence[str]) -> Reading:
        """Return all record sets at exactly these names, of every type, and their owners; the markers are not among them."""

    def write(self, changes: Sequence[Change], owners: Mapping[str, str]) -> Receipt:
        """Make one batch, if each record set is still as ``before`` says and ``absent`` types are absent; else raise ``Raced``.

        The owner of each name in ``owners`` is marked in the same batch; "" takes the mark away.
        """

    def settled(self, receipt: Receipt) -> None:
        """Wait until the provider itself says that the write is done and the zone is well; else raise ``Failed``.

        A move may go on weeks after its write. Of one that the provider has forgotten only the zone is asked: what the servers answer is
        judged anyway.
        """

    def servers(self) -> tuple[str, ...]:
        """Return the names of the authoritative servers by the provider's word."""

    def delegation(self) -> str:
        """Return what is wrong with the zone's delegation by the provider's word, or ""."""


Maker = Callable[[Mapping[str, Any]], Provider]


def marker_name(name: str) -> str:
    """Return where the TXT record lies that says who owns a name, for a provider that has no better place."""
    return f"{MARKER_LABEL}.{name}"


def marker_text(owner: str) -> str:
    """Return what that record says."""
    who, _, split = owner.partition("/")
    return f"owner={who} split={split}"


def marker_owner(texts: frozenset[str]) -> str:
    """Return the owner that such a record names. One that says something else is somebody's, and surely not ours."""
    if not texts:
        return ""
    said = " ".join(sorted(texts))
    fields = dict(part.split("=", 1) for part in said.split() if "=" in part)
    owner = f"{fields.get('owner', '')}/{fields.get('split', '')}"
    return owner if said == marker_text(owner) else f"unknown ({said})"


def raced(what: str) -> Raced:
    """Return what is raised when somebody else was quicker."""
    return Raced(f"{what}: somebody else changed this name meanwhile; nothing was written, run again")


def refuse_races(
    have: Mapping[tuple[str, str], RecordSet],
    changes: Sequence[Change],
    owners_seen: Mapping[str, str],
    owners_now: Mapping[str, str],
) -> None:
    """Raise ``Raced`` unless the record sets and the owners are as they were seen; for whoever has no better compare-and-swap.

    ``have`` holds the record sets of now by name and type. A name that is not among ``owners_seen`` may have any owner.
    """
    for change in changes:
        if have.get((change.name, change.type)) != change.before:
            raise raced(f"{change.name} {change.type}")
        if any((change.name, kind) in have for kind in change.absent):
            raise raced(change.name)
    for name, owner in owners_now.items():
        if owners_seen.get(name, owner) != owner:
            raise raced(f"the owner of {name}")


def known() -> dict[str, Maker]:
    """Return what makes a zone of each provider. No other place lists them."""
    # Not at the top: they are made of what this file says. Written out, because Ansible sends a host only what it finds imported.
    from . import dns_hcloud, dns_rfc2136, dns_route53

    return {
        "hcloud": dns_hcloud.zone,
        "rfc2136": dns_rfc2136.zone,
        "route53": dns_route53.zone,
    }


def maker(name: str) -> Maker:
    """Return what makes a zone of this provider, or say who is known."""
    found = known()
    if name not in found:
        raise Mistake(f"there is no provider {name}; known are {', '.join(sorted(found))}")
    return found[name]


def provider(name: str, params: Mapping[str, Any]) -> Provider:
    """Return the zone at the provider of that name. ``params`` has ``zone`` and what the provider's own function reads."""
    return maker(name)(params)
