# SPDX-License-Identifier: GPL-3.0-or-later
"""Promises about questions over HTTP, asked of a real server on this machine."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from plugins.module_utils.fleet.checks import parse_url
from plugins.module_utils.fleet.ports import web
from tests.served import served


class Handler(BaseHTTPRequestHandler):
    """Answers with what it was asked."""

    def do_GET(self) -> None:
        if self.path == "/slow":
            time.sleep(2)
        moved = self.path == "/moved"
        body = b"x" * (3 << 20) if self.path == "/long" else f"{self.headers['Host']} {self.headers['X-Key']}".encode()
        self.send_response(301 if moved else 200)
        self.send_header("Content-Length", str(len(body)))
        if moved:
            self.send_header("Location", "http://elsewhere.example/")
        self.end_headers()
        try:
            self.wfile.write(body)
        except ConnectionError:
            return

    def log_message(self, *_: object) -> None:
        """Keep silent."""


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, int]]:
    with served(Handler) as port:
        yield "127.0.0.1", port


def test_the_name_is_kept_when_another_address_is_asked(server: tuple[str, int]) -> None:
    answer = web.request(parse_url("http://social.example/health"), "GET", {"X-Key": "k"}, server, None, 5)
    assert (answer.status, answer.body) == (200, "social.example k")


def test_a_host_header_of_ones_own_wins(server: tuple[str, int]) -> None:
    answer = web.request(parse_url("http://127.0.0.1/"), "GET", {"Host": "other.example"}, server, None, 5)
    assert answer.body == "other.example None"


def test_a_proxy_in_the_environment_is_not_asked(server: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/")
    assert web.request(parse_url(f"http://127.0.0.1:{server[1]}/"), "GET", {}, None, None, 5).status == 200


def test_a_redirect_is_reported_and_not_followed(server: tuple[str, int]) -> None:
    answer = web.request(parse_url("http://a.example/moved"), "GET", {}, server, None, 5)
    assert (answer.status, answer.location) == (301, "http://elsewhere.example/")


def test_a_long_body_is_read_in_part(server: tuple[str, int]) -> None:
    answer = web.request(parse_url("http://a.example/long"), "GET", {}, server, None, 5)
    assert answer.truncated
    assert web.MAX_BODY <= len(answer.body) <= web.MAX_BODY + 65536


def test_a_server_that_is_silent_is_not_waited_for(server: tuple[str, int]) -> None:
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        web.request(parse_url("http://a.example/slow"), "GET", {}, server, None, 0.2)
    assert time.monotonic() - start < 1


def test_what_went_wrong_is_said_in_words(server: tuple[str, int]) -> None:
    def why(url: str, ca_file: str | None = None) -> str:
        with pytest.raises(OSError, match=r"\S") as caught:
            web.request(parse_url(url), "GET", {}, ("127.0.0.1", 1) if "refused" in url else server, ca_file, 5)
        return web.explain(caught.value, ca_file)

    assert why("http://refused.example/") == "no connection: Connection refused"
    assert why("https://a.example/").startswith("no TLS: ")
    assert why("https://a.example/", "/no/ca.pem") == "the ca_file /no/ca.pem is not there"
    untrusted = ssl.SSLCertVerificationError(1, "verify failed")
    untrusted.verify_message = "Hostname mismatch"
    assert web.explain(untrusted, None) == "the certificate is not good: Hostname mismatch"
