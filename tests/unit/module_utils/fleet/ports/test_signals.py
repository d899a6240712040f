# SPDX-License-Identifier: GPL-3.0-or-later
"""What was begun goes on to its end."""

from __future__ import annotations

import os
import signal

import pytest

from plugins.module_utils.fleet.ports.signals import POLITE, unstoppable


@pytest.mark.parametrize("number", POLITE)
def test_a_polite_request_to_end_is_ignored_meanwhile_and_only_meanwhile(number: signal.Signals) -> None:
    heard: list[int] = []
    before = signal.signal(number, lambda got, _: heard.append(got))
    try:
        with unstoppable():
            os.kill(os.getpid(), number)
        assert heard == []
        os.kill(os.getpid(), number)
        assert heard == [number]
    finally:
        signal.signal(number, before)
