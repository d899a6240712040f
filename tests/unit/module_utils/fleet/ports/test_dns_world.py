# SPDX-License-Identifier: GPL-3.0-or-later
"""Targets probed at addresses of this machine, whatever the name resolves to."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from plugins.module_utils.fleet.ports import dns_world
from plugins.module_utils.fleet.ports.dns_provider import Receipt, Refused
from plugins.module_utils.fleet.ports.dns_world import RealWorld
from plugins.module_utils.fleet.records import Mistake, RecordSet
from tests.served import served


class Store(BaseHTTPRequestHandler):
    """Takes an object from whoever signs."""

    objects: dict[str, bytes] = {}  # noqa: RUF012 - one store for all requests

    def answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Host", self.headers["Host"])
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self) -> None:
        found = {"/p": b"picture", **self.objects}.get(self.path)
        self.answer(404 if found is None else 200, found or b"")

    do_HEAD = do_GET

    def do_PUT(self) -> None:
        signed = "Credential=key/" in self.headers.get("Authorization", "")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if signed:
            self.objects[self.path] = body
        # As stores do, it names the key that it does not know.
        self.answer(200 if signed else 405, b"" if signed else self.headers.get("Authorization", "").encode())

    def do_DELETE(self) -> None:
        self.objects.pop(self.path, None)
        self.answer(204)

    def log_message(self, *_: object) -> None:
        """Keep silent."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with served(Store) as found:
        yield found


def declared(**change: Any) -> dict[str, Any]:
    return {
        "id": "media",
        "owner": "upstairs",
        "zone": "example.org",
        "read": {"name": "media", "addresses": ["127.0.0.1"]},
        "write": {"name": "s3", "addresses": ["127.0.0.2"]},
        "ttl": 300,
        "transit_ttl": 5,
        "probes": [],
        "server_addresses": {"ns1": ["192.0.2.53"]},
        "server_port": 53,
        "families": [4],
        "rounds": 1,
        "timeout": 5.0,
        "provider_options": {},
        "credentials": {},
        "provider": "rfc2136",
        **change,
    }


def world(*probes: dict[str, Any]) -> RealWorld:
    return dns_world.prober(declared(probes=list(probes)))


def at(*values: str, kind: str = "A") -> frozenset[RecordSet]:
    return frozenset([RecordSet("media.example.org.", kind, 5, frozenset(values))])


def http(port: int, **more: Any) -> dict[str, Any]:
    return {"name": "It serves", "role": "read", "http": {"url": f"http://media.example.org:{port}/p", **more}}


def test_the_name_is_asked_for_at_the_new_address(port: int) -> None:
    good = world(http(port, contains="picture", answers={"X-Host": "^media.example.org:"}))
    assert good.probe("read", at("127.0.0.1")) == []


def test_nobody_writes_through_the_read_name(port: int) -> None:
    assert world(http(port, method="PUT", status=[405])).probe("read", at("127.0.0.1")) == []


def test_every_address_is_asked(port: int) -> None:
    [fault] = world(http(port)).probe("read", at("127.0.0.1", "127.0.0.9"))
    assert fault.startswith("It serves: at 127.0.0.9: no connection")


def test_a_name_without_a_probe_is_not_proven(port: int) -> None:
    assert "no probe is declared for the write name" in world(http(port)).probe("write", at("127.0.0.1"))[0]


def test_a_port_that_takes_connections_is_a_probe(port: int) -> None:
    assert world({"name": "It listens", "role": "read", "tcp": port}).probe("read", at("127.0.0.1")) == []
    assert world({"name": "It listens", "role": "read", "tcp": 1}).probe("read", at("127.0.0.1"))


def test_a_canary_flies_to_the_address(port: int) -> None:
    canary = {"url": f"http://s3.example.org:{port}/media", "access_key": "key", "secret_key": "secret"}
    assert world({"name": "It takes", "role": "write", "canary": canary}).probe("write", at("127.0.0.1")) == []
    assert Store.objects == {}


def test_a_canary_that_is_refused_tells_neither_key_nor_secret(port: int) -> None:
    canary = {"url": f"http://s3.example.org:{port}/media", "access_key": "unknown-key", "secret_key": "secret-key"}
    [fault] = world({"name": "It takes", "role": "write", "canary": canary}).probe("write", at("127.0.0.1"))
    assert "405" in fault
    assert "Credential=[hidden]/" in fault


def test_a_name_that_nobody_can_resolve_is_a_fault_and_no_crash(port: int) -> None:
    [fault] = world(http(port)).probe("read", at("edge.example.invalid.", kind="CNAME"))
    assert "finds no address of edge.example.invalid." in fault


def test_a_prober_touches_no_provider() -> None:
    with pytest.raises(Refused):
        world().read()
    with pytest.raises(Refused):
        world().provider.write([], {})
    with pytest.raises(Refused):
        world().settled(Receipt())
    assert not world().verify({}).ok
    assert world().delegation()


def test_what_is_declared_is_judged_by_what_the_provider_can_do() -> None:
    given = {"server": "192.0.2.1"}
    key = {"key": "hmac-sha256:update:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}
    made = dns_world.connect(declared(provider_options=given, credentials=key))
    assert made.split.zone == "example.org."
    assert made.authorities.reach("ns1.example.org.") == ("192.0.2.53",)
    both = {"name": "s3", "addresses": ["127.0.0.1"]}
    with pytest.raises(Mistake, match="both lead to"):
        dns_world.connect(declared(provider_options=given, credentials=key, write=both))
    with pytest.raises(Mistake, match="rounds"):
        dns_world.connect(declared(provider_options=given, credentials=key, rounds=0))


def test_the_clock_is_of_this_boot() -> None:
    first, second = world().now(), world().now()
    assert first.boot
    assert (second.elapsed_since(first) or 0) >= 0


@pytest.mark.parametrize(
    ("where", "what", "said"),
    [
        ("provider_options", {"token": "hidden away"}, "token belongs into credentials"),
        ("credentials", {"timeout": 60}, "timeout belongs into provider_options"),
    ],
)
def test_secrets_are_where_they_are_hidden_and_nothing_else_is(where: str, what: dict[str, Any], said: str) -> None:
    given: dict[str, Any] = {"provider_options": {}, "credentials": {}, where: what}
    with pytest.raises(Mistake, match=said) as mistake:
        dns_world.connect(declared(**given))
    assert "hidden away" not in str(mistake.value)


def test_a_header_that_cannot_be_sent_is_not_repeated_in_the_message(port: int) -> None:
    secret = "Bearer hidden-away\n"
    [fault] = world(http(port, headers={"Authorization": secret})).probe("read", at("127.0.0.1"))
    assert "header value" in fault
    assert "hidden-away" not in fault
