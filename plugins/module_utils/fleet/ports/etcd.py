# SPDX-License-Identifier: GPL-3.0-or-later
"""Records in etcd: read them by the word of a majority, change one only if nobody else did."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .rest import ask


class Unanswered(Exception):
    """No member answered with a majority behind it."""


class Unclear(Unanswered):
    """A member was asked for a change and was silent, and the next one says that the key has changed: by that, or by others."""


@dataclass(frozen=True)
class Record:
    """What a key holds, and the revision of its last change: 0 where it does not exist."""

    text: str
    revision: int


def _pack(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _unpack(text: str) -> str:
    return base64.b64decode(text).decode("utf-8", "replace")


def _ask(endpoints: Sequence[str], path: str, body: Mapping[str, Any], timeout: float) -> dict[str, Any]:
    return _ask_each(endpoints, path, body, timeout)[0]


def _ask_each(
    endpoints: Sequence[str], path: str, body: Mapping[str, Any], timeout: float
) -> tuple[dict[str, Any], list[str]]:
    """Ask one member after the other until one answers; say too what those before it said."""
    said: list[str] = []
    for endpoint in endpoints:
        answer = ask(f"http://{endpoint}/v3/kv/{path}", body, timeout=timeout)
        value = answer.json()
        if answer.ok and value is not None:
            return value, said
        said.append(f"{endpoint}: {(value or {}).get('message') or answer.text.strip() or answer.status}")
    raise Unanswered("; ".join(said))


def read(endpoints: Sequence[str], key: str, timeout: float = 5.0) -> Record:
    """Read a key; etcd asks a majority before it answers."""
    found = _ask(endpoints, "range", {"key": _pack(key)}, timeout).get("kvs") or []
    if not found:
        return Record("", 0)
    return Record(_unpack(found[0].get("value", "")), int(found[0]["mod_revision"]))


def read_all(endpoints: Sequence[str], prefix: str, timeout: float = 5.0) -> dict[str, Record]:
    """Read all keys that begin with a prefix."""
    # The end of a range is its prefix with the last character one further.
    body = {"key": _pack(prefix), "range_end": _pack(prefix[:-1] + chr(ord(prefix[-1]) + 1))}
    found = _ask(endpoints, "range", body, timeout).get("kvs") or []
    return {_unpack(one["key"]): Record(_unpack(one.get("value", "")), int(one["mod_revision"])) for one in found}


def swap(endpoints: Sequence[str], key: str, seen: int, text: str | None, timeout: float = 5.0) -> bool:
    """Store a text, or remove the key, if its last change is still the one that was seen. Return whether it was.

    ``Unclear`` if it is not, and the change may be one's own.
    """
    change = {"request_delete_range": {"key": _pack(key)}}
    if text is not None:
        change = {"request_put": {"key": _pack(key), "value": _pack(text)}}
    compare = {"key": _pack(key), "target": "MOD", "result": "EQUAL", "mod_revision": str(seen)}
    answer, silent = _ask_each(endpoints, "txn", {"compare": [compare], "success": [change]}, timeout)
    if silent and not answer.get("succeeded"):
        raise Unclear("; ".join(silent))
    return bool(answer.get("succeeded"))
