# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a program whose output is a file: as bytes, to its end, and with its digest."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .commands import search_path

PIECE = 1 << 20


@dataclass(frozen=True)
class Stream:
    """What came out; ``rc`` is None if the program could not be started or did not end in time."""

    rc: int | None
    size: int
    sha256: str
    stderr: str


def save(argv: Sequence[str], timeout: float, env: Mapping[str, str], path: Path | None) -> Stream:
    """Run a program and keep what it writes at ``path``, private to its owner; without a path only count and digest it."""
    program = shutil.which(argv[0], path=search_path())
    if program is None:
        return Stream(None, 0, "", f"there is no program {argv[0]}")
    surroundings = {**os.environ, "PATH": search_path(), "LC_ALL": "C.UTF-8", **env}
    process = subprocess.Popen(
        [program, *argv[1:]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=surroundings,
        cwd="/",
    )
    complaints: list[bytes] = []
    reader = threading.Thread(target=lambda: complaints.append(process.stderr.read() if process.stderr else b""))
    reader.start()
    alarm = threading.Timer(timeout, process.kill)
    alarm.start()
    size, digest = _drain(process, path)
    rc = process.wait()
    late = not alarm.is_alive()
    alarm.cancel()
    reader.join()
    said = b"".join(complaints).decode(errors="replace")
    return Stream(None if late else rc, size, digest, f"no answer within {timeout:g} s" if late else said)


def _drain(process: subprocess.Popen[bytes], path: Path | None) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    target = Path(os.devnull) if path is None else path
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        while process.stdout and (piece := process.stdout.read(PIECE)):
            digest.update(piece)
            file.write(piece)
            size += len(piece)
    return size, digest.hexdigest()


def tell(argv: Sequence[str], text: str, timeout: float) -> tuple[int | None, str]:
    """Run a program that asks, answer it, and return what it said."""
    surroundings = {**os.environ, "PATH": search_path(), "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            argv, input=text, capture_output=True, text=True, timeout=timeout, env=surroundings, cwd="/", check=False
        )
    except (subprocess.TimeoutExpired, OSError) as error:
        return None, str(error)
    return done.returncode, "\n".join(part.strip() for part in (done.stdout, done.stderr) if part.strip())
