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
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..files import Change, Observed, Tree, Verdict, Wanted, overlay, verdict
from .commands import run

STAGING = ".config_files-"
STALE = 3600
READER_TIMEOUT = 60.0
# Readers that do not run as root may walk through a place; its name cannot be guessed and the files keep their own modes.
PASSABLE = 0o711


def observe(wanted: Wanted) -> Observed:
    """Return how a path is now, reading only as much as the comparison needs; a link is looked at itself."""
    path = Path(wanted.path)
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return Observed()
    uid, gid, mode = found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)
    if stat.S_ISLNK(found.st_mode):
        return Observed("link", target=str(path.readlink()), uid=uid, gid=gid, mode=mode)
    if stat.S_ISDIR(found.st_mode):
        children = [] if wanted.kind == "directory" else [child.name for child in path.iterdir()]
        return Observed("directory", children=frozenset(children), uid=uid, gid=gid, mode=mode)
    if not stat.S_ISREG(found.st_mode):
        return Observed("other", uid=uid, gid=gid, mode=mode)
    content = _read(wanted.path) if wanted.kind == "file" and wanted.force else b""
    return Observed("file", content=content, uid=uid, gid=gid, mode=mode)


def _read(path: str) -> bytes:
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        return file.read()


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


@dataclass
class Stage:
    """Hidden places beside the destinations in which new files wait until their readers have agreed.

    A place is a directory whose dotted name no include glob matches, on the same filesystem as the destination, so
    that one rename puts the file there. The files keep their names, because some readers care.
    With ``elsewhere`` nothing is put beside the destinations.
    """

    elsewhere: bool = False
    places: dict[Path | None, Path] = field(default_factory=dict)
    trees: list[Path] = field(default_factory=list)
    staged: dict[str, Path] = field(default_factory=dict)

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        for place in [*self.places.values(), *self.trees]:
            remove_tree(place)

    def put(self, change: Change) -> None:
        """Write a new file or link near its destination, with the owner and the mode that it will have."""
        place = self._place(change.path) / str(len(self.staged))
        place.mkdir()
        place.chmod(PASSABLE)
        path = place / Path(change.path).name
        self.staged[change.path] = path
        if change.verb == "link":
            path.symlink_to(change.wanted.target)
        else:
            _write(path, change.wanted, final=not self.elsewhere)

    def _place(self, path: str) -> Path:
        anchor = None if self.elsewhere else existing_parent(path)
        if anchor not in self.places:
            if anchor:
                _sweep(anchor)
            self.places[anchor] = Path(tempfile.mkdtemp(prefix=STAGING, dir=anchor or _memory()))
            self.places[anchor].chmod(PASSABLE)
        return self.places[anchor]

    def judge(self, change: Change, secrets: Iterable[str]) -> Verdict | None:
        """Have a staged file judged by its own reader."""
        staged = str(self.staged[change.path])
        answer = run([part.replace("%s", staged) for part in change.wanted.validate], READER_TIMEOUT)
        if answer.rc == 0:
            return None
        content = b"" if change.wanted.secret else change.wanted.content
        return verdict(change.path, staged, change.wanted.validate, (answer.rc, answer.output), secrets, content)

    def judge_tree(self, tree: Tree, changes: Iterable[Change], secrets: Iterable[str]) -> Verdict | None:
        """Have a copy of a whole tree, overlaid with the changes, judged by its reader."""
        self.trees.append(Path(tempfile.mkdtemp(prefix=STAGING, dir=_memory())))
        copy = self.trees[-1] / Path(tree.path).name
        copy_tree(Path(tree.path), copy)
        for relative, change in overlay(tree.path, changes):
            _lay(copy / relative, change, tree.path, copy)
        answer = run([part.replace("%s", str(copy)) for part in tree.command], READER_TIMEOUT)
        if answer.rc == 0:
            return None
        return verdict(tree.path, str(copy), tree.command, (answer.rc, answer.output), secrets)

    def install(self, change: Change) -> None:
        """Carry out one change."""
        if change.verb == "make":
            Path(change.path).mkdir(mode=0o700)
            _own(change.path, change.wanted)
        elif change.verb == "adjust":
            _own(change.path, change.wanted)
        elif change.verb == "remove":
            _remove(change)
        else:
            self._rename(change)

    def _rename(self, change: Change) -> None:
        staged, path = self.staged[change.path], Path(change.path)
        if change.before.kind == "directory" and change.wanted.recursive:
            path.rename(staged.parent / "replaced")
        elif change.before.kind == "directory":
            path.rmdir()
        try:
            staged.rename(path)
        except OSError as error:
            # A file that is itself a mount point (/etc/hosts in a container) cannot be replaced, only overwritten.
            if error.errno != errno.EBUSY or change.verb != "write":
                raise
            path.write_bytes(change.wanted.content)
            _own(change.path, change.wanted)


def _write(path: Path, wanted: Wanted, *, final: bool) -> None:
    # Nobody else can read it before it has its owner and mode.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(wanted.content)
        file.flush()
        if final:
            _set(descriptor, wanted)
            # A rename must not reach the disk before the content: after a power cut the file would be empty.
            os.fsync(descriptor)


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
    path = Path(change.path)
    if change.before.kind != "directory":
        path.unlink()
    elif change.wanted.recursive:
        shutil.rmtree(path)
    else:
        path.rmdir()


def existing_parent(path: str) -> Path:
    """Return the nearest directory above ``path`` that exists: it is on the filesystem on which the path will be."""
    return next(parent for parent in Path(path).parents if parent.is_dir())


def _memory() -> str | None:
    # /run is in memory: what is only judged, keys among it, never reaches a disk.
    return "/run" if os.geteuid() == 0 and os.access("/run", os.W_OK) else None


def _sweep(directory: Path) -> None:
    # What a run that was killed has left. An hour, as another run may be at work.
    for path in directory.glob(STAGING + "*"):
        found = path.lstat()
        old = found.st_mtime < time.time() - STALE
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and old:
            remove_tree(path)


def remove_tree(path: Path) -> None:
    """Remove a directory and all in it, also what copied modes forbid."""
    for directory in _directories(path):
        directory.chmod(0o700)
    shutil.rmtree(path)


def _directories(path: Path) -> Iterator[Path]:
    yield path
    for child in path.iterdir():
        if child.is_dir() and not child.is_symlink():
            yield from _directories(child)


def copy_tree(source: Path, copy: Path) -> None:
    """Copy files, directories and links; a link into the tree by its full path is turned to the copy."""
    copy.mkdir(mode=0o700)
    for directory, names, files in os.walk(source):
        names[:] = [name for name in names if not name.startswith(STAGING)]
        there = copy / Path(directory).relative_to(source)
        for name in [*names, *files]:
            original, target = Path(directory, name), there / name
            if original.is_symlink():
                target.symlink_to(_turned(str(original.readlink()), str(source), copy))
            elif original.is_dir():
                target.mkdir(mode=0o700)
            elif original.is_file():
                shutil.copy2(original, target)


def _turned(target: str, source: str, copy: Path) -> str:
    return f"{copy}{target[len(source) :]}" if target.startswith(source + "/") else target


def _lay(path: Path, change: Change, source: str, copy: Path) -> None:
    # Makes one path of the copy as the change will make the original.
    if change.verb == "make":
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return
    if path.is_dir() and not path.is_symlink():
        remove_tree(path)
    else:
        path.unlink(missing_ok=True)
    if change.verb == "remove":
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if change.verb == "link":
        path.symlink_to(_turned(change.wanted.target, source, copy))
    else:
        _write(path, change.wanted, final=False)
