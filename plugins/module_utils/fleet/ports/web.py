# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a web server one question: no proxy, no redirect followed, certificates verified, an end to the waiting."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Mapping

from ..checks import Response, Url

MAX_BODY = 1 << 20


def request(
    url: Url,
    method: str,
    headers: Mapping[str, str],
    connect_to: tuple[str, int] | None,
    ca_file: str | None,
    timeout: float,
    sent: bytes | None = None,
) -> Response:
    """Return what the server answered.

    ``connect_to`` is where to connect instead of what the name resolves to; Host header and certificate stay the name's.
    """
    deadline = time.monotonic() + timeout
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = kind(url.host, url.port, timeout=timeout)
    plain = socket.create_connection(connect_to or (url.host, url.port), timeout)
    try:
        connection.sock = _secured(plain, url, ca_file) if url.scheme == "https" else plain
        connection.request(
            method, url.target, body=sent, headers={"User-Agent": "upstairs-probe", **headers, "Connection": "close"}
        )
        answer = connection.getresponse()
        body, truncated = _body(answer, deadline)
        said = {name.lower(): value for name, value in answer.getheaders()}
        return Response(answer.status, answer.reason, said.get("location", ""), body, truncated, said)
    finally:
        connection.close()
        plain.close()


def _secured(plain: socket.socket, url: Url, ca_file: str | None) -> ssl.SSLSocket:
    return ssl.create_default_context(cafile=ca_file).wrap_socket(plain, server_hostname=url.host)


def _body(answer: http.client.HTTPResponse, deadline: float) -> tuple[str, bool]:
    read = b""
    while len(read) < MAX_BODY:
        if time.monotonic() > deadline:
            raise TimeoutError
        piece = answer.read1(65536)
        if not piece:
            return read.decode(errors="replace"), False
        read += piece
    return read.decode(errors="replace"), True


def explain(error: Exception, ca_file: str | None) -> str:
    """Return why a request failed, in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not good: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"no TLS: {error.reason or error}"
    if isinstance(error, FileNotFoundError) and ca_file:
        return f"the ca_file {ca_file} is not there"
    if isinstance(error, socket.gaierror):
        return f"the name cannot be resolved ({error.strerror})"
    if isinstance(error, OSError):
        return f"no connection: {error.strerror or error}"
    return f"no valid answer: {type(error).__name__}: {error}"
