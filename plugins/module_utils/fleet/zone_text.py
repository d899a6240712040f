# SPDX-License-Identifier: GPL-3.0-or-later
"""Values as providers write them, and the one spelling that they have with us. Pure: no I/O."""

from __future__ import annotations

import re

from .records import TYPES, Mistake, canonical

# A TXT record is a row of strings, each with one byte for its length.
PIECE = 255
OCTAL, DECIMAL = 8, 10
# What ends with a name that may lack its final dot.
NAMING = ("CNAME", "MX", "NS", "PTR", "SRV")
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s"]+)', re.DOTALL)
ESCAPE = re.compile(rb"\\(?:(\d{3})|(.))", re.DOTALL)


def quoted(text: str, base: int) -> str:
    """Return a text as quoted strings. A byte that is not plain ASCII becomes its number, in octal or decimal digits."""
    raw = text.encode()
    pieces = [raw[start : start + PIECE] for start in range(0, len(raw), PIECE)] or [b""]
    return " ".join('"' + "".join(_escaped(byte, base) for byte in piece) + '"' for piece in pieces)


def _escaped(byte: int, base: int) -> str:
    if chr(byte) in '"\\':
        return "\\" + chr(byte)
    if 32 <= byte < 127:
        return chr(byte)
    return "\\" + format(byte, "03o" if base == OCTAL else "03d")


def unquoted(value: str, base: int) -> str:
    """Return the text that quoted strings (or bare words) make together."""
    raw = b"".join((bare or inside).encode() for inside, bare in STRING.findall(value))
    return ESCAPE.sub(lambda found: _byte(found, base), raw).decode(errors="backslashreplace")


def _byte(found: re.Match[bytes], base: int) -> bytes:
    if found[1] is None:
        return found[2]
    try:
        return bytes([int(found[1], base)])
    except ValueError:
        # No byte has this number: then the digits are only digits.
        return found[1]


def spelled(kind: str, value: str, zone: str, *, origin: str, base: int) -> str:
    """Return a provider's value in our spelling. ``origin`` is what it leaves out at the end of a name: ``.`` is nothing."""
    if kind == "TXT":
        return unquoted(value, base)
    if kind in NAMING and value.split():
        *before, name = value.split()
        value = " ".join([*before, whole(name, origin)])
    try:
        return canonical(kind, value, zone) if kind in TYPES else value
    except Mistake:
        # Somebody else's, and stranger than we would write it: it can still be compared with itself.
        return value


def whole(name: str, origin: str) -> str:
    """Return a name in full, in lower case, with its final dot."""
    lower = name.lower()
    if lower == "@":
        return origin
    return lower if lower.endswith(".") else f"{lower}.{origin.lstrip('.')}"


def given(kind: str, value: str, base: int) -> str:
    """Return our value as a provider takes it."""
    return quoted(value, base) if kind == "TXT" else value


def plain(name: str) -> str:
    r"""Return a name without the octal codes in which a provider shows what is no letter: ``\052`` is ``*``."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], OCTAL)), name).lower()
