# SPDX-License-Identifier: GPL-3.0-or-later
"""A Hetzner Cloud API on loopback with the cloud half of the example: enough for the real inventory plugin to read."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

CLOUD = {
    "nixie": "etcd.postgres.redis.redis_sentinel",
    "freud": "etcd.web.sidekiq.redis.redis_sentinel",
    "franz": "nameserver.scratch",
    "esme": "edge",
    "slappy": "edge",
}
LOCATION = {"id": 1, "name": "fsn1", "network_zone": "eu-central"}
NETWORK = {"id": 7, "name": "upstairs", "ip_range": "198.51.100.128/25", "servers": [], "subnets": [], "routes": []}


def server(number: int, name: str, features: str) -> dict[str, Any]:
    """Return a server as the API documents it, in documentation addresses."""
    return {
        "id": number,
        "name": name,
        "status": "running",
        "labels": {"fleet": "upstairs", "features": features},
        "public_net": {
            "ipv4": {"id": number, "ip": f"203.0.113.{number}", "dns_ptr": f"{name}.example.org", "blocked": False},
            "ipv6": {"id": 100 + number, "ip": f"2001:db8:{number}::/64", "dns_ptr": [], "blocked": False},
            "floating_ips": [],
            "firewalls": [],
        },
        "private_net": [{"network": 7, "ip": f"198.51.100.{128 + number}", "alias_ips": [], "mac_address": ""}],
        "server_type": {"id": 1, "name": "cx22", "architecture": "x86", "cores": 2, "memory": 4, "disk": 40},
        "datacenter": {"id": 1, "name": "fsn1-dc14", "location": LOCATION},
        "image": {"id": 1, "name": "debian-13", "os_flavor": "debian", "description": "Debian 13"},
    }


@contextmanager
def hcloud_api(token: str = "example") -> Iterator[str]:
    """Serve the API while the block runs; yield its endpoint. Lists come in pages of two, as large ones do."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            """Answer one documented listing."""
            path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
            if self.headers["Authorization"] != f"Bearer {token}":
                self.answer(401, {"error": {"code": "unauthorized", "message": "unable to authenticate"}})
                return
            lists = {
                "/v1/locations": [LOCATION],
                "/v1/networks": [NETWORK],
                "/v1/servers": [server(n, name, features) for n, (name, features) in enumerate(CLOUD.items(), 11)],
            }
            kind = path.removeprefix("/v1/")
            if path == "/v1/networks/7":
                self.answer(200, {"network": NETWORK})
                return
            if path not in lists:
                self.answer(404, {"error": {"code": "not_found", "message": kind}})
                return
            page, size = int(query.get("page", ["1"])[0]), 2
            rows = lists[path]
            more = page + 1 if page * size < len(rows) else None
            pagination = {
                "page": page,
                "per_page": size,
                "previous_page": page - 1 or None,
                "next_page": more,
                "last_page": -(-len(rows) // size),
                "total_entries": len(rows),
            }
            self.answer(200, {kind: rows[(page - 1) * size : page * size], "meta": {"pagination": pagination}})

        def answer(self, status: int, body: dict[str, Any]) -> None:
            """Send JSON."""
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{httpd.server_address[1]}/v1"
        finally:
            httpd.shutdown()
