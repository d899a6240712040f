# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the kernel which sockets listen."""

from __future__ import annotations

from pathlib import Path

from ..checks import Socket, parse_sockets

ROOT = Path("/")


def listening(root: Path = ROOT) -> set[Socket]:
    """Return every socket of this host on which somebody listens."""
    found: set[Socket] = set()
    for protocol in ("tcp", "udp"):
        for table in (protocol, f"{protocol}6"):
            path = root / "proc/net" / table
            # There is no tcp6 where IPv6 is off; where there is no tcp, nobody knows anything.
            if table == protocol or path.exists():
                found |= parse_sockets(path.read_text(encoding="ascii"), protocol)
    return found


def ephemeral(root: Path = ROOT) -> range:
    """Return the ports that the kernel gives to whoever asks for any."""
    first, last = (root / "proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()
    return range(int(first), int(last) + 1)
