# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables: each is declared once, typed, explained, and carries its role's name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.house.tree import Tree

MISSING = object()


def _entry(tree: Tree, role: str, name: str) -> dict[str, Any]:
    specs = tree.mapping(f"roles/{role}/meta/argument_specs.yml").get("argument_specs") or {}
    entry = specs.get(name)
    return entry if isinstance(entry, dict) else {}


def _options(tree: Tree, role: str) -> dict[str, Any]:
    return _entry(tree, role, "main").get("options") or {}


def are_declared_where_they_are_set(tree: Tree) -> list[str]:
    """The specification and the defaults name the same variables with the same values."""
    faults = []
    for role in tree.roles:
        options, defaults = _options(tree, role), tree.mapping(f"roles/{role}/defaults/main.yml")
        spec, file = f"roles/{role}/meta/argument_specs.yml", f"roles/{role}/defaults/main.yml"
        faults += [f"{file}: {name} is not declared: add it to {spec}" for name in defaults if name not in options]
        for name, option in options.items():
            if option.get("required"):
                if name in defaults:
                    faults.append(f"{file}: {name} is required and has a default: drop one of both")
            elif name not in defaults:
                faults.append(f"{spec}: {name} is neither required nor in {file}: add the default there")
            elif option.get("default", MISSING) != defaults[name]:
                faults.append(f"{spec}: the default of {name} is not the one of {file}: write the same value in both")
    return faults


def _described(path: str, options: Mapping[str, Any]) -> Iterator[str]:
    for name, option in options.items():
        lacks = [key for key in ("type", "description") if not (option or {}).get(key)]
        if lacks:
            yield f"{path}{name} has no {' and no '.join(lacks)}: say what it is and what breaks"
        if (option or {}).get("type") == "list" and "elements" not in option:
            yield f"{path}{name} is a list without `elements`: say of what"
        yield from _described(f"{path}{name}.", (option or {}).get("options") or {})


def are_typed_and_described(tree: Tree) -> list[str]:
    """Every option has a type and a description, those inside others too."""
    return [
        f"roles/{role}/meta/argument_specs.yml: {fault}"
        for role in tree.roles
        for fault in _described("", _options(tree, role))
    ]


def are_judged_before_the_first_change(tree: Tree) -> list[str]:
    """`preflight` judges the same input as `main`."""
    return [
        f"roles/{role}/meta/argument_specs.yml: `preflight` is not `main`: write `main: &main` and `preflight: *main`"
        for role in tree.roles
        if _entry(tree, role, "main") != _entry(tree, role, "preflight") or not _entry(tree, role, "main")
    ]


def carry_their_roles_name(tree: Tree) -> list[str]:
    """Public variables begin with the role's name, all others with two underscores and the role's name."""
    faults = []
    for role in tree.roles:
        for room, prefix in (("defaults", f"{role}_"), ("vars", f"__{role}_")):
            file = f"roles/{role}/{room}/main.yml"
            faults += [
                f"{file}: {name} does not begin with {prefix}"
                for name in tree.mapping(file)
                if not name.startswith(prefix)
            ]
        for task in (task for task in tree.role_tasks if task.file.startswith(f"roles/{role}/")):
            made = [task.body.get("register"), (task.body.get("loop_control") or {}).get("loop_var")]
            made += list(task.argument) if task.module == "set_fact" and isinstance(task.argument, dict) else []
            bad = [name for name in made if name and name != "cacheable" and not str(name).startswith(f"__{role}_")]
            faults += [f"{task.where}: {name} does not begin with __{role}_" for name in bad]
    return faults


def are_explained_where_they_are_set(tree: Tree) -> list[str]:
    """Each default has a comment above it."""
    faults = []
    for role in tree.roles:
        file = f"roles/{role}/defaults/main.yml"
        lines = tree.lines(file)
        for number, line in enumerate(lines):
            # Neighbours without a blank line between them share the comment above the first.
            above = number - 1
            while above >= 0 and lines[above].strip() and not lines[above].lstrip().startswith("#"):
                above -= 1
            if re.match(r"[a-z]\w*:", line) and (above < 0 or not lines[above].lstrip().startswith("#")):
                faults.append(
                    f"{file}:{number + 1}: {line.split(':')[0]} has no comment above it: what it means, what breaks"
                )
    return faults


LAWS = (
    are_declared_where_they_are_set,
    are_typed_and_described,
    are_judged_before_the_first_change,
    carry_their_roles_name,
    are_explained_where_they_are_set,
)
