# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask systemd, and tell it."""

from __future__ import annotations

from collections.abc import Sequence

from ..units import PROPERTIES, Step, Unit, parse_show
from .commands import Answer, run

LOG_LINES = 20


class SystemdError(Exception):
    """Systemd gave no usable answer."""


def observe(names: Sequence[str], timeout: float = 30.0) -> dict[str, Unit]:
    """Return how the units are, with one question."""
    if not names:
        return {}
    answer = run(["systemctl", "show", f"--property={PROPERTIES}", "--", *names], timeout)
    if answer.rc != 0:
        raise SystemdError(f"systemctl show {' '.join(names)} said: {answer.output}")
    try:
        return parse_show(answer.stdout, names)
    except ValueError as error:
        raise SystemdError(str(error)) from error


def perform(step: Step, timeout: float) -> Answer:
    """Carry out one step and wait until its job has ended."""
    if step.verb in ("start", "restart"):
        # Whoever asks for a start gets one, also after so many failures that systemd has given up.
        run(["systemctl", "reset-failed", "--", step.unit], timeout)
    return run(["systemctl", step.verb, *(["--", step.unit] if step.unit else [])], timeout)


def journal(unit: str) -> str:
    """Return the last lines that a unit logged."""
    argv = [
        "journalctl",
        "--no-pager",
        "--quiet",
        "--output=short-iso",
        "--no-hostname",
        f"--lines={LOG_LINES}",
        f"--unit={unit}",
    ]
    return run(argv, 10.0).output or "(its journal is empty)"
