# SPDX-License-Identifier: GPL-3.0-or-later
"""Open a websocket to every process as a browser does, publish one message, and hear it from each.

usage: listen.py ADDRESS PORT...
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys

WORD = "heard-by-everybody"


def connect(address: str, port: int) -> socket.socket:
    """Return a connection that has become a websocket."""
    connection = socket.create_connection((address, port), timeout=10)
    lines = [
        "GET /api/v1/streaming?stream=public HTTP/1.1",
        "Host: social.upstairs.test",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "",
        "",
    ]
    connection.sendall("\r\n".join(lines).encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(1)
    if b" 101 " not in answer:
        sys.exit(f"port {port} answered {answer!r}")
    return connection


def main(address: str, ports: list[int]) -> None:
    """Listen, publish, compare."""
    listeners = {port: connect(address, port) for port in ports}
    message = json.dumps({"event": "update", "payload": WORD})
    said = subprocess.run(
        ["redis-cli", "-h", address, "publish", "timeline:public", message], capture_output=True, text=True, check=True
    )
    if said.stdout.strip() != str(len(ports)):
        sys.exit(f"{said.stdout.strip()} processes listen to Redis and not {len(ports)}")
    for port, connection in listeners.items():
        if WORD.encode() not in connection.recv(4096):
            sys.exit(f"port {port} did not pass the message on")


main(sys.argv[1], [int(port) for port in sys.argv[2:]])
