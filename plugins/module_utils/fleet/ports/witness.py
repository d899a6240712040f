# SPDX-License-Identifier: GPL-3.0-or-later
"""Records in a directory of one host, the witness, for a fleet without etcd: changed by one at a time, whole or not at all.

A record is a file ``<key>@<revision>``. The revision is in the name, so that a record that cannot be read has one too, and one rename
changes both together. What was removed leaves its last revision behind (``.gone``): no later record may have it again.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote, unquote

from ..store import Record, Unanswered, Unclear

NAME = re.compile(r"([^@]+)@([1-9][0-9]*)(\.gone)?")
# Only who is alone writes it, so that one name does; what a killed run left of it is overwritten.
NEW = ".new"
PAUSE = 0.05


@dataclass(frozen=True)
class Version:
    """A file of the directory, told by its name."""

    key: str
    revision: int
    gone: bool
    file: str


def versions(place: int) -> list[Version]:
    """Return the versions of all keys, the newest last. Two of one key are what a killed run left, and the newer one counts."""
    found = [(entry.name, match) for entry in os.scandir(place) if (match := NAME.fullmatch(entry.name))]
    every = [Version(unquote(match[1]), int(match[2]), bool(match[3]), file) for file, match in found]
    return sorted(every, key=lambda one: (one.revision, not one.gone))


@dataclass(frozen=True)
class Witness:
    """The directory, and for how many seconds to wait while others are at it."""

    directory: str
    patience: float = 10.0
    remedy: str = "Look what became of it; on a new witness `site.yml --tags base` makes it."

    @property
    def silence(self) -> str:
        """Say what it means that it does not answer."""
        return f"the directory {self.directory} of this witness cannot be used"

    def read(self, key: str) -> Record:
        """Read a key."""
        return self.read_all(key).get(key, Record("", 0))

    def read_all(self, prefix: str) -> dict[str, Record]:
        """Read all keys that begin with a prefix."""
        with self._alone(fcntl.LOCK_SH) as place:
            newest = {one.key: one for one in versions(place) if one.key.startswith(prefix)}
            return {key: Record(_text(place, one.file), one.revision) for key, one in newest.items() if not one.gone}

    def swap(self, key: str, seen: int, text: str | None) -> bool:
        """Store a text, or remove the key, if its last change is still the one that was seen. Return whether it was."""
        with self._alone(fcntl.LOCK_EX) as place:
            every = versions(place)
            mine = [one for one in every if one.key == key]
            now = mine[-1] if mine and not mine[-1].gone else None
            if (now.revision if now else 0) != seen:
                return False
            if text is None and now is None:
                return True
            after = f"{quote(key, safe='')}@{max((one.revision for one in every), default=0) + 1}"
            if text is None and now is not None:
                _rename(place, now.file, after + ".gone")
            else:
                _write(place, text or "")
                _rename(place, NEW, after)
            _settle(place, [one.file for one in mine if text is not None or one is not now])
        return True

    @contextmanager
    def _alone(self, how: int) -> Iterator[int]:
        """Open the directory and keep others out of it. Whoever dies lets them in."""
        try:
            place = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError as error:
            raise Unanswered(f"{self.directory}: {error.strerror}") from None
        try:
            self._refuse_strangers(place)
            self._wait(place, how)
            yield place
        except OSError as error:
            raise Unanswered(f"{self.directory}: {error.strerror}") from error
        finally:
            os.close(place)

    def _refuse_strangers(self, place: int) -> None:
        found = os.fstat(place)
        if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise Unanswered(
                f"{self.directory} has owner {found.st_uid} and mode {stat.S_IMODE(found.st_mode):04o}: whoever else reaches it could "
                f"have taken or broken a lock. It must have owner {os.geteuid()} and mode 0700"
            )

    def _wait(self, place: int, how: int) -> None:
        deadline = time.monotonic() + self.patience
        while True:
            try:
                return fcntl.flock(place, how | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise Unanswered(
                        f"another process of this host has been at {self.directory} for {self.patience:g} s"
                    ) from None
            time.sleep(PAUSE)


def _text(place: int, file: str) -> str:
    with os.fdopen(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=place), "rb") as opened:
        return opened.read().decode("utf-8", "replace")


def _write(place: int, text: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with os.fdopen(os.open(NEW, flags, 0o600, dir_fd=place), "wb") as opened:
        opened.write(text.encode())
        opened.flush()
        # A rename must not reach the disk before the content: after a power cut the record would be empty.
        os.fsync(opened.fileno())


def _rename(place: int, file: str, name: str) -> None:
    os.rename(file, name, src_dir_fd=place, dst_dir_fd=place)


def _settle(place: int, older: list[str]) -> None:
    """See the change to the disk, then remove what it replaced: in the other order a power cut could take both."""
    try:
        os.fsync(place)
        for file in older:
            os.unlink(file, dir_fd=place)
    except OSError as error:
        raise Unclear(f"the change was made, and may not be on the disk: {error.strerror}") from error
