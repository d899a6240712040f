# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a new target before a name leads there, and what a good answer is. Pure: no I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from .checks import Response, Url, judge_http, parse_url, shown
from .records import Mistake
from .sigv4 import Keys
from .split import Split

KINDS = ("http", "canary", "tcp")
Send = Callable[[str, Url, bytes], Response]


@dataclass(frozen=True)
class Request:
    """A request whose answer must have one of the statuses, may have to contain a text, and headers that match."""

    url: Url
    told: str
    method: str = "GET"
    statuses: tuple[int, ...] = (200,)
    contains: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    answers: Mapping[str, str] = field(default_factory=dict)
    ca_file: str | None = None


@dataclass(frozen=True)
class Canary:
    """An object that is written, read and removed with the signature that the writers have."""

    url: Url
    keys: Keys
    ca_file: str | None = None


@dataclass(frozen=True)
class Probe:
    """One promise of the target of the read or the write name; exactly one of the three is set."""

    name: str
    role: str
    request: Request | None = None
    canary: Canary | None = None
    port: int | None = None


def parse(probes: Iterable[Mapping[str, Any]], split: Split) -> tuple[Probe, ...]:
    """Return the declared probes, or say what is wrong with them."""
    found, wrong = [], []
    for entry in probes:
        try:
            found.append(_probe(entry, split))
        except (Mistake, ValueError) as mistake:
            wrong.append(f"the probe {entry.get('name')!r}: {mistake}")
    if wrong:
        raise Mistake("; ".join(wrong))
    return tuple(found)


def _probe(entry: Mapping[str, Any], split: Split) -> Probe:
    given = [kind for kind in KINDS if entry.get(kind) is not None]
    if len(given) != 1:
        raise Mistake(f"needs exactly one of {', '.join(KINDS)}")
    name, role = str(entry["name"]), str(entry["role"])
    if entry.get("tcp") is not None:
        port = int(entry["tcp"])
        if not 0 < port < 65536:
            raise Mistake(f"{port} is no port")
        return Probe(name, role, port=port)
    asked = entry[given[0]]
    url = parse_url(str(asked["url"]))
    _its_own_name(url, split, role)
    if given[0] == "http":
        return Probe(name, role, request=_request(asked, url))
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+/?", url.target):
        raise Mistake(
            "the URL of a canary is that of a bucket or a folder in it, without a query and without signs to escape"
        )
    keys = Keys(str(asked["access_key"]), str(asked["secret_key"]), str(asked.get("region") or "us-east-1"))
    return Probe(name, role, canary=Canary(url, keys, asked.get("ca_file")))


def _its_own_name(url: Url, split: Split, role: str) -> None:
    """Refuse a probe that would prove something about another name: its certificate, its Host."""
    own = next(side.name for side in split.sides if side.role == role).rstrip(".")
    if url.host != own and not url.host.endswith(f".{own}"):
        raise Mistake(f"its URL asks for {url.host}, and the {role} name is {own}: ask for that, at the new address")


def _request(asked: Mapping[str, Any], url: Url) -> Request:
    return Request(
        url,
        f"{asked.get('method') or 'GET'} {asked['url']}",
        str(asked.get("method") or "GET"),
        tuple(int(status) for status in asked.get("status") or [200]),
        asked.get("contains"),
        {str(key): str(value) for key, value in (asked.get("headers") or {}).items()},
        {str(key).lower(): str(value) for key, value in (asked.get("answers") or {}).items()},
        asked.get("ca_file"),
    )


def judge(request: Request, at: str, response: Response) -> list[str]:
    """Say what is wrong with an answer."""
    told = f"{request.told} (asked at {at})"
    finding = judge_http(told, response, request.statuses, request.contains)
    if not finding.ok:
        return [finding.said]
    return [
        f"{told} answered {response.status} with {header}: {shown(response.headers.get(header, ''))} (wanted: a match of {wanted!r})"
        for header, wanted in sorted(request.answers.items())
        if not re.search(wanted, response.headers.get(header, ""))
    ]


def fly(canary: Canary, token: str, at: str, send: Send) -> list[str]:
    """Write, read and remove an object of one's own; remove it too when reading it failed."""
    path = f"{canary.url.target.rstrip('/')}/upstairs-canary-{token}"
    url = Url(canary.url.scheme, canary.url.host, canary.url.port, path)
    told = f"{canary.url.scheme}://{canary.url.host}{path} (asked at {at})"
    text = f"canary {token}"
    steps: Sequence[tuple[str, bytes, tuple[int, ...], str | None]] = (
        ("PUT", text.encode(), (200, 201, 204), None),
        ("HEAD", b"", (200,), None),
        ("GET", b"", (200,), text),
        ("DELETE", b"", (200, 204), None),
        ("HEAD", b"", (404,), None),
    )
    faults = []
    for method, payload, statuses, contains in steps:
        try:
            answer = send(method, url, payload)
        except Exception:
            # It is stored, and whoever reads the bucket would find it for ever.
            if method in ("HEAD", "GET"):
                with suppress(Exception):
                    send("DELETE", url, b"")
            raise
        finding = judge_http(f"{method} {told}", answer, statuses, contains)
        if not finding.ok:
            faults.append(finding.said)
            if method == "PUT":
                break
    return faults
