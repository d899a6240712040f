# SPDX-License-Identifier: GPL-3.0-or-later
"""Speak with Redis and with Sentinel: their protocol needs no more than a socket, and no password comes near a command line."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Any, BinaryIO

Reply = Any


class RedisError(Exception):
    """The server answered, and its answer is a refusal."""


@dataclass(frozen=True)
class Login:
    """Who asks. An empty user is the server's default one; an empty password is nobody."""

    password: str = ""
    user: str = ""


class Connection:
    """One connection, made at the first question, and made again once if the server has closed it meanwhile."""

    def __init__(self, host: str, port: int, login: Login, timeout: float = 2.0) -> None:
        """Remember whom to ask; connect later."""
        self._place, self._login, self._timeout = (host, port), login, timeout
        self._file: BinaryIO | None = None
        self._socket: socket.socket | None = None

    def ask(self, *words: object) -> Reply:
        """Send a command and return the reply. Raise RedisError for a refusal, OSError where nobody answers."""
        had = self._socket is not None
        try:
            return self._ask(*words)
        except OSError as error:
            self.close()
            # Sentinel closes the connections of a server that it makes a replica: that is no reason to give up. Silence is another
            # thing: what was asked may still be done, and asked again it would be done twice, or too late.
            if not had or isinstance(error, TimeoutError):
                raise
        return self._ask(*words)

    def close(self) -> None:
        """Hang up."""
        for end in (self._file, self._socket):
            if end is not None:
                end.close()
        self._file = self._socket = None

    def _ask(self, *words: object) -> Reply:
        if self._socket is None:
            self._connect()
        return self._say(*words)

    def _connect(self) -> None:
        self._socket = socket.create_connection(self._place, timeout=self._timeout)
        self._file = self._socket.makefile("rb")
        if self._login.password:
            who = [self._login.user] if self._login.user else []
            self._say("AUTH", *who, self._login.password)

    def _say(self, *words: object) -> Reply:
        parts = [str(word).encode() for word in words]
        message = b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        if self._socket is None or self._file is None:
            raise ConnectionError("not connected")
        self._socket.sendall(message)
        return read(self._file)


def read(file: BinaryIO) -> Reply:
    """Read one reply of the protocol (RESP2)."""
    line = file.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionError("the server closed the connection")
    kind, rest = line[:1], line[1:-2]
    if kind == b"-":
        raise RedisError(rest.decode(errors="replace"))
    if kind == b"+":
        return rest.decode(errors="replace")
    if kind == b":":
        return int(rest)
    if kind == b"$":
        return _text(file, int(rest))
    if kind == b"*":
        return None if int(rest) < 0 else [_element(file) for _ in range(int(rest))]
    raise ConnectionError(f"this is not Redis: {line[:40]!r}")


def _text(file: BinaryIO, length: int) -> str | None:
    if length < 0:
        return None
    data = file.read(length + 2)
    if len(data) != length + 2:
        raise ConnectionError("the server closed the connection")
    return data[:-2].decode(errors="replace")


def _element(file: BinaryIO) -> Reply:
    # A refusal inside a list is an answer like the others; raised, it would leave the rest of the list unread.
    try:
        return read(file)
    except RedisError as error:
        return error
