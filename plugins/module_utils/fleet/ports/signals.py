# SPDX-License-Identifier: GPL-3.0-or-later
"""Go on to the end: what was begun and is cut off half way is worse than what takes a minute longer."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

# What a closed terminal, a stopped run and a person send. Only a SIGKILL still ends it.
POLITE = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)


@contextmanager
def unstoppable() -> Iterator[None]:
    """Ignore polite requests to end while the block runs."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in POLITE}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
