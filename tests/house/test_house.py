# SPDX-License-Identifier: GPL-3.0-or-later
"""This repository keeps its own law."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house.laws import LAWS
from tests.house.tree import Tree

HOUSE = Tree(Path(__file__).resolve().parents[2])


@pytest.mark.parametrize("law", LAWS)
def test_law(law: str) -> None:
    faults = LAWS[law](HOUSE)
    assert not faults, f"{LAWS[law].__doc__}\n" + "\n".join(f"  - {fault}" for fault in faults)
