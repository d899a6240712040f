# SPDX-License-Identifier: GPL-3.0-or-later
"""Let a run send the modules that an earlier run has built, where nothing that is in them has changed since."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import io
import itertools
import json
import os
import pickle
import shutil
import time
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import ansible
import ansible_collections
from ansible import constants as C
from ansible.plugins.callback import CallbackBase
from ansible.release import __version__

DOCUMENTATION = """
name: built_once
type: aggregate
short_description: Spares the controller's processor what an earlier run has done
description:
  - A module is sent with everything that it imports. Each run of Ansible looks for that anew, and packs it, which takes a tenth to a
    third of a second of processor for each module, and forgets it at its end.
  - This keeps what was packed in C(~/.ansible/tmp/modules), which must be the user's alone. Before a run uses it, each file that it was
    packed of is looked at. Its content was compared once; if its time of change, its size or its place in the file system is another
    one since, or if there is one module more that could hide another, all is packed anew, in a directory of its own, because another
    run may still use the old one.
  - What is packed holds no arguments and no variables.
  - What no run has used for a week is removed.
requirements:
  - none; it is on for whoever uses this ansible.cfg
"""

WEEK = 7 * 86400
SIDECAR = ".sources"
# Ansible writes these itself: its version, which is part of the key, and where else to look for what is imported.
OWN = ("ansible/__init__.py", "ansible/module_utils/__init__.py")

Stamp = list[int]


@dataclass(frozen=True)
class Roots:
    """Where the files of a module can come from: their name in what is packed begins like this, and they lie there."""

    places: Sequence[tuple[str, Path]]

    def find(self, name: str, content: bytes) -> tuple[Path, Stamp] | None:
        """Return the file that has this name and this content, and its stamp from before it was read."""
        for prefix, directory in self.places:
            path = directory / name.removeprefix(prefix)
            if name.startswith(prefix) and path.is_file():
                seen = stamp(path)
                if path.read_bytes() == content:
                    return path, seen
        return None

    def names(self) -> Iterator[str]:
        """Return all names of modules and of what they import that are ours: one more could hide another's."""
        for prefix, directory in self.places:
            if not directory.is_relative_to(Path(ansible.__file__).parent) and prefix != "ansible_collections/":
                yield from sorted(str(path) for path in directory.rglob("*.py"))


def stamp(path: Path) -> Stamp:
    """Return what no edit leaves as it is: the time of change cannot be set back."""
    found = path.stat()
    return [found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino]


def parts(packed: Path) -> dict[str, bytes]:
    """Return the files in a module as Ansible keeps it: names and contents."""
    # Nobody else can write there: see ``lend``.
    kept = pickle.loads(packed.read_bytes())  # noqa: S301 - Ansible's own format, in a directory that is the user's alone
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(kept.zip_data))) as archive:
        found = {one.filename: archive.read(one) for one in archive.infolist()}
    return {name: content for name, content in found.items() if content and name not in OWN}


def known(packed: Path, roots: Roots) -> dict[str, Stamp] | None:
    """Return the files that a module was packed of, and their stamps; nothing if one of them is not to be found as it was."""
    sidecar = packed.with_name(packed.name + SIDECAR)
    with suppress(OSError, ValueError):
        return dict(json.loads(sidecar.read_text()))
    found = {}
    for name, content in parts(packed).items():
        source = roots.find(name, content)
        if source is None:
            return None
        found[str(source[0])] = source[1]
    draft = sidecar.with_name(f"{sidecar.name}.{os.getpid()}-part")
    draft.write_text(json.dumps(found))
    draft.rename(sidecar)
    return found


def fresh(directory: Path, roots: Roots) -> bool:
    """Tell whether all modules there are what would be packed now."""
    seen: dict[str, Stamp] = {}
    for packed in directory.iterdir():
        if packed.name.endswith((SIDECAR, ".lock", "-part")):
            continue
        try:
            sources = known(packed, roots)
            if sources is None:
                return False
            for path, then in sources.items():
                # Nearly all modules are packed of the same files: each is looked at once.
                if path not in seen:
                    seen[path] = stamp(Path(path))
                if seen[path] != then:
                    return False
        except Exception:
            # Whatever is wrong with it, it can be packed anew.
            return False
    return True


def key(roots: Roots, settings: Iterable[object]) -> str:
    """Return a name for all that decides which file a module's name means."""
    return hashlib.sha256(repr((__version__, list(settings), list(roots.names()))).encode()).hexdigest()[:16]


def locked(directory: Path, kind: int) -> int | None:
    """Lock a directory; return what holds the lock, or nothing if it is gone or somebody has it."""
    try:
        holder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    with suppress(OSError):
        fcntl.flock(holder, kind)
        if os.fstat(holder).st_ino == directory.stat().st_ino:
            return holder
    os.close(holder)
    return None


def lend(home: Path, name: str, roots: Roots) -> tuple[Path, int]:
    """Return a directory of modules that are all fresh, and what keeps others from removing it while this process has it open.

    Raises ``PermissionError`` where others could put something there.
    """
    home.mkdir(mode=0o700, exist_ok=True)
    found = home.stat()
    if found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise PermissionError(f"{home} is not the user's alone")
    for number in itertools.count():
        directory = home / f"{name}.{number}"
        directory.mkdir(mode=0o700, exist_ok=True)
        holder = locked(directory, fcntl.LOCK_SH)
        if holder is None:
            continue
        if fresh(directory, roots):
            os.utime(directory)
            tidy(home, name, number)
            return directory, holder
        os.close(holder)
    raise AssertionError


def tidy(home: Path, name: str, number: int) -> None:
    """Remove what is not fresh any more, and what nobody has used for a week, unless somebody uses it now."""
    for directory in home.iterdir():
        of, _, which = directory.name.partition(".")
        with suppress(OSError, ValueError):
            old = time.time() - directory.stat().st_mtime > WEEK
            if (of == name and int(which) < number) or (of != name and old):
                holder = locked(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if holder is not None:
                    shutil.rmtree(directory, ignore_errors=True)
                    os.close(holder)


def roots_of(modules: Sequence[str], utilities: Sequence[str], collections: Iterable[str]) -> Roots:
    """Return where Ansible looks, in its order."""
    core = Path(ansible.__file__).parent
    return Roots(
        [
            *(("ansible/legacy/", Path(place)) for place in modules),
            ("ansible/modules/", core / "modules"),
            *(("ansible/module_utils/", Path(place)) for place in utilities),
            ("ansible/module_utils/", core / "module_utils"),
            *(("ansible_collections/", Path(place)) for place in collections),
        ]
    )


class CallbackModule(CallbackBase):  # type: ignore[misc]  # Ansible ships no types
    """Listens to nothing: it is the one kind of plugin that is loaded once, and before the first process is started."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "built_once"

    def __init__(self) -> None:
        super().__init__()
        own = Path(C.DEFAULT_LOCAL_TMP)
        # Where nothing can be kept, each run packs for itself, as Ansible does by itself.
        with suppress(OSError):
            roots = roots_of(C.DEFAULT_MODULE_PATH, C.DEFAULT_MODULE_UTILS_PATH, ansible_collections.__path__)
            directory, self._holder = lend(own.parent / "modules", key(roots, [C.COLLECTIONS_PATHS]), roots)
            (own / "ansiballz_cache").symlink_to(directory)
