# SPDX-License-Identifier: GPL-3.0-or-later
"""Write an environment file that systemd, a POSIX shell and Ruby's dotenv read as the same values, and read it back.

Their common ground is small: within single quotes everything is itself; within double quotes a backslash before one of
``\\ " $ ``` takes that character as itself. What none of that can carry to all three is refused before (environment_kinds):
line ends, and ``$(`` in what needs double quotes, where dotenv keeps the backslash. Node's dotenv knows no escapes at all: it
agrees on all that can stand in single quotes, and its processes get their environment from systemd anyway.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

ESCAPED = re.compile(r'([\\"$`])')
LINE = re.compile(r"""([A-Za-z_][A-Za-z0-9_]*)=(?:'([^']*)'|"((?:[^\\"]|\\.)*)")""")


def quote(value: str) -> str:
    """Return ``value`` between quotes."""
    # A backslash before the closing single quote would hide it from dotenv.
    if "'" not in value and not value.endswith("\\"):
        return f"'{value}'"
    return '"' + ESCAPED.sub(r"\\\1", value) + '"'


def render(values: Mapping[str, str], header: str = "") -> str:
    """Return the file: a line per name, sorted, so that it is the same on every host."""
    lines = [f"# {line}".rstrip() for line in header.splitlines()]
    for name in sorted(values):
        quoted = quote(values[name])
        lines.append(f"{name}={quoted}")
        if quoted.endswith('\\\\"'):
            # dotenv first tries to read on beyond a quote with a backslash before it; this line ends the attempt.
            lines.append('# "-"')
    return "".join(f"{line}\n" for line in lines)


def parse(text: str) -> dict[str, str]:
    """Return the values of a file that ``render`` wrote."""
    values: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        found = LINE.fullmatch(line)
        if found is None:
            raise ValueError(f"line {number} is not a line that was written here")
        name, single, double = found.groups()
        values[name] = single if double is None else re.sub(r"\\(.)", r"\1", double)
    return values
