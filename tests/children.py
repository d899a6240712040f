# SPDX-License-Identifier: GPL-3.0-or-later
"""Other Python processes of a test: what threads cannot show, such as who gets a lock, or what is left of one that is killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from bin.programs import ROOT


def start(program: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a program, given as text."""
    argv = [sys.executable, "-c", program, *arguments]
    return subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def let_go(children: Sequence[subprocess.Popen[str]]) -> None:
    """Wait until each says that it is ready, then let all go at once."""
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
