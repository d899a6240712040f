# SPDX-License-Identifier: GPL-3.0-or-later
"""What proves a target."""

from __future__ import annotations

from typing import Any

import pytest

from plugins.module_utils.fleet.checks import Response, Url
from plugins.module_utils.fleet.records import Mistake
from plugins.module_utils.fleet.split_probes import fly, judge, parse
from tests.unit.module_utils.fleet.dns_simulator import split

HTTP = {"url": "https://media.example.org/logo.png"}
CANARY = {"url": "https://s3.example.org/media", "access_key": "key", "secret_key": "hidden away"}


def refused(**entry: Any) -> str:
    with pytest.raises(Mistake) as mistake:
        parse([{"name": "it", "role": "read", **entry}], split())
    return str(mistake.value)


def test_a_probe_asks_for_the_name_that_it_proves() -> None:
    assert "asks for www.example.org" in refused(http={"url": "https://www.example.org/"})
    assert "asks for s3.example.org" in refused(http={"url": "https://s3.example.org/"})
    below = {"name": "it", "role": "write", "canary": {**CANARY, "url": "https://bucket.s3.example.org/media"}}
    assert parse([below], split())[0].role == "write"


def test_a_probe_is_of_one_kind() -> None:
    assert "exactly one of" in refused()
    assert "exactly one of" in refused(http=HTTP, tcp=80)
    assert "no port" in refused(tcp=0)
    assert "not a http:// or https:// URL" in refused(http={"url": "ftp://media.example.org/"})
    assert "bucket" in refused(role="write", canary={**CANARY, "url": "https://s3.example.org/media?x=1"})
    assert "bucket" in refused(role="write", canary={**CANARY, "url": "https://s3.example.org/"})


def request(**http: Any) -> list[str]:
    [probe] = parse([{"name": "it", "role": "read", "http": {**HTTP, **http}}], split())
    assert probe.request
    headers = {"access-control-allow-origin": "https://social.example.org"}
    return judge(probe.request, "192.0.2.1", Response(206, "Partial Content", "", "ab", headers=headers))


def test_status_text_and_headers_of_the_answer_are_judged() -> None:
    assert request(status=[206], contains="ab", answers={"Access-Control-Allow-Origin": "social"}) == []
    assert "asked at 192.0.2.1" in request()[0]
    assert "wanted: 'xy'" in request(status=[206], contains="xy")[0]
    assert (
        "access-control-allow-origin: https://social.example.org"
        in request(status=[206], answers={"Access-Control-Allow-Origin": r"^\*$"})[0]
    )
    assert "nothing" in request(status=[206], answers={"Accept-Ranges": "bytes"})[0]


class Store:
    """An object store that can lose its memory or its locks."""

    def __init__(self, *broken: str) -> None:
        self.objects: dict[str, bytes] = {}
        self.broken = broken
        self.asked: list[str] = []

    def send(self, method: str, url: Url, payload: bytes) -> Response:
        self.asked.append(method)
        if method in self.broken:
            return Response(403, "Forbidden", "", "")
        if method == "PUT":
            self.objects[url.target] = payload
        if method == "DELETE":
            self.objects.pop(url.target, None)
            return Response(204, "No Content", "", "")
        if url.target not in self.objects:
            return Response(404, "Not Found", "", "")
        return Response(200, "OK", "", self.objects[url.target].decode())


def flown(store: Store) -> list[str]:
    [probe] = parse([{"name": "it", "role": "write", "canary": CANARY}], split())
    assert probe.canary
    return fly(probe.canary, "abc", "192.0.2.1", store.send)


def test_a_canary_is_written_read_and_gone_again() -> None:
    store = Store()
    assert flown(store) == []
    assert store.asked == ["PUT", "HEAD", "GET", "DELETE", "HEAD"]
    assert store.objects == {}


def test_a_canary_that_cannot_be_read_is_removed_all_the_same() -> None:
    store = Store("GET")
    [fault] = flown(store)
    assert "403" in fault
    assert store.objects == {}


def test_a_canary_that_cannot_be_removed_is_a_fault() -> None:
    assert len(flown(Store("DELETE"))) == 2


def test_without_a_write_nothing_is_read() -> None:
    store = Store("PUT")
    assert len(flown(store)) == 1
    assert store.asked == ["PUT"]


def test_no_probe_shows_its_secret_or_its_headers() -> None:
    probes = parse(
        [
            {"name": "a", "role": "write", "canary": CANARY},
            {"name": "b", "role": "read", "http": {**HTTP, "headers": {"Authorization": "hidden away"}}},
        ],
        split(),
    )
    assert "hidden away" not in repr(probes)


def test_a_canary_is_removed_too_when_the_store_is_silent_while_it_is_read() -> None:
    store = Store()

    def silent(method: str, url: Url, payload: bytes) -> Response:
        answer = store.send(method, url, payload)
        if method == "GET":
            raise TimeoutError
        return answer

    [probe] = parse([{"name": "it", "role": "write", "canary": CANARY}], split())
    assert probe.canary
    with pytest.raises(TimeoutError):
        fly(probe.canary, "abc", "192.0.2.1", silent)
    assert store.objects == {}
