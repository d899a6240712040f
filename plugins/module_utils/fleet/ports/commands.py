# SPDX-License-Identifier: GPL-3.0-or-later
"""Run programs: without a shell, in plain English, with a time limit."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Answer:
    """What a program said; ``rc`` is None if it could not be started or did not end in time."""

    rc: int | None
    stdout: str = ""
    stderr: str = ""

    @property
    def output(self) -> str:
        """All that it said."""
        return "\n".join(text.strip() for text in (self.stdout, self.stderr) if text.strip())


def found(program: str) -> bool:
    """Return whether a program is installed."""
    return shutil.which(program, path=search_path()) is not None


def search_path() -> str:
    """Return where to look for programs; readers live in sbin, which the path of a login may lack."""
    return ":".join(filter(None, (os.environ.get("PATH", ""), SYSTEM_PATH)))


def run(argv: Sequence[str], timeout: float, env: Mapping[str, str] | None = None) -> Answer:
    """Run a program to its end and return what it said; never raise for what it does."""
    surroundings = {
        **os.environ,
        "PATH": search_path(),
        "LC_ALL": "C.UTF-8",
        "SYSTEMD_COLORS": "0",
        "SYSTEMD_PAGER": "",
        **(env or {}),
    }
    program = shutil.which(argv[0], path=surroundings["PATH"])
    if program is None:
        return Answer(None, stderr=f"there is no program {argv[0]}")
    try:
        done = subprocess.run(
            [program, *argv[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            env=surroundings,
            cwd="/",
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        said = ((error.stdout or b"") + (error.stderr or b"")).decode(errors="replace")
        return Answer(None, said, f"no answer within {timeout:g} s")
    except OSError as error:
        return Answer(None, stderr=f"{argv[0]} could not be started: {error.strerror}")
    return Answer(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
