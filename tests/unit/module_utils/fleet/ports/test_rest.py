# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions over HTTP to many at once."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from plugins.module_utils.fleet.ports.rest import ask_all


@pytest.fixture
def slow() -> Iterator[str]:
    """Serve an answer that never ends: each byte comes in time, the last one never."""
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection:
            connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while not ended.wait(0.05):
                connection.sendall(b" ")

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=drip, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    ended.set()
    listener.close()


def test_the_time_is_for_all_together_and_for_whole_answers(slow: str) -> None:
    began = time.monotonic()
    said = ask_all(dict.fromkeys(("alice", "dot", "nixie"), slow), 0.3)
    assert time.monotonic() - began < 0.8
    assert {name: answer.status for name, answer in said.items()} == {"alice": 0, "dot": 0, "nixie": 0}


def test_nobody_is_asked_nothing() -> None:
    assert ask_all({}, 1) == {}
