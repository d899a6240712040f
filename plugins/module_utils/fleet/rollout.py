# SPDX-License-Identifier: GPL-3.0-or-later
"""Which host gets its new kernel when, and what speaks against it. Pure: no I/O. What was not seen is a reason not to.

The whole plan and the admission of one host are judged by the same rules, on what was seen just then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice

from .etcd import quorum
from .rollout_window import closed

# What is stored before each act, in this order. A run that finds one of them does that act again, and goes on.
PHASES = (
    "planned",
    "gated",
    "silenced",
    "drained",
    "armed",
    "rebooting",
    "booted",
    "verified",
    "rejoined",
    "done",
)
FAILED = "failed"
# Who failed in one of these serves as before. The lock is free for whoever has to see to what spoke against it.
UNTOUCHED = ("planned", "gated")
# A live patch does not replace the kernel on disk: that host is due like any other.
DUE = ("pending", "patched_live_pending")
# Nothing to do, and nothing wrong.
AT_REST = ("current", "container")
# Told, left alone, and no reason for the others to wait.
TOLD = ("held", "downgrade", "denied")


@dataclass(frozen=True)
class Kernel:
    """What kernel_info said of a host. A host that was not asked is ``unknown``."""

    state: str = "unknown"
    running: str = ""
    target: str = ""
    version: str = ""
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Record:
    """What the ledger says of a host: how far it came, and from which kernel to which. Without a phase there is none."""

    phase: str = ""
    target: str = ""
    failed_in: str = ""
    why: str = ""
    back: bool = False
    readable: bool = True
    before: str = ""

    @property
    def untouched(self) -> bool:
        """Whether its turn failed before anything was changed."""
        return self.phase == FAILED and self.failed_in in UNTOUCHED

    @property
    def open(self) -> bool:
        """Whether somebody began with this host and has not ended."""
        return not self.readable or (self.phase not in ("", "done") and not self.untouched)

    @property
    def stands(self) -> str:
        """Which act is to be done (again) first."""
        return self.failed_in if self.phase == FAILED else self.phase


@dataclass(frozen=True)
class Host:
    """A host as it was seen: ``sick`` tells for each role what is wrong, ``left`` which roles were taken out of service."""

    name: str
    site: str = ""
    roles: tuple[str, ...] = ()
    kernel: Kernel = Kernel()
    # Why nothing is known of it, or why it is out as a whole.
    out: str = ""
    sick: Mapping[str, str] = field(default_factory=dict)
    left: Mapping[str, str] = field(default_factory=dict)
    leads: tuple[str, ...] = ()
    record: Record = Record()

    def absent(self, role: str = "") -> str:
        """Return why it does not serve with a role, or, without one, with any of its roles."""
        if self.out:
            return self.out
        found = {**self.sick, **self.left}
        if role:
            return found.get(role, "")
        return "; ".join(f"{name}: {why}" for name, why in sorted(found.items()))


@dataclass(frozen=True)
class Rules:
    """What the inventory says of a roll."""

    # From the visitors inwards; who leads a role comes after all others, in the same order.
    order: tuple[str, ...] = ()
    # How many may be out at once, the one under way included: by role or site, "" for all that are not named.
    max_out: Mapping[str, int] = field(default_factory=dict)
    # Roles that decide by majority, and roles whose only member may be away while it boots.
    majority: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    canary: str = ""
    waves: tuple[int, ...] = ()
    window: tuple[str, ...] = ()
    controller: str = ""
    force: bool = False

    def most(self, name: str) -> int:
        """Return how many of a role or a site may be out at once."""
        return self.max_out.get(name, self.max_out.get("", 1))


@dataclass(frozen=True)
class Row:
    """A host in the plan: what becomes of it, why, and what speaks against it."""

    host: Host
    action: str
    why: str
    wave: int = 0
    vetoes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """All hosts in the order of their turns, then those that stay as they are. Without refusals it may be carried out."""

    rows: tuple[Row, ...] = ()
    refusals: tuple[str, ...] = ()

    @property
    def order(self) -> tuple[str, ...]:
        """The hosts whose turn comes, first to last."""
        return tuple(row.host.name for row in self.rows if row.wave)


class Fleet:
    """All hosts, counted once: 500 hosts that each count all others are slow."""

    def __init__(self, hosts: Sequence[Host], rules: Rules) -> None:
        self.hosts = {host.name: host for host in hosts}
        self.rules = rules
        self.members = Counter(role for host in hosts for role in set(host.roles))
        self.stands = Counter(host.site for host in hosts)
        self.gone: dict[str, list[str]] = {}
        for host in hosts:
            if host.absent() or host.record.open:
                self.gone.setdefault(f"site {host.site}", []).append(host.name)
            for role in set(host.roles):
                if host.absent(role) or host.record.open:
                    self.gone.setdefault(role, []).append(host.name)

    def others_out(self, host: Host, name: str) -> list[str]:
        """Return who else of a role or a site is out."""
        return [other for other in self.gone.get(name, ()) if other != host.name]

    def describe(self, names: Sequence[str]) -> str:
        """Name hosts that are out, each with the reason."""
        told = [self.hosts[name] for name in names[:3]]
        more = f", and {len(names) - 3} more" if len(names) > 3 else ""
        return ", ".join(f"{one.name} ({one.absent() or f'under way: {one.record.phase}'})" for one in told) + more

    def against(self, host: Host) -> list[str]:
        """Tell why the others cannot do without a host now."""
        found = [why for role in host.roles for why in self._role(host, role)]
        return found + self._site(host)

    def _role(self, host: Host, role: str) -> list[str]:
        out = self.others_out(host, role)
        total = self.members[role]
        left = total - 1 - len(out)
        if role in self.rules.majority and total > 1 and left < quorum(total):
            told = f" (out: {self.describe(out)})" if out else ""
            return [f"{role}: without it {left} of {total} would be left, and {quorum(total)} must agree{told}"]
        if left < 1 and not (total == 1 and role in self.rules.alone):
            told = f": {self.describe(out)}" if out else " and there is no other"
            return [f"{role}: it is the last healthy one{told}"]
        return self._crowded(role, out)

    def _site(self, host: Host) -> list[str]:
        out = self.others_out(host, f"site {host.site}")
        if self.stands[host.site] - 1 - len(out) < 1 and not (
            self.stands[host.site] == 1 and host.site in self.rules.alone
        ):
            told = f": {self.describe(out)}" if out else " and there is no other"
            return [f"site {host.site}: it is the last healthy one{told}"]
        return self._crowded(host.site, out)

    def _crowded(self, name: str, out: Sequence[str]) -> list[str]:
        if len(out) + 1 <= self.rules.most(name):
            return []
        return [f"{name}: {self.describe(out)} is out, and {self.rules.most(name)} may be"]


def rank(host: Host, order: Sequence[str]) -> int:
    """Return how late a host comes: by the last of its roles, and after all of them by what it leads."""
    places = {role: place for place, role in enumerate(order)}
    own = [places[role] for role in host.roles if role in places]
    led = [len(order) + places.get(role, 0) for role in host.leads]
    return max([*own, *led], default=-1)


def _place(host: Host, rules: Rules) -> tuple[int, int, str]:
    """Sort by this: what was begun, then the canary, then by rank; who runs this roll comes last."""
    if host.record.open:
        return -2, 0, host.name
    if host.name == rules.canary:
        return -1, 0, host.name
    return int(host.name == rules.controller), rank(host, rules.order), host.name


def _reason(host: Host, rules: Rules) -> str:
    """Say why a host has its place."""
    if host.record.open:
        return f"begun: {host.record.phase}"
    if host.name == rules.canary:
        return "the canary"
    if host.leads:
        return f"leads {', '.join(host.leads)}: after a hand-over"
    known = [role for role in rules.order if role in host.roles]
    return known[-1] if known else "serves nobody"


def vetoes(host: Host, fleet: Fleet) -> list[str]:
    """Tell what speaks against the turn of a host, now."""
    kernel, record, rules = host.kernel, host.record, fleet.rules
    found = []
    if record.open:
        return ["its record in the ledger cannot be read"] if not record.readable else fleet.against(host)
    if host.out:
        found.append(f"it is out: {host.out}")
    if kernel.state not in (*DUE, *AT_REST, *TOLD):
        found.append(f"its kernel is {kernel.state}: {'; '.join(kernel.reasons) or 'nobody could ask'}")
    if host.left:
        found.append(f"somebody took it out of service ({', '.join(sorted(host.left))}): who did brings it back")
    if host.sick:
        found.append(f"it is not healthy: {'; '.join(f'{role}: {why}' for role, why in sorted(host.sick.items()))}")
    if record.phase == "done" and record.target == kernel.target and not record.back and not rules.force:
        found.append(f"it was booted into {kernel.target} before, and is not in it: look why, then say force")
    return found + fleet.against(host)


def _action(host: Host, rules: Rules) -> str:
    if host.record.open:
        return "resume"
    if rules.only and host.name not in rules.only:
        return "not asked for"
    return "roll" if host.kernel.state in DUE else "stay"


def _needs(action: str, host: Host, rules: Rules) -> bool:
    """Tell whether a host that will not move keeps the others from moving: nobody knows what it would say."""
    silent = host.kernel.state not in (*DUE, *AT_REST, *TOLD)
    return silent and action == "stay" and (not rules.only or host.name in rules.only)


def make_plan(hosts: Sequence[Host], rules: Rules, now: datetime) -> Plan:
    """Put all hosts in their order, and tell what speaks against it."""
    fleet = Fleet(hosts, rules)
    # What a roll took out is back before the next one goes, so it is no reason against that one here.
    later = Fleet([_back(host) for host in hosts], rules)
    actions = {host.name: _action(host, rules) for host in hosts}
    turns = sorted((h for h in hosts if actions[h.name] in ("roll", "resume")), key=lambda h: _place(h, rules))
    rows, waves = [], _waves(len(turns), rules)
    for host, wave in zip(turns, waves, strict=True):
        against = vetoes(host, fleet if host.record.open else later)
        rows.append(Row(host, actions[host.name], _reason(host, rules), wave, tuple(against)))
    for host in sorted((h for h in hosts if actions[h.name] not in ("roll", "resume")), key=lambda h: h.name):
        stops = tuple(vetoes(host, fleet)) if _needs(actions[host.name], host, rules) else ()
        rows.append(Row(host, actions[host.name], _rest(host), vetoes=stops))
    refusals = [f"{row.host.name}: {veto}" for row in rows for veto in row.vetoes]
    return Plan(tuple(rows), tuple(_wrong(hosts, turns, rules, now) + refusals))


def _back(host: Host) -> Host:
    """Return a host as it will be when what was begun with it is ended."""
    return replace(host, out="", sick={}, left={}, record=Record()) if host.record.open else host


def _rest(host: Host) -> str:
    words = {"current": "has the newest kernel", "container": "has no kernel of its own"}
    return words.get(host.kernel.state, "; ".join((host.kernel.state, *host.kernel.reasons)))


def _waves(count: int, rules: Rules) -> list[int]:
    """Return the wave of each turn: the canary alone, then as many as the inventory says, then all that are left."""
    found: list[int] = []
    for wave, size in enumerate(rules.waves, start=1):
        found += [wave] * size
    return list(islice([*found, *[len(rules.waves) + 1] * count], count))


def _wrong(hosts: Sequence[Host], turns: Sequence[Host], rules: Rules, now: datetime) -> list[str]:
    """Tell what speaks against any turn."""
    names = {host.name for host in hosts}
    found = [
        f"{name} is no host of this inventory" for name in (*rules.only, rules.canary) if name and name not in names
    ]
    begun = [host for host in hosts if host.record.open]
    if len(begun) > 1:
        found.append(
            f"more than one host was begun and not ended: {', '.join(f'{one.name} ({one.record.phase})' for one in begun)}"
        )
    left_out = [host.name for host in begun if rules.only and host.name not in rules.only]
    if left_out:
        found.append(f"{', '.join(left_out)} was begun and comes first: name it too, or end it (go_back, give_up)")
    canary = next((host for host in turns if host.name == rules.canary), None)
    if canary and canary.leads:
        found.append(f"{canary.name} leads {', '.join(canary.leads)}, and no leader is a canary")
    if turns and (shut := closed(rules.window, now)):
        found.append(shut)
    return found


def earlier(fleet: Fleet, before: Collection[str]) -> list[str]:
    """Tell who was not ended, or is not well any more. That nothing failed is no proof: who cannot be reached fails nothing."""
    found = []
    for one in (fleet.hosts[other] for other in before if other in fleet.hosts):
        if one.record.phase != "done":
            found.append(f"{one.name} is not done: {one.record.why or one.record.phase or 'nothing is recorded of it'}")
        elif one.absent():
            found.append(f"{one.name} was done, and is out now: {one.absent()}")
    return found


def admission(
    hosts: Sequence[Host], name: str, before: Collection[str], rules: Rules, now: datetime, *, under_way: bool = False
) -> list[str]:
    """Tell why a host's turn may not begin or, when it is ``under_way``, its reboot not follow. Empty is a yes, and the only one.

    ``before``: those whose turns came earlier in this run.
    """
    fleet = Fleet(hosts, rules)
    host = fleet.hosts.get(name)
    if host is None:
        return [f"{name} is not in the inventory"]
    found = earlier(fleet, before)
    begun = [other.name for other in hosts if other.record.open and other.name not in (name, *before)]
    found += [f"{other} was begun and not ended" for other in begun]
    # One that is under way goes on after the end of the window: half a host is worse than a late one.
    if not host.record.open and (shut := closed(rules.window, now)):
        found.append(shut)
    if under_way and (host.record.phase == FAILED or not host.record.open):
        found.append(f"it is not ready: {host.record.why or 'nothing is recorded of it'}")
    return found + vetoes(host, fleet)
