# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may hold the fleet's lock. Pure: no I/O.

It has no time limit: a holder that is silent may still be at work, and only a person can know that it is not.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Run:
    """A run of ansible-playbook, as its controller describes itself."""

    id: str
    owner: str
    # The controller in a form that no other machine shares; a process number means something only there.
    machine: str
    process: str


@dataclass(frozen=True)
class Claim:
    """What is stored while the lock is held."""

    run: Run
    operation: str
    reason: str
    since: str

    def text(self) -> str:
        """Return what is stored."""
        return json.dumps(asdict(self), sort_keys=True)

    def describe(self) -> str:
        """Say who does what, since when."""
        why = f" ({self.reason})" if self.reason else ""
        process = self.run.process.partition("/")[0]
        return f"{self.run.owner} does {self.operation}{why} since {self.since}, process {process}, lock {self.run.id}"


@dataclass(frozen=True)
class Seen:
    """What is stored, and its revision: 0 where nothing is. A record that cannot be read is a lock all the same."""

    revision: int
    claim: Claim | None = None

    @property
    def id(self) -> str:
        """What names this lock when it is broken."""
        return self.claim.run.id if self.claim else f"revision-{self.revision}"

    def describe(self) -> str:
        """Say who holds it."""
        if not self.revision:
            return "nobody holds the lock"
        return self.claim.describe() if self.claim else f"a record that cannot be read, lock {self.id}"


@dataclass(frozen=True)
class Plan:
    """What to do: store a claim or remove the record. ``said`` is for people."""

    said: str
    store: Claim | None = None
    remove: bool = False

    @property
    def changes(self) -> bool:
        """Whether anything is to be done."""
        return self.remove or self.store is not None


@dataclass(frozen=True)
class Refusal:
    """Why not. ``held`` tells that the reason is somebody else's lock."""

    why: str
    held: bool = False


def read(text: str, revision: int) -> Seen:
    """Read a record."""
    try:
        found = json.loads(text)
        run = Run(**{key: str(value) for key, value in found.pop("run").items()})
        return Seen(revision, Claim(run, **{key: str(value) for key, value in found.items()}))
    except (ValueError, TypeError, AttributeError, KeyError):
        return Seen(revision)


def hold(seen: Seen, mine: Claim, dead: str) -> Plan | Refusal:
    """Decide whether a run may take the lock. ``dead``: the lock whose process its own controller saw to be gone.

    The second run of a killed operation goes on where that one stopped, if it is the same person's, on the same machine. Whatever
    else a dead run left behind needs somebody who looks first.
    """
    if not seen.revision:
        return Plan(f"take the lock for {mine.operation}", store=mine)
    if seen.claim is not None and seen.claim.run == mine.run:
        return Plan(f"this run holds the lock since {seen.claim.since}")
    if _died_for(seen, mine, dead):
        return Plan(f"take over the lock of a run that died: {seen.describe()}", store=mine)
    return Refusal(f"The fleet's lock is held: {seen.describe()}.{_gone(seen, dead)}", held=True)


def _gone(seen: Seen, dead: str) -> str:
    return " Its process is gone: run that operation again to finish it." if seen.id == dead else ""


def _died_for(seen: Seen, mine: Claim, dead: str) -> bool:
    """Return whether what holds the lock is a dead run that this one goes on with."""
    old = seen.claim
    if old is None or seen.id != dead:
        return False
    return (old.run.owner, old.run.machine, old.operation) == (mine.run.owner, mine.run.machine, mine.operation)


def free(seen: Seen, mine: Claim, dead: str = "") -> Plan | Refusal:
    """Decide whether what needs no lock may begin: not while somebody else holds it.

    What takes the lock only later on finds there what its own dead run left, and takes that over when it comes to it.
    """
    if not seen.revision or (seen.claim is not None and seen.claim.run == mine.run):
        return Plan(seen.describe())
    if _died_for(seen, mine, dead):
        return Plan(f"this goes on where a run died: {seen.describe()}")
    return Refusal(
        f"The fleet's lock is held: {seen.describe()}. Nothing else is begun meanwhile.{_gone(seen, dead)}", held=True
    )


def release(seen: Seen, run: Run) -> Plan:
    """Give back what this run holds; what another holds is not touched, and that is no failure of ours."""
    if seen.claim is not None and seen.claim.run == run:
        return Plan("release the lock", remove=True)
    return Plan(f"nothing to release: {seen.describe()}")


def break_open(seen: Seen, wanted: str) -> Plan | Refusal:
    """Remove exactly the lock that a person looked at."""
    if not seen.revision:
        return Plan("nobody holds the lock")
    if seen.id != wanted:
        return Refusal(f"There is no lock {wanted}: {seen.describe()}. Look again before you break that one.")
    return Plan(f"break the lock: {seen.describe()}", remove=True)


def claim_of(run: dict[str, Any], operation: str, reason: str, since: str) -> Claim:
    """Make the claim of a run from what its controller said."""
    return Claim(Run(**{key: str(value) for key, value in run.items()}), operation, reason, since)
