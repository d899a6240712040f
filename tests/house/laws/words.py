# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of every kind: what they begin with, what they must not hold, and where they point."""

from __future__ import annotations

import ast
import re
from pathlib import PurePosixPath
from typing import Any

from tests.house.tree import Tree

LONGEST_FUNCTION = 40
SPDX = "SPDX-License-Identifier: GPL-3.0-or-later"
SECRET_NAME = re.compile(r"(^|_)(password|passwd|secret|secret_key|private_key|access_key|token|tsig|psk)$")
# In pieces, so that this file does not break its own law.
PRIVATE_KEY = re.compile("-----BEGIN [A-Z ]*PRIVATE " + "KEY-----\n")
CLOUD_KEY = re.compile(r"\bAKIA[0-9A-Z]{16}\b")
# A file of tests, and what is in the brackets behind it.
NAMED_TEST = re.compile(r"\b(test_\w+)(?: \(([^)]*)\))?")
# The tiny app is Rails: it follows Rails' customs.
RAILS = "molecule/shared/tiny-mastodon/"


def _functions_too_long(source: str) -> list[tuple[int, str, int]]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > LONGEST_FUNCTION:
                found.append((node.lineno, node.name, length))
    return found


def python_functions_are_short(tree: Tree) -> list[str]:
    """A function fits on one screen. A test may tell a longer story."""
    return [
        f"{file}:{line}: {name} has {length} lines, {LONGEST_FUNCTION} are allowed: take a part out and give it a name"
        for file in tree.under("", ends=(".py",))
        if not file.startswith("tests/")
        for line, name, length in _functions_too_long(tree.text(file))
    ]


def programs_say_their_licence(tree: Tree) -> list[str]:
    """Every Python file names its licence in its first lines."""
    return [
        f"{file}: has no `# {SPDX}` in its first two lines"
        for file in tree.under("", ends=(".py",))
        if SPDX not in "\n".join(tree.lines(file)[:2])
    ]


def yaml_begins_with_three_dashes(tree: Tree) -> list[str]:
    """YAML begins with its document marker."""
    return [
        f"{file}: does not begin with `---`"
        for file in tree.under("", ends=(".yml", ".yaml"))
        if not file.startswith(RAILS) and not tree.text(file).startswith(("---\n", "$ANSIBLE_VAULT"))
    ]


def yaml_can_be_read(tree: Tree) -> list[str]:
    """YAML is YAML."""
    for file in tree.under("", ends=(".yml", ".yaml")):
        if not file.startswith(RAILS):
            tree.yaml(file)
    return [f"{file}: cannot be read: {error}" for file, error in tree.broken.items()]


def no_private_keys_lie_about(tree: Tree) -> list[str]:
    """Keys are made at run time. A key in git is a stolen key."""
    faults = []
    for file in tree.files:
        text = tree.text(file)
        if PRIVATE_KEY.search(text):
            faults.append(f"{file}: holds a private key: make it at run time, and consider this one stolen")
        if CLOUD_KEY.search(text):
            faults.append(f"{file}: holds a cloud's access key: revoke it, and put the next one into Ansible Vault")
    return faults


def _literals(value: Any, name: str = "") -> list[str]:
    if isinstance(value, dict):
        return [found for key, inner in value.items() for found in _literals(inner, str(key))]
    if isinstance(value, list):
        return [found for inner in value for found in _literals(inner, name)]
    literal = isinstance(value, str) and value and "{{" not in value and not value.startswith("$ANSIBLE_VAULT")
    return [name] if literal and SECRET_NAME.search(name) else []


def no_secrets_are_written_down(tree: Tree) -> list[str]:
    """A password in git is everybody's."""
    folders = ("roles/", "inventories/", "playbooks/")
    files = [
        file
        for file in tree.under(*folders, ends=(".yml",))
        if "/meta/" not in file and not file.endswith("vault.example.yml")
    ]
    return [
        f"{file}: {name} is written down: take it from the vault or from the lab's generated secrets"
        for file in files
        for name in _literals(tree.yaml(file))
    ]


def no_linter_is_told_to_look_away(tree: Tree) -> list[str]:
    """Skip lists are empty; an exception stands at its line, with its reason."""
    faults = []
    for file in tree.under(".ansible-lint", ".config/ansible-lint"):
        told = [key for key in ("skip_list", "warn_list") if tree.mapping(file).get(key)]
        faults += [f"{file}: {key} is not empty: put `# noqa: rule - reason` at the line" for key in told]
    bare = re.compile(r"#\s*noqa(?!:\s*\S+(?:[ ,]+[A-Za-z0-9\[\]-]+)*\s+-\s+\w)")
    for file in tree.under("", ends=(".py", ".yml", ".yaml")):
        for number, line in enumerate(tree.lines(file), start=1):
            if bare.search(line) and "`# noqa" not in line and "re.compile(" not in line:
                faults.append(f"{file}:{number}: an exception without a reason: write `# noqa: rule - reason`")
    return faults


def _anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links_lead_somewhere(tree: Tree) -> list[str]:
    """A link inside the repository leads to a file and to a heading that exist."""
    faults = []
    folders = {str(parent) for file in tree.files for parent in PurePosixPath(file).parents}
    for file in tree.under("", ends=(".md",)):
        text = re.sub(r"```.*?```", "", tree.text(file), flags=re.DOTALL)
        for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            parts: list[str] = []
            for part in (PurePosixPath(file).parent / path).parts if path else PurePosixPath(file).parts:
                parts = parts[:-1] if part == ".." else [*parts, part]
            goal = "/".join(parts) or "."
            if goal not in tree.files and goal not in folders:
                faults.append(f"{file}: the link {target} leads nowhere")
            elif anchor and goal.endswith(".md") and anchor not in _anchors(tree.text(goal)):
                faults.append(f"{file}: the link {target} leads to a heading that is not there")
    return faults


def named_tests_exist(tree: Tree) -> list[str]:
    """A page that says where something is tried names tests that there are: test_module (`words of their names`)."""
    files = [file for file in tree.under("tests", ends=(".py",)) if PurePosixPath(file).name.startswith("test_")]
    said = {
        name: "\n".join(tree.text(file) for file in files if PurePosixPath(file).stem == name)
        for name in {PurePosixPath(file).stem for file in files}
    }
    return [
        f"{page}:{number}: there is no {name}{f' ({words})' if words else ''}: name the test that there is"
        for page in tree.under("docs", ends=(".md",))
        for number, line in enumerate(tree.lines(page), start=1)
        for name, listed in NAMED_TEST.findall(line)
        for words in re.findall(r"`(\w+)`", listed) or [""]
        if name not in said or (words and not re.search(rf"def test_\w*{words}", said[name]))
    ]


LAWS = (
    python_functions_are_short,
    programs_say_their_licence,
    yaml_begins_with_three_dashes,
    yaml_can_be_read,
    no_private_keys_lie_about,
    no_secrets_are_written_down,
    no_linter_is_told_to_look_away,
    links_lead_somewhere,
    named_tests_exist,
)
