# SPDX-License-Identifier: GPL-3.0-or-later
"""The zones of a Hetzner Cloud API: record sets, labels, and actions that take their time, as the API documents them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]
RRSETS = r"/v1/zones/(?P<zone>[^/]+)/rrsets"
ONE = rf"{RRSETS}/(?P<name>[^/]+)/(?P<kind>[A-Z]+)"
TTLS = range(60, 2**31)


class Wrong(Exception):
    """An error as the API answers it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.answer = (status, {"error": {"code": code, "message": message, "details": None}})


@dataclass(frozen=True)
class Fault:
    """What goes wrong once, with the next request that has this in its first line.

    First happens ``meanwhile``, then, if the fault is ``late``, what was asked. The answer is the one given: status 0 hangs up, and
    without a status it is the one that is documented.
    """

    asked: str
    status: int | None = None
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    late: bool = False
    meanwhile: Callable[[], object] = str


@dataclass
class Zones:
    """One zone, and all that was asked of it. An action is done when ``polls`` more requests have come, whatever they ask."""

    name: str = "example.org"
    ttl: int = 3600
    mode: str = "primary"
    polls: int = 1
    delegation: str = "valid"
    broken: bool = False
    rrsets: dict[tuple[str, str], Body] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    fail_next: bool = False
    actions: list[Body] = field(default_factory=list)
    left: dict[int, int] = field(default_factory=dict)

    def put(self, name: str, kind: str, *values: str, ttl: int | None = None, **labels: str) -> Body:
        """Make a record set, as somebody else would."""
        self.rrsets[name, kind] = {
            "id": f"{name}/{kind}",
            "name": name,
            "type": kind,
            "ttl": ttl,
            "labels": {key.replace("_", "-"): value for key, value in labels.items()},
            "protection": {"change": False},
            "records": [{"value": value, "comment": ""} for value in values],
            "zone": 1,
        }
        return self.rrsets[name, kind]

    def answer(self, method: str, path: str, query: Mapping[str, list[str]], body: Body) -> tuple[int, Body]:
        """Answer one request below /v1/zones."""
        routes: dict[str, Callable[..., tuple[int, Body]]] = {
            r"GET /v1/zones/actions/(?P<number>\d+)": self._action,
            rf"GET {RRSETS}": self._list,
            rf"POST {RRSETS}": self._create,
            rf"PUT {ONE}": self._label,
            rf"DELETE {ONE}": self._delete,
            rf"POST {ONE}/actions/set_records": self._set,
            rf"POST {ONE}/actions/change_ttl": self._retime,
            r"GET /v1/zones/(?P<zone>[^/]+)": self._show,
        }
        self._work()
        try:
            for route, handler in routes.items():
                if found := re.fullmatch(route, f"{method} {path}"):
                    parts = found.groupdict()
                    if parts.pop("zone", self.name) not in (self.name, "1"):
                        raise Wrong(404, "not_found", "zone not found")
                    return handler(**parts, query=query, body=body)
            raise Wrong(404, "not_found", path)
        except Wrong as wrong:
            return wrong.answer

    def _work(self) -> None:
        for action in self.actions:
            self.left[action["id"]] -= 1
            if action["status"] == "running" and self.left[action["id"]] <= 0:
                action["status"] = "error" if action["error"] else "success"

    def _show(self, **_: Any) -> tuple[int, Body]:
        running = any(action["status"] == "running" for action in self.actions)
        authority = {
            "assigned": ["Hydrogen.ns.hetzner.com.", "helium.ns.hetzner.de"],
            "delegated": ["ns1.example.net."],
            "delegation_status": self.delegation,
            "delegation_last_check": "2026-01-01T00:00:00Z",
        }
        status = "error" if self.broken else "updating" if running else "ok"
        zone = {"id": 1, "name": self.name, "ttl": self.ttl, "mode": self.mode, "status": status}
        return 200, {"zone": {**zone, "labels": {}, "authoritative_nameservers": authority}}

    def _list(self, query: Mapping[str, list[str]], **_: Any) -> tuple[int, Body]:
        names = query.get("name")
        rows = [one for (name, _), one in sorted(self.rrsets.items()) if not names or name in names]
        return 200, {"rrsets": rows}

    def _create(self, body: Body, **_: Any) -> tuple[int, Body]:
        self._writable()
        name, kind = body["name"], body["type"]
        if (name, kind) in self.rrsets:
            raise Wrong(409, "uniqueness_error", "the record set exists")
        others = {each for at, each in self.rrsets if at == name}
        if ("CNAME" in others or kind == "CNAME") and others:
            raise Wrong(422, "invalid_input", "CNAME beside other records")
        self._judge(kind, body["records"], body.get("ttl"))
        one = self.put(name, kind, ttl=body.get("ttl"))
        one.update(labels=body.get("labels") or {}, records=body["records"])
        return 201, {"rrset": one, "action": self._started("create_rrset")}

    def _label(self, name: str, kind: str, body: Body, **_: Any) -> tuple[int, Body]:
        one = self._one(name, kind)
        one["labels"] = body["labels"]
        return 200, {"rrset": one}

    def _delete(self, name: str, kind: str, **_: Any) -> tuple[int, Body]:
        self._writable(self._one(name, kind))
        del self.rrsets[name, kind]
        return 201, {"action": self._started("delete_rrset")}

    def _set(self, name: str, kind: str, body: Body, **_: Any) -> tuple[int, Body]:
        one = self._one(name, kind)
        self._writable(one)
        self._judge(kind, body["records"], None)
        one["records"] = body["records"]
        return 201, {"action": self._started("set_rrset_records")}

    def _retime(self, name: str, kind: str, body: Body, **_: Any) -> tuple[int, Body]:
        one = self._one(name, kind)
        self._writable(one)
        self._judge(kind, one["records"], body["ttl"])
        one["ttl"] = body["ttl"]
        return 201, {"action": self._started("change_rrset_ttl")}

    def _action(self, number: str, **_: Any) -> tuple[int, Body]:
        action = next((each for each in self.actions if each["id"] == int(number)), None)
        if action is None:
            raise Wrong(404, "not_found", "action not found")
        return 200, {"action": action}

    def _one(self, name: str, kind: str) -> Body:
        if (name, kind) not in self.rrsets:
            raise Wrong(404, "not_found", "record set not found")
        return self.rrsets[name, kind]

    def _writable(self, one: Body | None = None) -> None:
        if self.mode != "primary":
            raise Wrong(422, "incorrect_zone_mode", "not supported for this zone's mode")
        if one is not None and one["protection"]["change"]:
            raise Wrong(403, "protected", "the record set is protected")
        if any(action["status"] == "running" for action in self.actions):
            raise Wrong(423, "locked", "an action is running")

    def _judge(self, kind: str, records: list[Body], ttl: int | None) -> None:
        if ttl is not None and ttl not in TTLS:
            raise Wrong(422, "invalid_input", f"ttl: {ttl} is not allowed")
        for value in (record["value"] for record in records):
            if kind == "TXT" and not re.fullmatch(r'"([^"\\]|\\.){0,255}"( "([^"\\]|\\.){0,255}")*', value):
                raise Wrong(422, "invalid_input", "TXT is not quoted")
            if kind in ("A", "AAAA"):
                try:
                    ipaddress.ip_address(value)
                except ValueError as error:
                    raise Wrong(422, "invalid_input", f"{value} is no address") from error

    def _started(self, command: str) -> Body:
        number = len(self.actions) + 1
        failure = {"code": "action_failed", "message": "the name server did not take it"} if self.fail_next else None
        action = {"id": number, "command": command, "status": "running", "progress": 0, "error": failure}
        self.actions.append({**action, "resources": [], "started": "2026-01-01T00:00:00Z", "finished": None})
        self.left[number] = self.polls
        # A copy: what was answered at first is not what is known later.
        return dict(self.actions[-1])
