#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""On the lab's hosts alone: a Python that has imported what every module of Ansible imports, and forks for each of them.

A module of Ansible takes a host a fifth of a second of processor (an emulated one more than a second), nearly all of it to import: from
Python's library, and from Ansible's module_utils, which each module brings along in a zip. What is kept of Ansible came in such a zip, and
is used by a module only if its own has the very same files; another one imports its own, and the next ones are served out of that.

usage: warm_python.py SOCKET ZIP     (warm-python.service; ZIP is where the files are kept from one boot to the next)

Programs come by warm-python. Each runs in a process of its own, with its caller's standard streams, directory, umask and environment.
"""

from __future__ import annotations

import argparse
import atexit
import base64
import ctypes
import dataclasses
import datetime
import decimal
import encodings.cp437
import encodings.idna
import fcntl
import grp
import hashlib
import importlib.util
import inspect
import io
import json
import locale
import logging
import marshal
import os
import pkgutil
import platform
import pwd
import re
import runpy
import selectors
import shlex
import shutil
import socket
import string
import subprocess
import sys
import syslog
import tempfile
import threading
import time
import traceback
import types
import typing
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path

_KEPT_OF_PYTHON = (
    *(
        argparse,
        ctypes,
        dataclasses,
        datetime,
        decimal,
        encodings.cp437,
        encodings.idna,
        fcntl,
        grp,
        hashlib,
        importlib.util,
    ),
    *(
        inspect,
        json,
        locale,
        logging,
        pkgutil,
        platform,
        pwd,
        runpy,
        shlex,
        shutil,
        string,
        subprocess,
        syslog,
        tempfile,
        uuid,
    ),
)
# Ansible's own words around the zip, in each module that it sends.
_SENT = re.compile(rb"zip_data='([A-Za-z0-9+/=]+)'")
_REQUEST = 1 << 18

Files = dict[str, tuple[int, int]]


class Request(typing.NamedTuple):
    """What a program is run with."""

    words: list[str]
    directory: str
    umask: int
    environment: dict[str, str]


class PathInZip(list[str]):
    """Where a package that is kept has its other modules: in the zip of the program that runs."""

    def __init__(self, package: str) -> None:
        super().__init__()
        self.inside = package.replace(".", "/")

    def __iter__(self) -> Iterator[str]:
        return iter([f"{entry}/{self.inside}" for entry in sys.path if entry.endswith(".zip")])


def sent_with(program: bytes) -> bytes | None:
    """Return the zip that a module of Ansible brings along; None for any other program."""
    found = _SENT.search(program)
    return base64.b64decode(found[1]) if found else None


def files_of(archive: bytes) -> Files:
    """Return the checksum and the size of each file in a zip."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {one.filename: (one.CRC, one.file_size) for one in opened.infolist()}


def of_ansible() -> dict[str, types.ModuleType]:
    """Return what is imported of Ansible."""
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "ansible"}


def keep(file: Path) -> Files:
    """Import what each module of Ansible imports, out of a kept zip; return the files that this took."""
    if not file.exists():
        return {}
    there, inside = files_of(file.read_bytes()), f"{file}/"
    sys.path.insert(0, str(file))
    try:
        importlib.import_module("ansible.module_utils.basic")
    finally:
        sys.path.remove(str(file))
    found = {}
    for name, module in of_ansible().items():
        origin = (module.__spec__ and module.__spec__.origin) or ""
        if origin.startswith(inside):
            entry = origin.removeprefix(inside)
            found[entry] = there[entry]
        if hasattr(module, "__path__"):
            module.__path__ = PathInZip(name)
    return found


def forget() -> None:
    """Let a program import its own Ansible."""
    for name in of_ansible():
        del sys.modules[name]


def write(file: Path, archive: bytes) -> None:
    """Keep a zip, whole or not at all."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.write_bytes(archive)
    draft.replace(file)


def run(words: list[str], kept: Files, file: Path) -> int:
    """Run a program as ``python3 WORDS`` would; return its status."""
    name = words[0] if words else "<stdin>"
    program = Path(name).read_bytes() if words else sys.stdin.buffer.read()
    sys.argv = words or [""]
    sys.path.insert(0, str(Path(name).parent) if words else "")
    archive = sent_with(program)
    there = files_of(archive) if archive else {}
    if not archive or not kept or any(there.get(entry) != one for entry, one in kept.items()):
        forget()
        if archive:
            write(file, archive)
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    try:
        exec(compile(program, name, "exec"), vars(main))  # noqa: S102 - this is what it is for.
    except SystemExit as left:
        if left.code is None or isinstance(left.code, int):
            return (left.code or 0) & 0xFF
        print(left.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def child(message: bytes, streams: list[int], kept: Files, file: Path) -> typing.NoReturn:
    """Be the process of a program, until its end."""
    status = 1
    try:
        request = Request(*marshal.loads(message))  # noqa: S302 - nobody but root may connect.
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.closerange(3, max(streams) + 64)
        os.setsid()
        os.umask(request.umask)
        os.environ.clear()
        os.environ.update(request.environment)
        time.tzset()
        os.chdir(request.directory)
        status = run(request.words, kept, file)
        # As at the end of every Python. The server's own end is not this one's.
        vars(threading)["_shutdown"]()
        vars(atexit)["_run_exitfuncs"]()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def version(file: Path) -> int:
    """Return which one of the kept zips a file is."""
    return file.stat().st_ino if file.exists() else 0


def serve(listener: socket.socket, file: Path) -> None:
    """Fork for each program. With another Ansible to keep, begin anew as soon as no program runs."""
    begun, kept = version(file), keep(file)
    with selectors.DefaultSelector() as waiting:
        waiting.register(listener, selectors.EVENT_READ)
        running: dict[int, tuple[int, socket.socket]] = {}
        while running or version(file) == begun:
            for key, _ in waiting.select():
                if key.fileobj is listener:
                    caller, _ = listener.accept()
                    message, streams, _, _ = socket.recv_fds(caller, _REQUEST, 3)
                    if len(streams) == 3:
                        pid = os.fork()
                        if pid == 0:
                            child(message, streams, kept, file)
                        handle = os.pidfd_open(pid)
                        running[handle] = (pid, caller)
                        waiting.register(handle, selectors.EVENT_READ)
                    else:
                        caller.close()
                    for stream in streams:
                        os.close(stream)
                    continue
                waiting.unregister(key.fileobj)
                pid, caller = running.pop(key.fd)
                os.close(key.fd)
                _, ended = os.waitpid(pid, 0)
                with caller:
                    try:
                        caller.send(bytes(divmod(ended & 0xFF7F, 1 << 8)))
                    except OSError:
                        # Whoever asked is gone; the program went on without, as it does after a lost connection.
                        continue
    listener.set_inheritable(True)
    os.execv(sys.executable, [sys.executable, __file__, f"fd:{listener.fileno()}", str(file)])  # noqa: S606 - there is no shell.


def main(address: str, file: str) -> None:
    """Listen, anew or still."""
    if address.startswith("fd:"):
        listener = socket.socket(fileno=int(address.removeprefix("fd:")))
    else:
        Path(address).unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        os.umask(0o077)
        listener.bind(address)
        listener.listen(64)
    serve(listener, Path(file))


if __name__ == "__main__":
    main(*sys.argv[1:])
