# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to change so that files are as wanted: the thinking behind config_files, without any I/O."""

from __future__ import annotations

import posixpath
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
        """Where it happens."""
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
class Tree:
    """A directory that its reader judges as a whole."""

    path: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """What a reader has against the new files."""

    path: str
    command: str
    output: str
    line: int | None = None
    text: str = ""

    def __str__(self) -> str:
        where = f" (line {self.line}{': ' + self.text if self.text else ''})" if self.line else ""
        return f"{self.path} would be invalid{where}: `{self.command}` said: {self.output}"


ORDER = {"directory": 0, "file": 1, "link": 1, "absent": 2}


def plan(observed: Mapping[str, Observed], wanted: Sequence[Wanted], directories: Collection[str]) -> Plan:
    """Return the changes that turn ``observed`` into ``wanted``.

    ``directories`` are the parents that exist. Directories come first in the given order, then files and links, then
    removals, deepest first.
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
        return Problem(
            item.path, "is neither a file, a directory nor a link (a socket, device or pipe): remove it by hand"
        )
    if item.kind == "directory" and before.kind not in ("missing", "directory"):
        what = f"a link to {before.target}" if before.kind == "link" else "a file"
        return Problem(item.path, f"shall be a directory, but it is {what}: move that away by hand")
    if item.kind == "directory" or before.kind != "directory" or item.recursive:
        return None
    going = {other.path for other in wanted if other.kind == "absent"}
    left = sorted(name for name in before.children if posixpath.join(item.path, name) not in going)
    if not left:
        return None
    some = ", ".join(left[:5]) + (", ..." if len(left) > 5 else "")
    return Problem(
        item.path,
        f"is a directory that is not empty (it holds {some}): say `recursive: true` to lose all that is in it",
    )


def _parent_problem(item: Wanted, wanted: Iterable[Wanted], directories: Collection[str]) -> Problem | None:
    """Return why nothing can be put at this path: there is no directory to hold it."""
    if item.kind == "absent":
        return None
    parent = posixpath.dirname(item.path)
    for other in wanted:
        if other is item and item.kind == "directory":
            break
        if other.kind == "directory" and other.path == parent:
            return None
    if parent in directories:
        return None
    remedy = f"make {parent} with an earlier entry `directory: true`, or install the package that brings it"
    return Problem(item.path, f"the directory {parent} does not exist: {remedy}", may_pass=True)


def overlay(tree: str, changes: Iterable[Change]) -> tuple[tuple[str, Change], ...]:
    """Return what of these changes lies in ``tree`` and alters what its reader reads, with the path in the tree."""
    content = [change for change in changes if change.verb != "adjust"]
    inside = [(change.path[len(tree) + 1 :], change) for change in content if change.path.startswith(tree + "/")]
    return (*((".", change) for change in content if change.path == tree), *inside)


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


def verdict(
    path: str,
    staged: str,
    command: Sequence[str],
    answer: tuple[int | None, str],
    secrets: Iterable[str],
    content: bytes = b"",
) -> Verdict:
    """Return what a reader said about the staged copy as if it were about the real path, without secrets."""
    rc, output = answer
    known = tuple(secrets)
    told = path.join(masked(piece, known) for piece in output.split(staged)).strip() or "nothing"
    inner, line = place_named(output, staged)
    lines = content.decode(errors="replace").splitlines()
    text = lines[line - 1].strip()[:160] if line and 0 < line <= len(lines) else ""
    asked = " ".join(command).replace("%s", path)
    return Verdict(path + inner, asked, told if rc is None else f"(exit {rc}) {told}", line, text)


def place_named(output: str, staged: str) -> tuple[str, int | None]:
    """Return the file below the staged path (if it is a tree) and the line that a reader complains about."""
    below = r"(/[^\s:;,'\"()\[\]]+)?"
    # Nearest to its number the name is most to be trusted: nginx names the missing file first and the line that wants it later.
    tight = re.search(re.escape(staged) + below + r"['\"\]]?(?::|\(|[:,]? \(?(?:at |on )?line )(\d+)", output)
    if tight:
        return tight[1] or "", int(tight[2])
    inner = re.search(re.escape(staged) + below, output)
    base = re.escape(staged.rpartition("/")[2])
    line = re.search(rf"\bline[ :#]*(\d+)|\b{base}:(\d+)", output, re.IGNORECASE)
    return (inner[1] or "") if inner else "", int(line[1] or line[2]) if line else None
