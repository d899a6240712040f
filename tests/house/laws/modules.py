# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules: whoever asks ansible-doc for one gets a page."""

from __future__ import annotations

import re

import yaml

from tests.house.tree import Tree

PARTS = ("DOCUMENTATION", "EXAMPLES", "RETURN")


def have_a_page(tree: Tree) -> list[str]:
    """A module says what it takes, how it is used and what it returns, in YAML that can be read: ansible-doc is silent otherwise."""
    faults = []
    for file in (name for name in tree.files if re.fullmatch(r"plugins/modules/\w+\.py", name)):
        text = "\n".join(tree.lines(file))
        for part in PARTS:
            found = re.search(rf'^{part} = r?"""(.*?)"""', text, re.DOTALL | re.MULTILINE)
            if not found:
                faults.append(f"{file}: has no {part}: write it")
                continue
            try:
                yaml.safe_load(found[1])
            except yaml.YAMLError as error:
                faults.append(f"{file}: its {part} is no YAML: {' '.join(str(error).split())}")
    return faults


LAWS = (have_a_page,)
