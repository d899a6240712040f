# SPDX-License-Identifier: GPL-3.0-or-later
"""How tests meet the site from outside: its addresses, its secrets, and visitors who come through one edge."""

from __future__ import annotations

import socket
import ssl
from typing import Any

import testinfra
import urllib3
from websockets.sync.client import ClientConnection, connect

from bin import site

SOCIAL = "social.upstairs.test"
MEDIA = "media.upstairs.test"
# Seconds for an answer, on a machine that has other things to do.
PATIENCE = 30.0


class Site(site.Site):
    """One lab, with a way onto its hosts."""

    def host(self, name: str) -> Any:
        """Return testinfra's view of a host, as root."""
        return testinfra.get_host(f"ssh://{name}?ssh_config={self.state / 'ssh_config'}&sudo=true")


class Visitor:
    """Somebody who meets the site through one edge, knows the lab's CA, and believes nothing else."""

    def __init__(self, site: Site, edge: str, token: str | None = None, patience: float = PATIENCE) -> None:
        self.site, self.edge = site, edge
        self.token = token or site.token
        self.ca = str(site.state / "ca.pem")
        self._pools = {
            name: urllib3.HTTPSConnectionPool(
                edge,
                443,
                ca_certs=self.ca,
                server_hostname=name,
                assert_hostname=name,
                maxsize=4,
                timeout=urllib3.Timeout(connect=5, read=patience),
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
        plain = socket.create_connection((self.edge, 443), timeout=PATIENCE)
        return connect(f"wss://{SOCIAL}{path}", sock=plain, ssl=context, open_timeout=PATIENCE)
