# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to change so that files are as wanted: the thinking behind config_files, without any I/O."""

from __future__ import annotations

import os.path
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

HIDDEN = "[hidden]"
# Shorter pieces than this are ordinary syntax; a secret's pieces of this length are masked wherever a program repeats them.
PIECE = 4
DIFF_LIMIT = 200_000


@dataclass(frozen=True)
class Wanted:
    """How one path shall be."""

    path: str
    kind: str  # file, directory, link or absent
    content: bytes = b""
    target: str = ""
    owner: str = "root"
    group: str = "root"
    uid: int | None = 0  # None: nobody on this host has that name (yet)
    gid: int | None = 0
    mode: int = 0o644
    validate: tuple[str, ...] = ()
    secret: bool = False
    force: bool = True
    recursive: bool = False


@dataclass(frozen=True)
class Observed:
    """How one path is now; a link is looked at itself, never followed."""

    kind: str = "missing"  # missing, file, directory, link or other
    content: bytes = b""
    target: str = ""
    uid: int = 0
    gid: int = 0
    mode: int = 0
    children: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Change:
    """One step from what is to what is wanted."""

    verb: str  # make, write, link, adjust or remove
    wanted: Wanted
    before: Observed

    @property
    def path(self) -> str:
        return self.wanted.path

    def describe(self) -> str:
        """Say the step in words, without any content."""
        wanted = self.wanted
        if self.verb == "link":
            return f"{self.path}: link to {wanted.target}"
        if self.verb == "remove":
            return f"{self.path}: remove the {self.before.kind}"
        if self.verb == "adjust":
            return f"{self.path}: {'; '.join(_attributes(self))}"
        what = "write" if self.verb == "write" else "make the directory"
        return f"{self.path}: {what} ({wanted.owner}:{wanted.group} {wanted.mode:04o})"


@dataclass(frozen=True)
class Problem:
    """Why a plan cannot be carried out. One that `may_pass` is only about what is not there yet."""

    path: str
    text: str
    may_pass: bool = False

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


@dataclass(frozen=True)
class Plan:
    """The changes in the order in which they are made, and what stands against them."""

    changes: tuple[Change, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Overlay:
    """One path of a copied tree that has to differ from the original."""

    relative: str
    change: Change


ORDER = {"directory": 0, "file": 1, "link": 1, "absent": 2}


def plan(observed: Mapping[str, Observed], wanted: Sequence[Wanted], directories: Collection[str]) -> Plan:
    """Return the changes that turn ``observed`` into ``wanted``.

    ``directories`` are the parents that exist. Directories come first in the given order, then files and links, then removals, deepest first.
    """
    changes: list[Change] = []
    problems: list[Problem] = []
    for item in sorted(wanted, key=_order):
        before = observed.get(item.path, Observed())
        change = step(before, item)
        if change is None:
            continue
        problem = _obstacle(change, wanted) or _parent_problem(item, wanted, directories)
        if problem:
            problems.append(problem)
        changes.append(change)
    return Plan(tuple(changes), tuple(problems))


def step(before: Observed, wanted: Wanted) -> Change | None:
    """Return the one change that makes a single path as wanted, or nothing."""
    if wanted.kind == "absent":
        return None if before.kind == "missing" else Change("remove", wanted, before)
    if wanted.kind == "link":
        return None if (before.kind, before.target) == ("link", wanted.target) else Change("link", wanted, before)
    if not wanted.force and before.kind != "missing":
        return None
    if before.kind != wanted.kind:
        return Change("make" if wanted.kind == "directory" else "write", wanted, before)
    if wanted.kind == "file" and before.content != wanted.content:
        return Change("write", wanted, before)
    if (before.uid, before.gid, before.mode) != (wanted.uid, wanted.gid, wanted.mode):
        return Change("adjust", wanted, before)
    return None


def _order(wanted: Wanted) -> tuple[int, int]:
    return ORDER[wanted.kind], -wanted.path.count("/") if wanted.kind == "absent" else 0


def _obstacle(change: Change, wanted: Iterable[Wanted]) -> Problem | None:
    """Return why what is at the path now must not be replaced or removed."""
    before, item = change.before, change.wanted
    if before.kind == "other":
        return Problem(item.path, "is neither a file, a directory nor a link (a socket, device or pipe): remove it by hand")
    if item.kind == "directory" and before.kind not in ("missing", "directory"):
        what = f"a link to {before.target}" if before.kind == "link" else "a file"
        return Problem(item.path, f"shall be a directory, but it is {what}: move that away by hand")
    if item.kind == "directory" or before.kind != "directory" or item.recursive:
        return None
    going = {other.path for other in wanted if other.kind == "absent"}
    left = sorted(name for name in before.children if os.path.join(item.path, name) not in going)
    if not left:
        return None
    some = ", ".join(left[:5]) + (", ..." if len(left) > 5 else "")
    return Problem(item.path, f"is a directory that is not empty (it holds {some}): say `recursive: true` to lose all that is in it")


def _parent_problem(item: Wanted, wanted: Iterable[Wanted], directories: Collection[str]) -> Problem | None:
    """Return why nothing can be put at this path: there is no directory to hold it."""
    if item.kind == "absent":
        return None
    parent = os.path.dirname(item.path)
    for other in wanted:
        if other is item and item.kind == "directory":
            break
        if other.kind == "directory" and other.path == parent:
            return None
    if parent in directories:
        return None
    remedy = f"make {parent} with an earlier entry `directory: true`, or install the package that brings it"
    return Problem(item.path, f"the directory {parent} does not exist: {remedy}", may_pass=True)


def overlay(tree: str, changes: Iterable[Change]) -> tuple[Overlay, ...]:
    """Return what of these changes lies in ``tree`` and alters what a reader of it sees."""
    root = tree.rstrip("/")
    inside = []
    for change in changes:
        if change.path == root:
            inside.append(Overlay(".", change))
        elif change.path.startswith(root + "/"):
            inside.append(Overlay(change.path[len(root) + 1 :], change))
    return tuple(inside)


def _attributes(change: Change) -> list[str]:
    before, wanted = change.before, change.wanted
    found = []
    if before.mode != wanted.mode:
        found.append(f"mode {before.mode:04o} -> {wanted.mode:04o}")
    if before.uid != wanted.uid:
        found.append(f"owner {before.uid} -> {wanted.owner}")
    if before.gid != wanted.gid:
        found.append(f"group {before.gid} -> {wanted.group}")
    return found


def as_diff(change: Change) -> dict[str, str]:
    """Return the change as Ansible shows it; of a secret file only that it differs."""
    before, wanted = change.before, change.wanted
    if change.verb != "write":
        return {"prepared": change.describe() + "\n"}
    if wanted.secret:
        return {"prepared": f"{change.path}: differs (its content is secret and not shown)\n"}
    old, new = _text(before.content), _text(wanted.content)
    if old is None or new is None:
        return {"prepared": f"{change.path}: differs (not a text, or too long to show)\n"}
    had = f" ({before.uid}:{before.gid} {before.mode:04o})" if before.kind == "file" else f" ({before.kind})"
    has = f" ({wanted.owner}:{wanted.group} {wanted.mode:04o})"
    return {"before": old, "after": new, "before_header": change.path + had, "after_header": change.path + has}


def _text(content: bytes) -> str | None:
    if len(content) > DIFF_LIMIT:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def masked(output: str, secrets: Iterable[str]) -> str:
    """Hide each piece of ``output`` that also stands in a secret file: readers like to quote the line they dislike."""
    pieces = {text[i : i + PIECE] for text in secrets for i in range(len(text) - PIECE + 1)}
    hide = [False] * len(output)
    for i in range(len(output) - PIECE + 1):
        if output[i : i + PIECE] in pieces:
            hide[i : i + PIECE] = [True] * PIECE
    shown = "".join("\0" if hidden else char for char, hidden in zip(output.replace("\0", " "), hide, strict=True))
    return re.sub("\0+", HIDDEN, shown)


def retold(output: str, staged: str, real: str, secrets: Iterable[str]) -> str:
    """Return a reader's output about the staged copy as if it were about the real path, without secrets."""
    told = real.join(masked(piece, secrets) for piece in output.split(staged))
    return told.strip()


def line_named(output: str, staged: str = "") -> int | None:
    """Return the first line number that a reader's output names, a number after the file's own name first."""
    patterns = [re.escape(staged) + r"[^\n]{0,3}?[:( ]+(?:line )?(\d+)"] if staged else []
    patterns += [r"\bline[ :#]*(\d+)", r"[^\s:]:(\d+)(?=[:\s)\]]|$)"]
    for pattern in patterns:
        found = re.search(pattern, output, re.IGNORECASE | re.MULTILINE)
        if found:
            return int(found[1])
    return None
