# SPDX-License-Identifier: GPL-3.0-or-later
"""How tests meet the site from outside: its addresses, its secrets, and visitors who come through one edge."""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import subprocess
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import testinfra
import urllib3
from websockets.sync.client import ClientConnection, connect

ROOT = Path(__file__).resolve().parent.parent
SOCIAL = "social.upstairs.test"
MEDIA = "media.upstairs.test"


@dataclass(frozen=True)
class Site:
    """One lab: ``name`` says which (UPSTAIRS_LAB), ``state`` is where its keys are."""

    name: str

    @classmethod
    def of_environment(cls) -> Site:
        """Return the lab that UPSTAIRS_LAB names."""
        return cls(os.environ.get("UPSTAIRS_LAB", "lab"))

    @property
    def state(self) -> Path:
        """Return the directory of the lab's secrets."""
        return ROOT / ".lab" / self.name

    @cached_property
    def inventory(self) -> dict[str, Any]:
        """Return the inventory as Ansible reads it."""
        listed = subprocess.run(
            ["ansible-inventory", "-i", "inventories/lab", "--list"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "UPSTAIRS_LAB": self.name},
        )
        tree: dict[str, Any] = json.loads(listed.stdout)
        return tree

    def hosts(self, group: str) -> list[str]:
        """Return the hosts of a group and of its children, sorted."""
        entry = self.inventory.get(group, {})
        found = set(entry.get("hosts", []))
        for child in entry.get("children", []):
            found.update(self.hosts(child))
        return sorted(found)

    def address(self, host: str) -> str:
        """Return the address of a host."""
        net = {"lab": "10.44", "test": "10.45"}[self.name]
        text = (ROOT / "inventories/lab/host_vars" / f"{host}.yml").read_text()
        match = re.search(r"lab_net }}\.([\d.]+)", text)
        assert match, f"no address in host_vars/{host}.yml"
        return f"{net}.{match[1]}"

    @cached_property
    def secrets(self) -> dict[str, str]:
        """Return the generated secrets by name."""
        found: dict[str, str] = json.loads((self.state / "secrets.json").read_text())
        return found

    def host(self, name: str) -> Any:
        """Return testinfra's view of a host, as root."""
        return testinfra.get_host(f"ssh://{name}?ssh_config={self.state / 'ssh_config'}&sudo=true")


class Visitor:
    """Somebody who meets the site through one edge, knows the lab's CA, and believes nothing else."""

    def __init__(self, site: Site, edge: str, token: str | None = None) -> None:
        self.site, self.edge = site, edge
        self.token = token or (site.state / "token").read_text().strip()
        self.ca = str(site.state / "ca.pem")
        self._pools = {
            name: urllib3.HTTPSConnectionPool(
                edge,
                443,
                ca_certs=self.ca,
                server_hostname=name,
                assert_hostname=name,
                maxsize=4,
                timeout=urllib3.Timeout(connect=5, read=30),
                retries=False,
            )
            for name in (SOCIAL, MEDIA)
        }

    def ask(self, method: str, name: str, path: str, **more: Any) -> urllib3.BaseHTTPResponse:
        """Send one request, follow nothing, and return the answer."""
        headers = {"Host": name, **more.pop("headers", {})}
        return self._pools[name].request(method, path, headers=headers, redirect=False, **more)

    def get(self, path: str, name: str = SOCIAL, **headers: str) -> urllib3.BaseHTTPResponse:
        """GET a path anonymously."""
        return self.ask("GET", name, path, headers=headers)

    def post(self, path: str, fields: dict[str, Any], **headers: str) -> urllib3.BaseHTTPResponse:
        """POST a form as the lab's user."""
        return self.ask(
            "POST", SOCIAL, path, fields=fields, headers={"Authorization": f"Bearer {self.token}", **headers}
        )

    def post_status(self, text: str, uuid: str, picture: bytes | None = None) -> dict[str, Any]:
        """Post a status, with a picture where one is given, and return it as the API shows it."""
        fields: dict[str, Any] = {"status": text, "uuid": uuid}
        if picture is not None:
            answer = self.post("/api/v2/media", {"file": ("picture.png", picture, "image/png")})
            assert answer.status == 200, (answer.status, answer.data[:500])
            fields["media_ids[]"] = str(answer.json()["id"])
        answer = self.post("/api/v1/statuses", fields)
        assert answer.status == 200, (answer.status, answer.data[:500])
        status: dict[str, Any] = answer.json()
        return status

    def stream(self, path: str = "/api/v1/streaming?stream=public") -> ClientConnection:
        """Open the websocket as a browser does."""
        context = ssl.create_default_context(cafile=self.ca)
        plain = socket.create_connection((self.edge, 443), timeout=10)
        return connect(f"wss://{SOCIAL}{path}", sock=plain, ssl=context, open_timeout=10)


def picture(seed: int, side: int = 64) -> bytes:
    """Return a valid PNG that differs by ``seed``."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    rows = b"".join(
        b"\0" + bytes((seed * 31 + x * y * c) % 256 for x in range(side) for c in (1, 3, 7)) for y in range(side)
    )
    head = side.to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
