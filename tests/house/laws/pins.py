# SPDX-License-Identifier: GPL-3.0-or-later
"""Pins: what was tested is what is installed."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

from tests.house.tree import Tree

EXACT = re.compile(r"^[A-Za-z0-9._-]+(\[[a-z0-9,_-]+\])?==[0-9][A-Za-z0-9.!+-]*(\s*;.*)?$")


def _shipped(name: str) -> str | None:
    """Return the version of a collection in the `ansible` package that is installed."""
    spec = importlib.util.find_spec("ansible_collections")
    for place in (spec.submodule_search_locations or []) if spec else []:
        manifest = Path(place).joinpath(*name.split("."), "MANIFEST.json")
        if manifest.is_file():
            return str(json.loads(manifest.read_text())["collection_info"]["version"])
    return None


def python_packages_are_pinned(tree: Tree) -> list[str]:
    """Every Python package has one exact version, the same everywhere."""
    faults, seen = [], dict[str, str]()
    for file in [name for name in tree.files if re.fullmatch(r"(requirements|constraints)[\w-]*\.txt", name)]:
        for number, line in enumerate(tree.lines(file), start=1):
            wanted = line.split("#")[0].strip()
            if not wanted or wanted.startswith("-"):
                continue
            if not EXACT.match(wanted):
                faults.append(f"{file}:{number}: {wanted} is not pinned: write name==version")
                continue
            name, _, version = wanted.partition("==")
            if seen.setdefault(name.lower().replace("_", "-"), version) != version:
                faults.append(f"{file}:{number}: {name} is pinned twice, to different versions: run `make pins`")
    return faults


def collections_are_what_ansible_ships(tree: Tree) -> list[str]:
    """requirements.yml names the versions that the `ansible` package holds."""
    faults = []
    for collection in tree.mapping("requirements.yml").get("collections") or []:
        name, pin = collection["name"], str(collection.get("version", ""))
        shipped = _shipped(name)
        if shipped is None:
            faults.append(
                f"requirements.yml: {name} is not in the `ansible` package: take one that is, or install it in bin/setup"
            )
        elif pin != shipped:
            faults.append(
                f"requirements.yml: {name} is pinned to {pin or 'nothing'}, the `ansible` package ships {shipped}"
            )
    return faults


def collections_that_are_used_are_pinned(tree: Tree) -> list[str]:
    """Whoever installs ansible-core alone gets every collection that is used."""
    pinned = {collection["name"] for collection in tree.mapping("requirements.yml").get("collections") or []}
    used: dict[str, str] = {}
    for file in tree.under("roles/", "playbooks/", "molecule/", "inventories/", ends=(".yml",)):
        for name in re.findall(
            r"^\s*(?:- )?(?:plugin: )?([a-z0-9_]+\.[a-z0-9_]+)\.[a-z0-9_]+:?\s*$", tree.text(file), re.MULTILINE
        ):
            used.setdefault(name, file)
    return [
        f"{file}: uses {name}, which requirements.yml does not name: add it with its version"
        for name, file in sorted(used.items())
        if name != "ansible.builtin" and name not in pinned
    ]


LAWS = (python_packages_are_pinned, collections_are_what_ansible_ships, collections_that_are_used_are_pinned)
