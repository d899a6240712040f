# SPDX-License-Identifier: GPL-3.0-or-later
"""Something to post."""

from __future__ import annotations

import zlib


def picture(seed: int = 0, side: int = 256) -> bytes:
    """Return a PNG of two slopes that meet; another ``seed`` below 256 is another picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    rows = b"".join(
        b"\0" + b"".join(bytes(((x + seed) % 256, y % 256, abs(x - y) % 256)) for x in range(side)) for y in range(side)
    )
    head = side.to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
