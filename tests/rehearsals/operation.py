# SPDX-License-Identifier: GPL-3.0-or-later
"""A playbook that runs while the story goes on, and that can be killed as its operator or a loss of power would."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from bin.programs import LOGS, ROOT, Outcome
from tests.visitors import Site


@dataclass
class Operation:
    """One run of ansible-playbook; use as a context manager."""

    site: Site
    playbook: str
    arguments: tuple[str, ...]
    # Tells it from others of the same story.
    name: str = "one"
    # What is not as for other runs, such as that what is well is shown.
    environment: Mapping[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def __enter__(self) -> Self:
        LOGS.mkdir(parents=True, exist_ok=True)
        self._log = LOGS / f"{self.site.name}-{self.playbook.removesuffix('.yml')}-{self.name}.log"
        self.began = time.monotonic()
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                self.site.command(f"playbooks/{self.playbook}", *self.arguments),
                cwd=ROOT,
                env={**os.environ, **self.site.settings, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.lose_power()

    @property
    def output(self) -> str:
        """Return what it has printed so far."""
        return self._log.read_text(errors="replace")

    @property
    def over(self) -> bool:
        """Tell whether it has ended."""
        assert self._process
        return self._process.poll() is not None

    def kill(self) -> None:
        """Kill ansible-playbook alone, as somebody does who types its number; what it has started is not told."""
        assert self._process
        self._process.kill()
        self._process.wait(timeout=10)

    def lose_power(self) -> None:
        """Take the power from it: all of its processes are gone at once, and nothing is cleaned up."""
        assert self._process
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=10)

    def wait(self, seconds: float = 400) -> Outcome:
        """Let it come to its end, and return how it went."""
        assert self._process
        status = self._process.wait(timeout=seconds)
        return Outcome(status, time.monotonic() - self.began, self.output)
