# SPDX-License-Identifier: GPL-3.0-or-later
"""The protocol of Redis, against a server of our own."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Iterator

import pytest

from plugins.module_utils.fleet.ports.redis import Connection, Login, RedisError, read


@pytest.mark.parametrize(
    ("wire", "reply"),
    [
        (b"+PONG\r\n", "PONG"),
        (b":12\r\n", 12),
        (b"$5\r\na\r\nb!\r\n", "a\r\nb!"),
        (b"$-1\r\n", None),
        (b"*-1\r\n", None),
        (b"*2\r\n$1\r\na\r\n*1\r\n:1\r\n", ["a", [1]]),
    ],
)
def test_every_kind_of_reply_is_read(wire: bytes, reply: object) -> None:
    assert read(io.BytesIO(wire)) == reply


def test_a_refusal_is_raised_and_a_cut_connection_too() -> None:
    with pytest.raises(RedisError, match="NOAUTH"):
        read(io.BytesIO(b"-NOAUTH Authentication required.\r\n"))
    for cut in (b"", b"$10\r\nshort", b"HTTP/1.1 400\r\n"):
        with pytest.raises(ConnectionError):
            read(io.BytesIO(cut))


@pytest.fixture
def server() -> Iterator[tuple[int, list[bytes]]]:
    """Answer OK to everything, hang up after the second command of the first connection."""
    heard: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for commands in (2, 10):
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            for _ in range(commands):
                data = peer.recv(4096)
                if not data:
                    break
                heard.append(data)
                peer.sendall(b"+OK\r\n")
            peer.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1], heard
    listener.close()
    thread.join(2)


def test_who_asks_says_so_first_and_again_when_the_server_hung_up(server: tuple[int, list[bytes]]) -> None:
    port, heard = server
    connection = Connection("127.0.0.1", port, Login("p w", "admin"))
    assert [connection.ask("PING"), connection.ask("PING")] == ["OK", "OK"]
    connection.close()
    login = b"*3\r\n$4\r\nAUTH\r\n$5\r\nadmin\r\n$3\r\np w\r\n"
    assert heard == [login, b"*1\r\n$4\r\nPING\r\n", login, b"*1\r\n$4\r\nPING\r\n"]


def test_nobody_there_is_an_error_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(OSError, match="refused"):
        Connection("127.0.0.1", port, Login()).ask("PING")
