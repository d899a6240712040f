# SPDX-License-Identifier: GPL-3.0-or-later
"""Two Alertmanagers that are played, for whoever has to ask or to tell all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.module_utils.fleet.ports.played_alertmanager import Played, alertmanager


@pytest.fixture
def both() -> Iterator[tuple[Played, Played]]:
    with alertmanager() as one, alertmanager() as other:
        yield one, other
