# SPDX-License-Identifier: GPL-3.0-or-later
"""What monitoring hears of a kernel is true for as long as nobody knows better."""

from __future__ import annotations

import pytest

from plugins.module_utils.fleet.kernel_metrics import AT_REST, RESULT, RUN, SINCE, SUCCESS, WAITING, metrics
from plugins.module_utils.fleet.textfile import before

PENDING = "upstairs_kernel_pending"


@pytest.mark.parametrize("state", WAITING)
def test_a_kernel_waits_since_it_was_first_seen_to(state: str) -> None:
    first = metrics(state, "", "", 100.0)
    later = metrics("pending", "", first, 200.0)
    assert before(first, PENDING) == before(later, PENDING) == 1
    assert before(first, SINCE) == before(later, SINCE) == 100
    assert f'upstairs_kernel_state{{state="{state}"}} 1\n' in first


@pytest.mark.parametrize("state", AT_REST)
def test_one_that_waits_no_longer_waits_anew_the_next_time(state: str) -> None:
    rested = metrics(state, "", metrics("pending", "", "", 100.0), 200.0)
    assert before(rested, PENDING) == 0
    assert before(rested, SINCE) is None
    assert before(metrics("pending", "", rested, 300.0), SINCE) == 300


def test_what_nobody_knows_is_neither_and_does_not_begin_it_anew() -> None:
    unknown = metrics("unknown", "", metrics("pending", "", "", 100.0), 200.0)
    assert before(unknown, PENDING) is None
    assert before(metrics("pending", "", unknown, 300.0), SINCE) == 100
    assert before(metrics("unknown", "", "", 1.0), SINCE) is None


def test_how_the_last_roll_ended_is_kept_until_the_next_one_ends() -> None:
    done = metrics("current", "done", "", 100.0)
    assert (before(done, RESULT), before(done, RUN), before(done, SUCCESS)) == (1, 100, 100)
    failed = metrics("pending", "failed", done, 200.0)
    assert (before(failed, RESULT), before(failed, RUN), before(failed, SUCCESS)) == (0, 200, 100)
    later = metrics("pending", "", failed, 300.0)
    assert (before(later, RESULT), before(later, RUN), before(later, SUCCESS)) == (0, 200, 100)
    assert before(metrics("current", "", "", 1.0), RESULT) is None
