# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at files, stage them, have them judged by their readers, and put them in place."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..files import Change, Observed, Overlay, Wanted, line_named, overlay, retold
from .commands import Answer, run

STAGING = ".config_files-"
STALE = 3600
READER_TIMEOUT = 60.0


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
        return f"{self.path} would be invalid{where}: `{self.command}` said: {self.output or 'nothing'}"


def observe(wanted: Wanted) -> Observed:
    """Return how a path is now, reading only as much as the comparison needs."""
    try:
        found = os.lstat(wanted.path)
    except (FileNotFoundError, NotADirectoryError):
        return Observed()
    owned = {"uid": found.st_uid, "gid": found.st_gid, "mode": stat.S_IMODE(found.st_mode)}
    if stat.S_ISLNK(found.st_mode):
        return Observed("link", target=os.readlink(wanted.path), **owned)
    if stat.S_ISDIR(found.st_mode):
        children = frozenset[str]() if wanted.kind == "directory" else frozenset(os.listdir(wanted.path))
        return Observed("directory", children=children, **owned)
    if not stat.S_ISREG(found.st_mode):
        return Observed("other", **owned)
    content = _read(wanted.path) if wanted.kind == "file" and wanted.force else b""
    return Observed("file", content=content, **owned)


def _read(path: str) -> bytes:
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        return file.read()


def remove_tree(path: str) -> None:
    """Remove a directory and all in it, also what its copied modes forbid."""
    for directory, _, _ in os.walk(path):
        os.chmod(directory, 0o700)
        for name in os.listdir(directory):
            inner = os.path.join(directory, name)
            if os.path.isdir(inner) and not os.path.islink(inner):
                os.chmod(inner, 0o700)
    shutil.rmtree(path)


@dataclass
class Stage:
    """Hidden places beside the destinations in which new files wait until their readers have agreed.

    A place is a directory whose dotted name no include glob matches, on the same filesystem as the destination, so that a rename puts the
    file in place at once. The files keep their names, because some readers care. With ``elsewhere`` nothing is put beside the destinations.
    """

    elsewhere: bool = False
    places: dict[str, str] = field(default_factory=dict)
    trees: list[str] = field(default_factory=list)
    staged: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        for place in [*self.places.values(), *self.trees]:
            if os.path.isdir(place):
                remove_tree(place)

    def put(self, change: Change) -> None:
        """Write a new file or link beside its destination, with the owner and the mode that it will have."""
        place = os.path.join(self._place(change.path), str(len(self.staged)))
        os.mkdir(place, 0o700)
        os.chmod(place, 0o711)
        path = os.path.join(place, os.path.basename(change.path))
        self.staged[change.path] = path
        if change.verb == "link":
            os.symlink(change.wanted.target, path)
        else:
            write(path, change.wanted, keep_owner=self.elsewhere)

    def _place(self, path: str) -> str:
        anchor = "" if self.elsewhere else existing_parent(path)
        if anchor not in self.places:
            if anchor:
                _sweep(anchor)
            place = tempfile.mkdtemp(prefix=STAGING, dir=anchor or _memory())
            self.places[anchor] = place
            os.chmod(place, 0o711)
        return self.places[anchor]

    def judge(self, change: Change, secrets: Iterable[str]) -> Verdict | None:
        """Have a staged file judged by its own reader."""
        staged = self.staged[change.path]
        answer = run([part.replace("%s", staged) for part in change.wanted.validate], READER_TIMEOUT)
        if answer.rc == 0:
            return None
        told = " ".join(change.wanted.validate).replace("%s", change.path)
        output = answer.output
        line = line_named(output, staged)
        text = "" if change.wanted.secret else _line(change.wanted.content, line)
        return Verdict(change.path, told, _said(answer, retold(output, staged, change.path, secrets)), line, text)

    def judge_tree(self, tree: Tree, changes: Iterable[Change], secrets: Iterable[str]) -> Verdict | None:
        """Have a copy of a whole tree, overlaid with the changes, judged by its reader."""
        copy = os.path.join(self._tree_place(), os.path.basename(tree.path.rstrip("/")))
        copy_tree(tree.path, copy)
        for item in overlay(tree.path, changes):
            _lay(copy, item)
        answer = run([part.replace("%s", copy) for part in tree.command], READER_TIMEOUT)
        if answer.rc == 0:
            return None
        told = " ".join(tree.command).replace("%s", tree.path)
        return Verdict(tree.path, told, _said(answer, retold(answer.output, copy, tree.path, secrets)), line_named(answer.output))

    def _tree_place(self) -> str:
        self.trees.append(tempfile.mkdtemp(prefix=STAGING, dir=_memory()))
        return self.trees[-1]

    def install(self, change: Change) -> None:
        """Carry out one change."""
        if change.verb == "make":
            os.mkdir(change.path, 0o700)
            _own(change.path, change.wanted)
        elif change.verb == "adjust":
            _own(change.path, change.wanted)
        elif change.verb == "remove":
            _remove(change)
        else:
            self._rename(change)

    def _rename(self, change: Change) -> None:
        staged = self.staged[change.path]
        if change.before.kind == "directory":
            os.rename(change.path, staged + ".old")
        try:
            os.rename(staged, change.path)
        except OSError as error:
            # A file that is itself a mount point (/etc/hosts in a container) cannot be replaced, only overwritten.
            if error.errno != errno.EBUSY or change.verb != "write":
                raise
            with open(change.path, "wb") as file:
                file.write(change.wanted.content)
            _own(change.path, change.wanted)


def _said(answer: Answer, output: str) -> str:
    return f"(exit {answer.rc}) {output}" if answer.rc is not None else output


def _line(content: bytes, number: int | None) -> str:
    lines = content.decode(errors="replace").splitlines()
    return lines[number - 1].strip()[:160] if number and number <= len(lines) else ""


def write(path: str, wanted: Wanted, *, keep_owner: bool = False) -> None:
    """Write a new file that nobody else can read before it has its owner and mode."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(wanted.content)
        file.flush()
        if not keep_owner:
            os.fsync(descriptor)
            _set(descriptor, wanted)


def _own(path: str, wanted: Wanted) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        _set(descriptor, wanted)
    finally:
        os.close(descriptor)


def _set(descriptor: int, wanted: Wanted) -> None:
    found = os.fstat(descriptor)
    if (found.st_uid, found.st_gid) != (wanted.uid, wanted.gid):
        os.fchown(descriptor, -1 if wanted.uid is None else wanted.uid, -1 if wanted.gid is None else wanted.gid)
    # After the owner: a change of owner drops the set-id bits.
    os.fchmod(descriptor, wanted.mode)


def _remove(change: Change) -> None:
    if change.before.kind != "directory":
        os.unlink(change.path)
    elif change.wanted.recursive:
        shutil.rmtree(change.path)
    else:
        os.rmdir(change.path)


def _memory() -> str | None:
    # /run is in memory: what is only judged, keys among it, never reaches a disk.
    return "/run" if os.geteuid() == 0 and os.access("/run", os.W_OK) else None


def uid_of(owner: str) -> int | None:
    """Return the number of a user of this host, or None if nobody has that name."""
    try:
        return int(owner) if owner.isdigit() else pwd.getpwnam(owner).pw_uid
    except KeyError:
        return None


def gid_of(group: str) -> int | None:
    """Return the number of a group of this host, or None if there is none of that name."""
    try:
        return int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
    except KeyError:
        return None


def existing_parent(path: str) -> str:
    """Return the nearest directory above ``path`` that exists: it is on the filesystem on which the path will be."""
    parent = os.path.dirname(path)
    while not os.path.isdir(parent):
        parent = os.path.dirname(parent)
    return parent


def _sweep(directory: str) -> None:
    """Remove what a run that was killed more than an hour ago left behind."""
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.startswith(STAGING) and entry.is_dir(follow_symlinks=False):
                found = entry.stat(follow_symlinks=False)
                if found.st_uid == os.geteuid() and found.st_mtime < time.time() - STALE:
                    remove_tree(entry.path)


def copy_tree(source: str, copy: str) -> None:
    """Copy files, directories and links; a link into the tree by its full path is turned to the copy."""
    os.mkdir(copy, 0o700)
    for directory, names, files in os.walk(source):
        names[:] = [name for name in names if not name.startswith(STAGING)]
        there = os.path.normpath(os.path.join(copy, os.path.relpath(directory, source)))
        for name in [*names, *files]:
            original, target = os.path.join(directory, name), os.path.join(there, name)
            if os.path.islink(original):
                os.symlink(_turned(os.readlink(original), source, copy), target)
            elif os.path.isdir(original):
                os.mkdir(target, 0o700)
            elif os.path.isfile(original):
                shutil.copy2(original, target)


def _turned(target: str, source: str, copy: str) -> str:
    return copy + target[len(source) :] if target.startswith(source.rstrip("/") + "/") else target


def _lay(copy: str, item: Overlay) -> None:
    """Make one path of the copy as the change will make the original."""
    path = os.path.normpath(os.path.join(copy, item.relative))
    change = item.change
    if change.verb == "make":
        os.makedirs(path, exist_ok=True)
        return
    if change.verb == "adjust":
        return
    if os.path.isdir(path) and not os.path.islink(path):
        remove_tree(path)
    elif os.path.lexists(path):
        os.unlink(path)
    if change.verb == "link":
        os.makedirs(os.path.dirname(path), exist_ok=True)
        root = change.path[: -len(item.relative)]
        os.symlink(_turned(change.wanted.target, root.rstrip("/"), copy), path)
    elif change.verb == "write":
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write(path, change.wanted, keep_owner=True)
