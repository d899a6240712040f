# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventories: hosts in groups, variables in files that say whose they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from tests.house.tree import Tree

# Files of group_vars that are not named after a role, and what they hold.
OTHERS = {
    "connection": "how the controller reaches a host, and what all hosts know of each other",
    "firewall": "what the group opens (base_firewall_rules_<group>)",
    "lab": "what only the lab has",
    "network": "addresses and networks",
    "site": "names that several roles need",
    "vault": "secrets, encrypted",
    "vault.example": "the names of the secrets",
}
README = "inventories/README.md"


def _hosts_files(tree: Tree) -> list[str]:
    files = tree.under("inventories/", "molecule/", ends=("hosts.yml",))
    return [file for file in files if file.startswith("inventories/") or "/inventory/" in file]


def _groups(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for name, body in (node or {}).items():
        yield name, body
        yield from _groups((body or {}).get("children"), name)


def keep_variables_out_of_hosts_files(tree: Tree) -> list[str]:
    """hosts.yml says which host is in which group and nothing else."""
    faults = []
    for file in _hosts_files(tree):
        for group, body in _groups(tree.mapping(file)):
            if "vars" in (body or {}):
                faults.append(f"{file}: group {group} has vars: move them to group_vars/{group}/")
            hosts = ((body or {}).get("hosts") or {}).items()
            faults += [
                f"{file}: host {host} has variables: move them to host_vars/{host}.yml" for host, own in hosts if own
            ]
    return faults


def name_variable_files_after_roles(tree: Tree) -> list[str]:
    """A file of group_vars says whose variables it holds, and holds no others."""
    faults = []
    for file in tree.under("inventories/", ends=(".yml",)):
        parts = PurePosixPath(file).parts
        if "group_vars" not in parts:
            continue
        stem = PurePosixPath(file).stem
        if stem in tree.roles:
            strays = [name for name in tree.mapping(file) if not name.startswith(f"{stem}_")]
            faults += [f"{file}: {name} is no variable of {stem}: it belongs to another file" for name in strays]
        elif stem not in OTHERS or len(parts) - parts.index("group_vars") != 3:
            faults.append(f"{file}: is not group_vars/<group>/<role>.yml (or {', '.join(sorted(OTHERS))})")
    return faults


def set_only_variables_that_exist(tree: Tree) -> list[str]:
    """A variable of a role that the role does not declare is a typing error."""
    faults = []
    declared = {
        role: tree.mapping(f"roles/{role}/meta/argument_specs.yml").get("argument_specs") or {} for role in tree.roles
    }
    for file in tree.under("inventories/", ends=(".yml",)):
        role = PurePosixPath(file).stem
        if "group_vars" not in PurePosixPath(file).parts or role not in declared:
            continue
        options = (declared[role].get("main") or {}).get("options") or {}
        unknown = [
            name for name in tree.mapping(file) if name not in options and not name.startswith("base_firewall_rules_")
        ]
        faults += [
            f"{file}: {name} is not a variable of the role {role}: see roles/{role}/README.md" for name in unknown
        ]
    return faults


def explain_every_group(tree: Tree) -> list[str]:
    """Every group is explained in the README of the inventories."""
    explained = set(re.findall(r"^\| `([a-z_]+)` \|", tree.text(README), re.MULTILINE))
    hosts = [file for file in _hosts_files(tree) if file.startswith("inventories/")]
    found = {
        (group, file) for file in hosts for group, _ in _groups(tree.mapping(file)) if group not in ("all", "ungrouped")
    }
    return [
        f"{file}: group {group} is not in the table of {README}"
        for group, file in sorted(found)
        if group not in explained
    ]


LAWS = (
    keep_variables_out_of_hosts_files,
    name_variable_files_after_roles,
    set_only_variables_that_exist,
    explain_every_group,
)
