# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the kernel which sockets listen."""

from __future__ import annotations

from pathlib import Path

from ..checks import Socket, parse_sockets


def listening() -> set[Socket]:
    """Return every socket of this host on which somebody listens."""
    found: set[Socket] = set()
    for protocol in ("tcp", "udp"):
        for table in (f"/proc/net/{protocol}", f"/proc/net/{protocol}6"):
            path = Path(table)
            if path.exists():  # there is no tcp6 where IPv6 is off
                found |= parse_sockets(path.read_text(encoding="ascii"), protocol)
    return found
