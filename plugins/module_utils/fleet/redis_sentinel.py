# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Sentinel must be told, because its file is its own. Pure: no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

# Sentinel writes these into its file and never shows them.
SECRET = ("auth-pass", "sentinel-pass")


@dataclass(frozen=True)
class Refusal:
    """Why nothing is done."""

    why: str


@dataclass(frozen=True)
class Step:
    """One command for a Sentinel."""

    words: tuple[str, ...]

    def describe(self) -> str:
        """Say it without what is secret."""
        hidden = any(word in SECRET for word in self.words)
        return "SENTINEL " + " ".join((*self.words[:-1], "(secret)") if hidden else self.words)


@dataclass(frozen=True)
class Watched:
    """A master that a Sentinel watches: its place and its settings, by the names that SENTINEL SET knows."""

    host: str
    port: int
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """What others say of where a master is."""

    opinions: Sequence[tuple[int, str]] = ()
    masters: Sequence[str] = ()


def parse_file(text: str) -> dict[str, dict[str, str]]:
    """Return the logins that Sentinel's own file holds, by master; Sentinel's own login to its peers is under the empty name."""
    found: dict[str, dict[str, str]] = {"": {}}
    for line in text.splitlines():
        words = [word.strip('"') for word in line.split()]
        if len(words) == 4 and words[0] == "sentinel" and words[1] in ("auth-user", "auth-pass"):
            found.setdefault(words[2], {})[words[1]] = words[3]
        elif len(words) == 3 and words[:2] in (["sentinel", "sentinel-user"], ["sentinel", "sentinel-pass"]):
            found[""][words[1]] = words[2]
    return found


def where(name: str, seen: Seen) -> str | Refusal:
    """Return the address of the master that a Sentinel shall begin to watch.

    The other Sentinels know best, and among them the one with the latest election; before there are any, the master
    itself. The inventory is not asked: who is master is not its business.
    """
    if seen.opinions:
        latest = max(epoch for epoch, _ in seen.opinions)
        votes = Counter(address for epoch, address in seen.opinions if epoch == latest)
        return max(sorted(votes), key=lambda address: votes[address])
    if len(seen.masters) == 1:
        return seen.masters[0]
    if seen.masters:
        return Refusal(f"{' and '.join(seen.masters)} all say that they are master of {name}: only one may be")
    return Refusal(f"nobody says that it is master of {name}: converge redis first")


def plan(
    own: Mapping[str, Watched],
    wanted: Mapping[str, Mapping[str, str]],
    seen: Mapping[str, Seen],
    options: tuple[Mapping[str, str], Mapping[str, str]],
) -> list[Step] | Refusal:
    """Return what turns a Sentinel into one that watches ``wanted``; ``options`` are its own (had, wanted).

    A master that it watches already stays where it is: that is Sentinel's to know.
    """
    had, want = options
    steps = [Step(("CONFIG", "SET", key, value)) for key, value in want.items() if had.get(key) != value]
    steps += [Step(("REMOVE", name)) for name in sorted(own) if name not in wanted]
    for name, settings in wanted.items():
        watched = own.get(name)
        if watched is None:
            address = where(name, seen.get(name, Seen()))
            if isinstance(address, Refusal):
                return address
            host, _, port = address.rpartition(":")
            steps.append(Step(("MONITOR", name, host, port, settings["quorum"])))
        known = watched.settings if watched else {"quorum": settings["quorum"]}
        steps += [Step(("SET", name, key, value)) for key, value in settings.items() if known.get(key) != value]
    return steps
