# SPDX-License-Identifier: GPL-3.0-or-later
"""The suite ends when it is told to."""

from __future__ import annotations

import threading

import pytest

from bin.suite import LANES, lanes


def test_what_has_not_begun_never_begins_when_the_run_is_stopped() -> None:
    go_on, begun = threading.Event(), list[int]()

    def step(number: int) -> None:
        begun.append(number)
        go_on.wait(60)

    def submit_and_stop() -> None:
        with lanes() as pool:
            for number in range(LANES + 3):
                pool.submit(step, number)
            while len(begun) < LANES:
                pass
            # Those that have begun end with the programs that they run.
            threading.Timer(0.2, go_on.set).start()
            raise SystemExit

    with pytest.raises(SystemExit):
        submit_and_stop()
    assert begun == list(range(LANES))
