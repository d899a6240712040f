# SPDX-License-Identifier: GPL-3.0-or-later
"""Records in etcd: read them by the word of a majority, change one only if nobody else did."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..store import Record, Unanswered, Unclear
from .rest import ask


def _pack(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _unpack(text: str) -> str:
    return base64.b64decode(text).decode("utf-8", "replace")


@dataclass(frozen=True)
class Etcd:
    """The members, as host:port, of which one after the other is asked until one answers."""

    endpoints: tuple[str, ...]
    timeout: float = 5.0
    silence: str = "no majority of etcd answers"
    remedy: str = "Bring etcd back first."

    def _ask(self, path: str, body: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """Return the first answer, and what the members before that one said."""
        said: list[str] = []
        for endpoint in self.endpoints:
            answer = ask(f"http://{endpoint}/v3/kv/{path}", body, timeout=self.timeout)
            value = answer.json()
            if answer.ok and value is not None:
                return value, said
            said.append(f"{endpoint}: {(value or {}).get('message') or answer.text.strip() or answer.status}")
        raise Unanswered("; ".join(said))

    def read(self, key: str) -> Record:
        """Read a key; etcd asks a majority before it answers."""
        found = self._ask("range", {"key": _pack(key)})[0].get("kvs") or []
        if not found:
            return Record("", 0)
        return Record(_unpack(found[0].get("value", "")), int(found[0]["mod_revision"]))

    def read_all(self, prefix: str) -> dict[str, Record]:
        """Read all keys that begin with a prefix."""
        # The end of a range is its prefix with the last character one further.
        body = {"key": _pack(prefix), "range_end": _pack(prefix[:-1] + chr(ord(prefix[-1]) + 1))}
        found = self._ask("range", body)[0].get("kvs") or []
        return {_unpack(one["key"]): Record(_unpack(one.get("value", "")), int(one["mod_revision"])) for one in found}

    def swap(self, key: str, seen: int, text: str | None) -> bool:
        """Store a text, or remove the key, if its last change is still the one that was seen. Return whether it was.

        ``Unclear`` if it is not, and a member before the one that says so was silent: the change may be one's own.
        """
        change: dict[str, Any] = {"request_delete_range": {"key": _pack(key)}}
        if text is not None:
            change = {"request_put": {"key": _pack(key), "value": _pack(text)}}
        compare = {"key": _pack(key), "target": "MOD", "result": "EQUAL", "mod_revision": str(seen)}
        answer, silent = self._ask("txn", {"compare": [compare], "success": [change]})
        if silent and not answer.get("succeeded"):
            raise Unclear("; ".join(silent))
        return bool(answer.get("succeeded"))
