# SPDX-License-Identifier: GPL-3.0-or-later
"""What monitoring hears of a host's kernel: whether another one waits, since when, and how the last roll ended. Pure: no I/O."""

from __future__ import annotations

from .textfile import Family, Sample, before, one, render

PREFIX = "upstairs_kernel_"
SINCE = PREFIX + "pending_since_timestamp_seconds"
RESULT = PREFIX + "roll_last_result"
RUN = PREFIX + "roll_last_run_timestamp_seconds"
SUCCESS = PREFIX + "roll_last_success_timestamp_seconds"
# Somebody has to do something, be it a roll or a look.
WAITING = ("pending", "held", "blocked", "patched_live_pending", "downgrade", "denied")
AT_REST = ("current", "container")
# Nothing was measured: neither a one nor a zero would be true.
UNKNOWN = "unknown"


def waiting(state: str) -> bool | None:
    """Return whether another kernel waits; None if nobody knows."""
    return None if state == UNKNOWN else state in WAITING


def since(state: str, text: str, now: float) -> float | None:
    """Return since when one waits. A moment in which nobody knew does not begin it anew."""
    known = before(text, SINCE)
    if waiting(state):
        return now if known is None else known
    return known if waiting(state) is None else None


def metrics(state: str, result: str, text: str, now: float) -> str:
    """Return the file. ``result``: done or failed, or "" if no roll ended; ``text``: the file as it was."""
    is_waiting = waiting(state)
    ended = None if not result else now
    good = before(text, RESULT) if not result else float(result == "done")
    return render(
        [
            Family(PREFIX + "state", "What the kernel of this host is in.", (Sample(1, {"state": state}),)),
            Family(
                PREFIX + "pending",
                "Whether this host should run another kernel.",
                one(None if is_waiting is None else float(is_waiting)),
            ),
            Family(SINCE, "Since when it should.", one(since(state, text, now))),
            Family(RESULT, "Whether the last roll brought this host back.", one(good)),
            Family(RUN, "When the last roll ended at this host.", one(ended or before(text, RUN))),
            Family(
                SUCCESS,
                "When a roll last brought this host back.",
                one(now if result == "done" else before(text, SUCCESS)),
            ),
        ]
    )
