# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs on the host of a Redis: pushes one number after another onto a list, and says what became of each.

usage: python3 -c TEXT PORT LIST PAUSE, the password by standard input. It asks this one Redis whatever becomes of it, without
network, proxy or Sentinel. The first line is its process id; each other one is number, begin, end, and the first word of the answer.
Times are of the clock that all hosts of the lab share.
"""

from __future__ import annotations

import itertools
import os
import socket
import sys
import time
from io import BufferedRWPair

PATIENCE = 2


def ask(wire: BufferedRWPair, *words: str) -> str:
    """Send one command and return the one line of its answer."""
    parts = [word.encode() for word in words]
    wire.write(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
    wire.flush()
    line = wire.readline()
    if not line.endswith(b"\n"):
        raise ConnectionError("the connection was closed")
    return line.decode().strip()


def greet(port: int, password: str) -> BufferedRWPair:
    """Connect and log in."""
    wire = socket.create_connection(("127.0.0.1", port), PATIENCE).makefile("rwb")
    said = ask(wire, "AUTH", password)
    if said != "+OK":
        raise ConnectionError(said)
    return wire


def main(port: int, name: str, pause: float) -> None:
    """Push until killed."""
    password = sys.stdin.readline().rstrip("\n")
    print(os.getpid(), flush=True)
    wire = None
    for number in itertools.count(1):
        time.sleep(pause)
        sent = time.monotonic()
        try:
            wire = wire or greet(port, password)
            said = ask(wire, "LPUSH", name, str(number))
        except OSError:
            wire, said = None, "silence"
        print(number, sent, time.monotonic(), said.split(" ")[0], flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
