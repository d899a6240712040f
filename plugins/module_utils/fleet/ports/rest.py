# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON over HTTP with nothing but the standard library: etcd's gateway, Patroni's REST API, Alertmanager's."""

from __future__ import annotations

import base64
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What a server said. ``status`` 0 means that it said nothing, and ``text`` why."""

    status: int
    text: str

    @property
    def ok(self) -> bool:
        """Whether it was done as asked."""
        return 200 <= self.status < 300

    def json(self) -> dict[str, Any] | None:
        """Return the object in the body, or None where there is none."""
        value = self._value()
        return value if isinstance(value, dict) else None

    def items(self) -> list[Any] | None:
        """Return the list in the body, or None where there is none."""
        value = self._value()
        return value if isinstance(value, list) else None

    def _value(self) -> Any:
        try:
            return json.loads(self.text)
        except ValueError:
            return None


def ask(
    url: str,
    body: Mapping[str, Any] | None = None,
    *,
    method: str | None = None,
    login: tuple[str, str] | None = None,
    timeout: float = 5.0,
) -> Answer:
    """Send one request and return the answer; a silent server is an answer too, never an exception."""
    headers = {"Content-Type": "application/json"}
    if login is not None:
        headers["Authorization"] = "Basic " + base64.b64encode(":".join(login).encode()).decode()
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=headers, method=method)  # noqa: S310 - http only, ours
    # No proxy of the environment: these are private addresses.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout) as reply:
            return Answer(reply.status, reply.read().decode("utf-8", "replace"))
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.read().decode("utf-8", "replace"))
    except (OSError, ValueError) as error:
        return Answer(0, str(getattr(error, "reason", error)))


def ask_all(urls: Mapping[str, str], within: float) -> dict[str, Answer]:
    """Ask all at once. Who has not said everything in time is silent, however slowly it goes on: one holds up nobody."""
    said: dict[str, Answer] = {}

    def tell(name: str, url: str) -> None:
        said[name] = ask(url, timeout=within)

    threads = [threading.Thread(target=tell, args=item, daemon=True) for item in urls.items()]
    deadline = time.monotonic() + within
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return {name: said.get(name) or Answer(0, f"no answer within {within:g} s") for name in urls}
