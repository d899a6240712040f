# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL's SCRAM-SHA-256 verifiers (RFC 5803): made here, so that no password ever reaches the server or its log."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import stringprep
import unicodedata

ITERATIONS = 4096
_VERIFIER = re.compile(r"SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):(.+)")
_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
    stringprep.in_table_a1,
)


def prepare(password: str) -> bytes:
    """Return what libpq makes of a password: SASLprep, or the bytes as they are where it does not apply."""
    if password.isascii():
        return password.encode()
    mapped = "".join(
        " " if stringprep.in_table_c12(character) else character
        for character in password
        if not stringprep.in_table_b1(character)
    )
    normal = unicodedata.normalize("NFKC", mapped)
    if not normal or any(forbidden(character) for character in normal for forbidden in _PROHIBITED):
        return password.encode()
    right_to_left = [stringprep.in_table_d1(character) for character in normal]
    if any(right_to_left) and (
        any(map(stringprep.in_table_d2, normal)) or not (right_to_left[0] and right_to_left[-1])
    ):
        return password.encode()
    return normal.encode()


def verifier(password: str, salt: bytes, iterations: int = ITERATIONS) -> str:
    """Return the verifier of a password, as pg_authid keeps it."""
    salted = hashlib.pbkdf2_hmac("sha256", prepare(password), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    salt64, stored64, server64 = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return f"SCRAM-SHA-256${iterations}:{salt64}${stored64}:{server64}"


def matches(kept: str | None, password: str) -> bool:
    """Tell whether a verifier was made from this password. An md5 hash, or none at all, never was."""
    parts = _VERIFIER.fullmatch(kept or "")
    if parts is None:
        return False
    try:
        salt = base64.b64decode(parts[2], validate=True)
    except binascii.Error:
        return False
    return hmac.compare_digest(kept or "", verifier(password, salt, int(parts[1])))
