# SPDX-License-Identifier: GPL-3.0-or-later
"""A server on loopback that knows one conversation by heart, and a clock for whoever has to wait in it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from plugins.module_utils.fleet.ports.patience import Patience
from tests.served import served

HANG_UP = 0
SILENT = -1


@dataclass(frozen=True)
class Line:
    """A part of what is expected (``GET /path?query``), and what is answered. ``HANG_UP`` and ``SILENT`` answer nothing."""

    asked: str
    body: str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Clock:
    """Time that goes by only where somebody sleeps; chance always takes the longest."""

    now: float = 0.0
    naps: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds

    def patience(self, share: float = 1.0) -> Patience:
        return Patience(within=60, settling=30, sleep=self.sleep, clock=lambda: self.now, share=lambda: share)


@dataclass
class Conversation:
    """Where the server listens, and what it heard."""

    url: str
    bodies: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


@contextmanager
def conversation(*lines: Line) -> Iterator[Conversation]:
    """Answer line by line; at the end every line must have been said, and nothing else asked."""
    left = list(lines)
    heard = Conversation("")
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def answer(self) -> None:
            heard.bodies.append(self.rfile.read(int(self.headers["Content-Length"] or 0)).decode())
            asked = f"{self.command} {self.path}"
            line = left.pop(0) if left else Line("nothing more", status=400)
            if line.asked not in asked:
                heard.faults.append(f"asked was {asked}, expected {line.asked}")
            self.close_connection = True
            if line.status == SILENT:
                over.wait()
            if line.status in (HANG_UP, SILENT):
                return
            data = line.body.encode()
            self.send_response(line.status)
            for key, value in {**line.headers, "Content-Length": str(len(data)), "Connection": "close"}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = answer

    with served(Handler) as port:
        heard.url = f"http://127.0.0.1:{port}"
        try:
            yield heard
        finally:
            over.set()
    assert not heard.faults
    assert [line.asked for line in left] == []
