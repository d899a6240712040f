# SPDX-License-Identifier: GPL-3.0-or-later
"""The law of the house: each a function from a tree to the sentences that say where it is broken and what to do."""

from __future__ import annotations

from collections.abc import Callable

from tests.house.laws import inventories, modules, pins, playbooks, roles, tasks, variables, words
from tests.house.tree import Tree

Law = Callable[[Tree], list[str]]
CHAPTERS = (roles, variables, tasks, playbooks, modules, inventories, words, pins)
LAWS: dict[str, Law] = {
    f"{chapter.__name__.rsplit('.', 1)[-1]} {law.__name__}".replace("_", " "): law
    for chapter in CHAPTERS
    for law in chapter.LAWS
}
