# SPDX-License-Identifier: GPL-3.0-or-later
"""Everyone behind an edge, played by one program: web hosts, streaming, bucket, old disk and name server.

Each actor does what its script says for a path, and notes who asked for what. Tests write scripts and read notes at port 9000:

    PUT /script    {"actor": "disk", "path": "/a.png", "status": 200, "body": "...", ...} (see Script)
    PUT /dns       {"address": "10.45.31.13"}
    PUT /down      {"actor": "disk", "down": true}      refuses connections
    PUT /fetch     {"address", "host", "path", "headers"}    this host asks the edge, as a proxy of ours would
    GET /seen      what was asked since the last reset   DELETE /seen   reset notes, scripts, dns and whoever is down
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import json
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

HERE = Path("/opt/actors")
SETTINGS = json.loads((HERE / "settings.json").read_text())


@dataclass
class Script:
    """What an actor does when it is asked for a path."""

    status: int = 200
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    length: bool = True  # say Content-Length; if not, the end of the connection is the end of the body
    ranges: bool = False  # answer Range with 206
    cut: int = -1  # send so many bytes of the body and hang up
    delay: float = 0.0  # be silent first
    hang_up: bool = False  # note the request, then close without an answer


ABSENT = {
    "bucket": Script(
        403,
        "<Error><Code>AccessDenied</Code><BucketName>media</BucketName></Error>",
        {"Content-Type": "application/xml"},
    ),
    "disk": Script(404, "not here"),
}


class Stage:
    """What all actors share."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget the play: no scripts, no notes, the bucket at its first address."""
        self.scripts: dict[tuple[str, str], Script] = {}
        self.seen: list[dict[str, Any]] = []
        self.dns: str = SETTINGS["address"]
        self.busy: dict[str, int] = {}
        self.peak: dict[str, int] = {}

    @contextlib.contextmanager
    def on_stage(self, actor: str) -> Any:
        """Count how many requests an actor works on at once."""
        with self.lock:
            self.busy[actor] = self.busy.get(actor, 0) + 1
            self.peak[actor] = max(self.peak.get(actor, 0), self.busy[actor])
        try:
            yield
        finally:
            with self.lock:
                self.busy[actor] = self.busy.get(actor, 1) - 1


STAGE = Stage()


class Actor(BaseHTTPRequestHandler):
    """Answers by script."""

    protocol_version = "HTTP/1.1"
    actor: ClassVar[str] = ""
    disable_nagle_algorithm = True

    def log_message(self, *_: Any) -> None:
        """Notes are kept in STAGE."""

    def answer(self) -> None:
        """Note the request and do what the script says."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        note = {
            "actor": self.actor,
            "method": self.command,
            "path": self.path,
            "headers": list(self.headers.items()),
            "bytes": len(body),
            "at": self.connection.getsockname()[0],
            "from": self.client_address,
        }
        with STAGE.lock:
            STAGE.seen.append(note)
        with STAGE.on_stage(self.actor):
            path = self.path.removeprefix("/media") if self.actor == "bucket" else self.path
            self.act(STAGE.scripts.get((self.actor, path), ABSENT.get(self.actor) or Script(200, json.dumps(note))))

    def act(self, script: Script) -> None:
        """Send what the script says, or less."""
        time.sleep(script.delay)
        if script.hang_up:
            self.close_connection = True
            return
        body, status, headers = script.body.encode(), script.status, dict(script.headers)
        wanted = self.headers.get("Range", "").removeprefix("bytes=").partition("-")
        if script.ranges and wanted[1]:
            first, last = int(wanted[0]), int(wanted[2] or len(body) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
            body, status = body[first : last + 1], 206
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if script.length:
            self.send_header("Content-Length", str(len(body)))
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body if script.cut < 0 else body[: script.cut])
        if script.cut >= 0 or not script.length:
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_PROPFIND = answer


class Streaming(Actor):
    """Greets a websocket with one message, then an event stream with two events ten seconds apart."""

    actor = "streaming"

    def do_GET(self) -> None:
        """Greet."""
        with STAGE.lock:
            STAGE.seen.append(
                {"actor": self.actor, "method": "GET", "path": self.path, "headers": list(self.headers.items())}
            )
        if self.headers.get("Upgrade", "").lower() == "websocket":
            self.websocket()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"event: one\n\n")
        time.sleep(10)
        self.wfile.write(b"event: two\n\n")
        self.close_connection = True

    def websocket(self) -> None:
        """Shake hands, say hello and wait for the visitor to go."""
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode(), usedforsecurity=False).digest()).decode()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept)
        self.end_headers()
        self.wfile.write(b"\x81\x05hello")
        self.rfile.read(1)
        self.close_connection = True


class Control(BaseHTTPRequestHandler):
    """The prompter: tests tell the actors what to do."""

    def log_message(self, *_: Any) -> None:
        """The tests know what they asked."""

    def reply(self, what: Any) -> None:
        """Answer with JSON."""
        data = json.dumps(what).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        """Show the notes."""
        with STAGE.lock:
            self.reply({"seen": STAGE.seen, "peak": STAGE.peak})

    def do_DELETE(self) -> None:
        """Begin a new play."""
        with STAGE.lock:
            STAGE.reset()
        for theatre in THEATRES.values():
            theatre.open()
        self.reply({})

    def do_PUT(self) -> None:
        """Take an instruction."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        what: Any = {}
        if self.path == "/script":
            part = (asked.pop("actor"), asked.pop("path"))
            STAGE.scripts[part] = Script(**asked)
        elif self.path == "/dns":
            STAGE.dns = asked["address"]
        elif self.path == "/down":
            theatre = THEATRES[asked["actor"]]
            if asked["down"]:
                theatre.close()
            else:
                theatre.open()
        elif self.path == "/fetch":
            what = fetch(asked)
        self.reply(what)


def fetch(asked: dict[str, Any]) -> dict[str, Any]:
    """Ask the edge from this host."""
    context = ssl.create_default_context(cafile=HERE / "ca.pem")
    raw = socket.create_connection((asked["address"], 443), timeout=10)
    connection = http.client.HTTPConnection(asked["host"])
    connection.sock = context.wrap_socket(raw, server_hostname=asked["host"])
    connection.request("GET", asked["path"], headers=asked["headers"])
    response = connection.getresponse()
    what = {"status": response.status, "body": response.read().decode()}
    connection.close()
    return what


class Server(ThreadingHTTPServer):
    """Remembers its connections, so that it can be gone at once."""

    request_queue_size = 128
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[Actor]) -> None:
        self.visitors: set[socket.socket] = set()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection."""
        self.visitors.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection."""
        self.visitors.discard(request)
        super().shutdown_request(request)

    def drop_visitors(self) -> None:
        """Cut all connections."""
        for visitor in list(self.visitors):
            with contextlib.suppress(OSError):
                visitor.shutdown(socket.SHUT_RDWR)


class Theatre:
    """One actor's addresses, which can be closed (connections are refused) and opened again."""

    def __init__(self, handler: type[Actor], port: int, certificates: dict[str, str] | None = None) -> None:
        self.handler, self.port, self.certificates = handler, port, certificates
        self.servers: list[Server] = []
        self.open()

    def open(self) -> None:
        """Listen, if nobody does yet."""
        if self.servers:
            return
        for address, certificate in (self.certificates or {"0.0.0.0": ""}).items():  # noqa: S104 - the lab's own network
            server = Server((address, self.port), self.handler)
            if certificate:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(HERE / f"{certificate}.pem", HERE / f"{certificate}.key")
                server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            self.servers.append(server)

    def close(self) -> None:
        """Refuse connections and cut those that are open."""
        for server in self.servers:
            server.shutdown()
            server.server_close()
            server.drop_visitors()
        self.servers = []


def name_server() -> None:
    """Answer each question for an IPv4 address with STAGE.dns, good for a second."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("0.0.0.0", 5353))  # noqa: S104 - the lab's own network
    while True:
        query, peer = server.recvfrom(512)
        question = query[12 : query.index(b"\0", 12) + 5]
        is_a = question[-4:] == b"\0\1\0\1"
        answer = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 1, 4) + socket.inet_aton(STAGE.dns) if is_a else b""
        server.sendto(query[:2] + struct.pack("!HHHHH", 0x8180, 1, int(is_a), 0, 0) + question + answer, peer)


def cast(name: str, base: type[Actor] = Actor) -> type[Actor]:
    """Return an actor of this name."""
    return type(name, (base,), {"actor": name})


THEATRES = {
    "bucket": Theatre(
        cast("bucket"),
        443,
        {SETTINGS["address"]: "server", SETTINGS["moved"]: "server", SETTINGS["impostor"]: "impostor"},
    ),
    "disk": Theatre(cast("disk"), 8080),
    "web-1": Theatre(cast("web-1"), 3000),
    "web-2": Theatre(cast("web-2"), 3001),
    "web-3": Theatre(cast("web-3"), 3002),
    "web-4": Theatre(cast("web-4"), 3003),
    "streaming": Theatre(Streaming, 4000),
}

if __name__ == "__main__":
    threading.Thread(target=name_server, daemon=True).start()
    ThreadingHTTPServer(("0.0.0.0", 9000), Control).serve_forever()  # noqa: S104 - the lab's own network
