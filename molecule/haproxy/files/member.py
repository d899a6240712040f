# SPDX-License-Identifier: GPL-3.0-or-later
"""A member of a database cluster as HAProxy sees it: Patroni's REST API, PgBouncer's port, PostgreSQL's port.

usage: member.py NAME ADDRESS STATE_FILE

The state file says in words what this member claims: ``primary`` (or ``promoting`` to it, ``stopping`` from it), ``replica`` (or
``severed``: it gets nothing more, ``behind``: it lags) or nothing, and ``closed`` if its PgBouncer does not listen.
Both databases answer whoever speaks to them with the member's name, and /asked says how often it was asked whether it is primary.
"""

from __future__ import annotations

import http.server
import itertools
import json
import socket
import sys
import threading
import time
import urllib.parse
from pathlib import Path

NAME, ADDRESS, STATE = sys.argv[1], sys.argv[2], Path(sys.argv[3])


def state() -> list[str]:
    """Return what this member claims now."""
    return STATE.read_text().split()


# What Patroni 4.0.7 says of each: where it answers 200, its state, its role and whether it streams.
CLAIMS: dict[str, tuple[str, str, str, str]] = {
    "primary": ("/primary", "running", "primary", ""),
    "promoting": ("/primary", "running", "replica", ""),
    "stopping": ("/primary", "stopping", "primary", ""),
    "replica": ("/replica", "running", "replica", "streaming"),
    "severed": ("/replica", "running", "replica", "in archive recovery"),
    "behind": ("", "running", "replica", "streaming"),
    "": ("", "stopped", "replica", ""),
}


class Patroni(http.server.BaseHTTPRequestHandler):
    """Answers as Patroni does: by a status code, and by what it knows of itself."""

    asked = itertools.count()

    def do_GET(self) -> None:
        """Say yes only to a question that is asked as the role promises."""
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/asked":
            self.send_response(200)
            self.end_headers()
            # The count's own text: "count(7)" after seven questions.
            self.wfile.write(repr(self.asked).encode())
            return
        if url.path == "/primary":
            next(self.asked)
        words = [word for word in state() if word != "closed"]
        yes, runs, role, streams = CLAIMS[words[0] if words else ""]
        asked_well = url.path != "/replica" or urllib.parse.parse_qs(url.query) == {"lag": ["16MB"]}
        told = {"state": runs, "role": role, "replication": [{"state": "streaming"}]}
        if streams:
            told["replication_state"] = streams
        self.send_response(200 if url.path == yes and asked_well else 503)
        self.end_headers()
        self.wfile.write(json.dumps(told).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a check comes every second."""


def converse(connection: socket.socket, says: str) -> None:
    """Answer a question about TLS as a database does, and everything else with our name."""
    with connection:
        while data := connection.recv(1024):
            connection.sendall(b"N" if data[0] == 0 else f"{NAME} {says}\n".encode())


def serve(listener: socket.socket, says: str) -> None:
    """Converse with everybody until the listener is shut down."""
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=converse, args=(connection, says), daemon=True).start()


def database(port: int, says: str) -> socket.socket:
    """Listen on a port and answer there."""
    listener = socket.create_server((ADDRESS, port))
    threading.Thread(target=serve, args=(listener, says), daemon=True).start()
    return listener


def main() -> None:
    """Serve, and follow what the state file says about PgBouncer."""
    rest = http.server.ThreadingHTTPServer((ADDRESS, 8008), Patroni)
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    database(5432, "postgres")
    bouncer: socket.socket | None = None
    while True:
        if "closed" in state() and bouncer:
            # shutdown, because the thread in accept() keeps a closed socket listening.
            bouncer.shutdown(socket.SHUT_RDWR)
            bouncer.close()
            bouncer = None
        elif "closed" not in state() and not bouncer:
            bouncer = database(6432, "bouncer")
        time.sleep(0.1)


if __name__ == "__main__":
    main()
