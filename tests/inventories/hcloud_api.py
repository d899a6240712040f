# SPDX-License-Identifier: GPL-3.0-or-later
"""A Hetzner Cloud API on loopback with the cloud half of the example, for the real inventory plugin, and with a zone of DNS."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.inventories.hcloud_zones import Fault, Zones
from tests.served import served

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


def listing(path: str) -> list[dict[str, Any]] | None:
    """Return what a list of the cloud holds, or None where there is no such list."""
    lists = {
        "/v1/locations": [LOCATION],
        "/v1/networks": [NETWORK],
        "/v1/servers": [server(n, name, features) for n, (name, features) in enumerate(CLOUD.items(), 11)],
    }
    return lists.get(path)


def paged(kind: str, rows: list[Any], page: int, size: int = 2) -> dict[str, Any]:
    """Return one page of a list; pages are of two, as large lists have many."""
    pagination = {
        "page": page,
        "per_page": size,
        "previous_page": page - 1 or None,
        "next_page": page + 1 if page * size < len(rows) else None,
        "last_page": -(-len(rows) // size),
        "total_entries": len(rows),
    }
    return {kind: rows[(page - 1) * size : page * size], "meta": {"pagination": pagination}}


@contextmanager
def hcloud_api(token: str = "example", zones: Zones | None = None) -> Iterator[str]:
    """Serve the API while the block runs; yield its endpoint."""
    dns = zones or Zones()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def handle_one(self) -> None:
            """Answer one documented request, or go wrong as planned."""
            asked = f"{self.command} {self.path}"
            dns.asked.append(asked)
            data = self.rfile.read(int(self.headers["Content-Length"] or 0))
            fault = next((each for each in dns.faults if each.asked in self.requestline), None)
            if fault is None:
                self.answer(*self.documented(json.loads(data or b"{}")))
                return
            dns.faults.remove(fault)
            self.go_wrong(fault, json.loads(data or b"{}"))

        do_GET = do_POST = do_PUT = do_DELETE = handle_one

        def go_wrong(self, fault: Fault, body: dict[str, Any]) -> None:
            """Give a wrong answer, after or instead of doing what was asked."""
            fault.meanwhile()
            if fault.status is None:
                self.answer(*self.documented(body))
                return
            if fault.late:
                self.documented(body)
            if fault.status:
                self.answer(fault.status, fault.body, fault.headers)

        def documented(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
            """Return the status and the body that the API documents."""
            path, query = unquote(urlsplit(self.path).path), parse_qs(urlsplit(self.path).query)
            kind, page = path.rpartition("/")[2], int(query.get("page", ["1"])[0])
            if self.headers["Authorization"] != f"Bearer {token}":
                return 401, {"error": {"code": "unauthorized", "message": "unable to authenticate"}}
            if path.startswith("/v1/zones/"):
                status, said = dns.answer(self.command, path, query, body)
                return status, paged(kind, said[kind], page) if isinstance(said.get(kind), list) else said
            if path == "/v1/networks/7":
                return 200, {"network": NETWORK}
            rows = listing(path)
            if rows is None:
                return 404, {"error": {"code": "not_found", "message": kind}}
            return 200, paged(kind, rows, page)

        def answer(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
            """Send JSON, or a text as it is."""
            data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            sent = {"Content-Type": "application/json", "Content-Length": str(len(data)), **(headers or {})}
            for key, value in sent.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(data)

    with served(Handler) as port:
        yield f"http://127.0.0.1:{port}/v1"
