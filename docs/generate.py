# SPDX-License-Identifier: GPL-3.0-or-later
"""Fill the table of variables in each role's README from its argument_specs and defaults.

usage: python docs/generate.py [--check]

The table stands between two markers, and nothing else of a README is touched. --check writes nothing and fails
where a table is out of date.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

BEGIN = "<!-- variables:begin -->"
END = "<!-- variables:end -->"
ROOT = Path(__file__).resolve().parent.parent
# Longer defaults are better read in defaults/main.yml, where they have their comments.
LONGEST = 60


class Loader(yaml.SafeLoader):
    """YAML as Ansible writes it: its own tags (!vault, !unsafe) are read as plain values."""


def _plain(loader: Loader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_mapping(node, deep=True) if isinstance(node, yaml.MappingNode) else None


Loader.add_multi_constructor("!", _plain)


def load(path: Path) -> Any:
    """Return what a YAML file holds; nothing where there is no file."""
    return yaml.load(path.read_text(), Loader) if path.is_file() else None  # noqa: S506 - a safe loader of our own


def kind(option: Mapping[str, Any]) -> str:
    """Return an option's type as a reader says it."""
    name = str(option.get("type", "str"))
    name = f"{name} of {option['elements']}" if "elements" in option else name
    choices = ", ".join(f"`{choice}`" for choice in option.get("choices", []))
    return f"{name}: {choices}" if choices else name


def words(option: Mapping[str, Any]) -> str:
    """Return an option's description on one line."""
    text = option.get("description", "")
    joined = " ".join(str(part) for part in text) if isinstance(text, list) else str(text)
    for mark in ("C(", "O(", "V("):
        while mark in joined:
            before, _, rest = joined.partition(mark)
            inside, _, after = rest.partition(")")
            joined = f"{before}`{inside}`{after}"
    return " ".join(joined.split())


def shown(value: Any) -> str:
    """Return a default as YAML on one line, or where to find it."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("...\n").strip()
    return f"`{text}`" if len(text) <= LONGEST and "\n" not in text else "see `defaults/main.yml`"


def rows(options: Mapping[str, Any], defaults: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return a line of the table for each option, with those inside it below it."""
    lines = []
    for name, option in options.items():
        if name in defaults:
            default = shown(defaults[name])
        elif option.get("required"):
            default = "**required**"
        else:
            default = shown(option["default"]) if "default" in option else ""
        cells = (f"`{prefix}{name}`", kind(option), default, words(option))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        inner = f"{prefix}{name}[]." if option.get("elements") == "dict" else f"{prefix}{name}."
        lines += rows(option.get("options") or {}, {}, inner)
    return lines


def table(role: Path) -> str:
    """Return the table of a role's public variables."""
    specs = (load(role / "meta" / "argument_specs.yml") or {}).get("argument_specs", {})
    options = specs.get("main", {}).get("options") or {}
    lines = rows(options, load(role / "defaults" / "main.yml") or {})
    if not lines:
        return "None."
    return "\n".join(["| variable | type | default | meaning |", "| --- | --- | --- | --- |", *lines])


def filled(readme: str, content: str) -> str:
    """Return a README with the table between its markers; as it was where it has none."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{BEGIN}\n{content}\n{END}{after}" if begin and end else readme


def stale(root: Path) -> list[Path]:
    """Return the READMEs whose table is not what the role's files say."""
    readmes = sorted((root / "roles").glob("*/README.md"))
    return [readme for readme in readmes if filled(readme.read_text(), table(readme.parent)) != readme.read_text()]


def main(arguments: list[str]) -> int:
    """Fill the tables, or say which are out of date."""
    for readme in stale(ROOT):
        if "--check" not in arguments:
            readme.write_text(filled(readme.read_text(), table(readme.parent)))
        print(f"{readme.relative_to(ROOT)}: {'out of date' if '--check' in arguments else 'written'}")
    return 1 if "--check" in arguments and stale(ROOT) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
