# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the network: which sockets listen, what a web server answers."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Mapping
from pathlib import Path

from ..checks import Response, Socket, Url, parse_sockets

MAX_BODY = 1 << 20


def listening() -> set[Socket]:
    """Return every socket of this host on which somebody listens."""
    found: set[Socket] = set()
    for protocol in ("tcp", "udp"):
        for table in (f"/proc/net/{protocol}", f"/proc/net/{protocol}6"):
            path = Path(table)
            if path.exists():  # no tcp6 where IPv6 is off
                found |= parse_sockets(path.read_text(encoding="ascii"), protocol)
    return found


def request(
    url: Url, method: str, headers: Mapping[str, str], connect_to: tuple[str, int] | None, ca_file: str | None, timeout: float
) -> Response:
    """Ask one question over HTTP: no proxy, no redirect followed, certificates verified, an end to the waiting.

    ``connect_to`` is where to connect instead; name and certificate stay those of the URL.
    """
    deadline = time.monotonic() + timeout
    plain = socket.create_connection(connect_to or (url.host, url.port), timeout)
    connection = http.client.HTTPConnection(url.host, url.port, timeout=timeout)
    try:
        connection.sock = _secured(plain, url, ca_file) if url.scheme == "https" else plain
        # So that the Host header carries the port only where it is not the scheme's own.
        connection.default_port = 443 if url.scheme == "https" else 80  # type: ignore[misc]
        connection.request(method, url.target, headers={"User-Agent": "upstairs-probe", **headers, "Connection": "close"})
        answer = connection.getresponse()
        body, truncated = _body(answer, plain, deadline)
        return Response(answer.status, answer.reason, answer.getheader("Location") or "", body, truncated)
    finally:
        connection.close()
        plain.close()


def _secured(plain: socket.socket, url: Url, ca_file: str | None) -> ssl.SSLSocket:
    return ssl.create_default_context(cafile=ca_file).wrap_socket(plain, server_hostname=url.host)


def _body(answer: http.client.HTTPResponse, plain: socket.socket, deadline: float) -> tuple[str, bool]:
    read = b""
    while len(read) < MAX_BODY:
        if time.monotonic() > deadline:
            raise TimeoutError("the answer did not end in time")
        piece = answer.read1(65536)
        if not piece:
            return read.decode(errors="replace"), False
        read += piece
    return read.decode(errors="replace"), True


def explain(error: Exception, ca_file: str | None) -> str:
    """Return why a request failed, in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not good: {error.verify_message}"
    if isinstance(error, FileNotFoundError) and ca_file:
        return f"the ca_file {ca_file} is not there"
    if isinstance(error, socket.gaierror):
        return f"the name cannot be resolved ({error.strerror})"
    if isinstance(error, OSError):
        return f"no connection: {error.strerror or error}"
    return f"no valid answer: {type(error).__name__}: {error}"
