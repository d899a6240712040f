# SPDX-License-Identifier: GPL-3.0-or-later
"""An Alertmanager on loopback that is played: it keeps silences as the real one does (molecule/alertmanager), and can be broken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.served import served


@dataclass
class Played:
    """Where it listens, what it holds, and how it is broken."""

    url: str = ""
    alerts: list[dict[str, Any]] = field(default_factory=list)
    silences: dict[str, dict[str, Any]] = field(default_factory=dict)
    # Alerts that are told only to who asks for them by this filter.
    filtered: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    heard: list[str] = field(default_factory=list)
    # What it answers instead, to whatever method and path begins so.
    broken: dict[str, tuple[int, str]] = field(default_factory=dict)
    clock: timedelta = timedelta()

    def fire(self, name: str, instance: str = "dot:9100", **more: Any) -> dict[str, Any]:
        """Let an alert fire."""
        alert = {
            "fingerprint": f"{name}-{instance}",
            "labels": {"alertname": name, "instance": instance, "severity": "critical"},
            "annotations": {"summary": "It is\n down."},
            "startsAt": "2025-01-01T10:00:00.000Z",
            "status": {"state": "active", "silencedBy": [], "inhibitedBy": []},
            **more,
        }
        self.alerts.append(alert)
        return alert

    def now(self) -> datetime:
        """Return the time by its own clock."""
        return datetime.now(UTC) + self.clock

    def tell(self) -> list[dict[str, Any]]:
        """Return the silences, each with its state."""
        return [{**one, "status": {"state": self._state(one)}} for one in self.silences.values()]

    def _state(self, one: dict[str, Any]) -> str:
        if datetime.fromisoformat(one["endsAt"]) <= self.now():
            return "expired"
        return "active" if datetime.fromisoformat(one["startsAt"]) <= self.now() else "pending"

    def put(self, body: dict[str, Any]) -> tuple[int, Any]:
        """Keep a silence: the one that is named, if it is the same, or else a new one."""
        if datetime.fromisoformat(body["endsAt"]) <= self.now():
            return 400, "end time can't be in the past"
        old = self.silences.get(body.get("id", ""))
        if old is None or (old["startsAt"], old["matchers"]) != (body["startsAt"], body["matchers"]):
            starts = max(datetime.fromisoformat(body["startsAt"]), self.now())
            body = {**body, "id": f"silence-{len(self.silences) + 1}", "startsAt": starts.isoformat()}
        self.silences[body["id"]] = body
        return 200, {"silenceID": body["id"]}

    def expire(self, identity: str) -> tuple[int, Any]:
        """End a silence; twice is a fault."""
        if self._state(self.silences[identity]) == "expired":
            return 500, f"silence {identity} already expired"
        self.silences[identity]["endsAt"] = self.now().isoformat()
        return 200, ""

    def answer(self, method: str, path: str, body: str) -> tuple[int, Any]:
        """Answer as the API does."""
        self.heard.append(f"{method} {path}")
        for begin, said in self.broken.items():
            if f"{method} {path}".startswith(begin):
                return said
        asked = urlsplit(path)
        match method, asked.path.removeprefix("/api/v2/").split("/"):
            case "GET", ["alerts"]:
                filters = parse_qs(asked.query).get("filter", [])
                return 200, self.filtered.get(filters[0], []) if filters else self.alerts
            case "GET", ["silences"]:
                return 200, self.tell()
            case "POST", ["silences"]:
                return self.put(json.loads(body))
            case "DELETE", ["silence", identity]:
                return self.expire(identity)
        return 404, "no such path"


@contextmanager
def alertmanager() -> Iterator[Played]:
    """Play one until the block ends."""
    played = Played()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def answer(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
            status, told = played.answer(self.command, self.path, sent)
            data = (told if isinstance(told, str) else json.dumps(told)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = answer

    with served(Handler) as port:
        played.url = f"http://127.0.0.1:{port}"
        yield played
