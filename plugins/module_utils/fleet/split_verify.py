# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge what authoritative servers answer. Pure: no I/O.

Nobody asked is nothing proven: without servers, without addresses and without answers the verdict is no.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .records import RecordSet
from .split import Picture


@dataclass(frozen=True)
class Asked:
    """What one server said at one of its addresses about one name, in one round."""

    server: str
    address: str
    name: str
    records: frozenset[RecordSet] = frozenset()
    authoritative: bool = False
    # Why there is no answer, in words.
    error: str = ""

    @property
    def at(self) -> str:
        """Say whom it was asked of."""
        return f"{self.server} ({self.address})"


@dataclass(frozen=True)
class Survey:
    """All answers, and for each server the addresses at which it was asked. A server without addresses could not be."""

    servers: Mapping[str, tuple[str, ...]]
    answers: tuple[Asked, ...]
    rounds: int


@dataclass(frozen=True)
class Verdict:
    """Whether all servers say what is wanted, and a line for each of them."""

    faults: tuple[str, ...]
    table: tuple[str, ...] = ()
    # The faults of those who gave an answer: silence proves nothing, but it contradicts nothing either.
    otherwise: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is missing."""
        return not self.faults


def judge(survey: Survey, wanted: Picture) -> Verdict:
    """Say whether every server, at every address, gave exactly the wanted answers for each name, every time."""
    if not survey.servers:
        return Verdict(("no authoritative server is known, so nothing is proven",))
    faults, table, otherwise = [], [], []
    for server, addresses in sorted(survey.servers.items()):
        if not addresses:
            faults.append(f"{server}: has no address, so it could not be asked")
            table.append(f"{server}: no address")
        for address in addresses:
            here = [one for one in survey.answers if (one.server, one.address) == (server, address)]
            silent = [f"{one.name}: {one.error}" for one in here if one.error][:1]
            wrong = silent or [
                fault for name in sorted(wanted) for fault in _judge(here, name, wanted[name], survey.rounds)
            ]
            mine = [f"{server} ({address}): {fault}" for fault in wrong]
            faults += mine
            otherwise += [] if silent else mine
            table.append(f"{server} ({address}): {'; '.join(wrong) or 'as wanted'}")
    return Verdict(tuple(faults), tuple(table), tuple(otherwise))


def _judge(answers: Sequence[Asked], name: str, wanted: frozenset[RecordSet], rounds: int) -> list[str]:
    here = [one for one in answers if one.name == name]
    if len(here) < rounds:
        return [f"{name}: answered {len(here)} of {rounds} times"]
    for one in here:
        if not one.authoritative:
            return [f"{name}: answered without authority"]
        if one.records != wanted:
            return [f"{name}: answers {told(one.records)}, wanted is {told(wanted)}"]
    return []


def told(records: frozenset[RecordSet]) -> str:
    """Return record sets for people."""
    parts = [
        f"{record.type} {', '.join(sorted(record.values))} (TTL {record.ttl})"
        for record in sorted(records, key=lambda one: one.type)
    ]
    return " and ".join(parts) or "nothing"


def named_differently(by_provider: Sequence[str], by_zone: Sequence[str]) -> str:
    """Say where the servers that the provider names are not those that somebody else names; "" if they are."""
    only_here, only_there = sorted({*by_provider} - {*by_zone}), sorted({*by_zone} - {*by_provider})
    faults = []
    if only_here:
        faults.append(f"{', '.join(only_here)} {'are' if len(only_here) > 1 else 'is'} not in the delegation")
    if only_there:
        faults.append(f"the delegation leads to {', '.join(only_there)}, which the provider does not name")
    return "; ".join(faults)
