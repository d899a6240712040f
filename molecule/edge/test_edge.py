# SPDX-License-Identifier: GPL-3.0-or-later
"""What an edge promises, asked from outside while the actors behind it (files/actors.py) misbehave by script.

verify.yml runs this on the controller with EDGE, ACTORS, MOVED, IMPOSTOR (addresses) and CA (a file) in the environment.
"""

from __future__ import annotations

import base64
import concurrent.futures
import http.client
import itertools
import json
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

EDGE, ACTORS = os.environ["EDGE"], os.environ["ACTORS"]
WEB, MEDIA = "social.upstairs.test", "media.upstairs.test"
TRUST = ssl.create_default_context(cafile=os.environ["CA"])
FRESH = (f"{os.getpid()}{number}" for number in itertools.count())
IMMUTABLE = "public, max-age=31536000, immutable"


@dataclass
class Answer:
    status: int
    body: bytes
    headers: list[tuple[str, str]]
    whole: bool = True

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def one(self, name: str) -> str:
        return ", ".join(self.all(name))


def ask(target: str, host: str = MEDIA, method: str = "GET", body: bytes = b"", **headers: Any) -> Answer:
    """Ask the edge over TLS. The target goes out byte by byte: no client tidies it up on the way."""
    fields = {"Host": host, "Connection": "close", **{k.replace("_", "-"): v for k, v in headers.items()}}
    if body:
        fields.setdefault("Content-Length", str(len(body)))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    with (
        socket.create_connection((EDGE, 443), timeout=30) as plain,
        TRUST.wrap_socket(plain, server_hostname=host) as tls,
    ):
        tls.sendall("\r\n".join(lines).encode("latin-1") + body)
        response = http.client.HTTPResponse(tls, method=method)
        try:
            response.begin()
            try:
                return Answer(response.status, response.read(), response.getheaders())
            except http.client.IncompleteRead as cut:
                return Answer(response.status, cut.partial, response.getheaders(), whole=False)
        finally:
            response.close()


def plain(target: str, host: str) -> Answer:
    connection = http.client.HTTPConnection(EDGE, 80, timeout=10)
    connection.request("GET", target, headers={"Host": host})
    response = connection.getresponse()
    answer = Answer(response.status, response.read(), response.getheaders())
    connection.close()
    return answer


class Actors:
    """Tells the actors what to do and reads their notes."""

    def _tell(self, method: str, path: str, what: Any = None) -> Any:
        connection = http.client.HTTPConnection(ACTORS, 9000, timeout=15)
        connection.request(method, path, json.dumps(what) if what is not None else None)
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return answer

    def reset(self) -> None:
        self._tell("DELETE", "/seen")

    def play(self, actor: str, path: str, **script: Any) -> None:
        self._tell("PUT", "/script", {"actor": actor, "path": path, **script})

    def down(self, actor: str, down: bool = True) -> None:
        self._tell("PUT", "/down", {"actor": actor, "down": down})

    def move_bucket(self, address: str) -> None:
        self._tell("PUT", "/dns", {"address": address})

    def fetch(self, host: str, path: str, headers: dict[str, str]) -> Any:
        return self._tell("PUT", "/fetch", {"address": EDGE, "host": host, "path": path, "headers": headers})

    def seen(self, *actors: str) -> list[dict[str, Any]]:
        return [note for note in self._tell("GET", "/seen")["seen"] if not actors or note["actor"] in actors]

    def peak(self, actor: str) -> int:
        return int(self._tell("GET", "/seen")["peak"].get(actor, 0))


@pytest.fixture
def actors() -> Iterator[Actors]:
    company = Actors()
    company.reset()
    yield company
    company.reset()


@pytest.fixture
def key() -> str:
    """Return a key that nobody asked for before."""
    return f"/media_attachments/files/{next(FRESH)}/original/picture.png"


def recover() -> None:
    """Wait until nginx has forgotten failures and absences (a second each in this scenario; it counts whole seconds)."""
    time.sleep(2.1)


def together(number: int, target: str) -> list[Answer]:
    with concurrent.futures.ThreadPoolExecutor(number) as pool:
        return list(pool.map(ask, [target] * number))


# Media: what is where


def test_a_file_of_the_bucket_is_fetched_once_and_then_comes_from_the_cache(actors: Actors, key: str) -> None:
    actors.play("bucket", key, body="in the bucket", headers={"Content-Type": "image/png"})
    first, second = ask(key), ask(key)
    assert (first.status, first.body, first.one("X-Cache-Status")) == (200, b"in the bucket", "MISS")
    assert (second.status, second.body, second.one("X-Cache-Status")) == (200, b"in the bucket", "HIT")
    assert second.one("Content-Type") == "image/png"
    assert second.one("Cache-Control") == IMMUTABLE
    assert [note["path"] for note in actors.seen()] == [f"/media{key}"]


@pytest.mark.parametrize("missing", [403, 404])
def test_a_file_that_only_the_old_disk_has_is_served_whichever_way_the_bucket_says_missing(
    actors: Actors, key: str, missing: int
) -> None:
    actors.play("bucket", key, status=missing)
    actors.play("disk", key, body="on the disk")
    first, second = ask(key), ask(key)
    assert (first.status, first.body, first.one("Cache-Control")) == (200, b"on the disk", IMMUTABLE)
    assert (second.body, second.one("X-Cache-Status")) == (b"on the disk", "HIT")
    assert len(actors.seen("disk")) == 1


def test_the_old_disk_is_not_asked_for_what_the_bucket_has(actors: Actors, key: str) -> None:
    actors.play("bucket", key, body="new")
    actors.play("disk", key, body="old")
    assert ask(key).body == b"new"
    assert not actors.seen("disk")


def test_what_nobody_has_is_missing_and_the_answer_tells_nothing_of_the_bucket(actors: Actors, key: str) -> None:
    answer = ask(key)
    assert (answer.status, answer.one("Content-Type")) == (404, "text/plain")
    assert b"AccessDenied" not in answer.body
    assert answer.one("Cache-Control") == "public, max-age=1"


@pytest.mark.parametrize(
    "target",
    [
        "/media_attachments/files/111/original/hidden%20picture.png",
        "/media_attachments/files/%31%31%31/original/hidden%20picture.p%6eg",
        "/media_attachments/files/111/original/hidden%20picture.png?again",
        "/accounts/avatars/000/013/original/face.png",
        "/backups/dumps/1/original/archive.zip",
        "/b%61ckups/dumps/1/original/archive.zip",
    ],
)
def test_what_was_hidden_on_purpose_is_refused_however_it_is_spelled_and_whoever_has_it(
    actors: Actors, target: str
) -> None:
    for actor in ("bucket", "disk"):
        actors.play(actor, target.partition("?")[0], body="hidden")
    assert ask(target).status == 404
    assert not actors.seen()


def test_missing_is_forgotten_after_seconds_whatever_the_tiers_say_about_it(actors: Actors, key: str) -> None:
    forever = {
        "Cache-Control": "public, max-age=31536000",
        "Expires": "Thu, 01 Jan 2037 00:00:00 GMT",
        "X-Accel-Expires": "86400",
    }
    actors.play("bucket", key, status=404, headers=forever)
    actors.play("disk", key, status=404, headers=forever)
    assert ask(key).status == 404
    actors.play("bucket", key, body="uploaded now")
    recover()
    assert ask(key).body == b"uploaded now"


def test_missing_in_the_bucket_is_remembered_for_the_bucket_alone(actors: Actors, key: str) -> None:
    actors.play("bucket", key, status=404, headers={"Cache-Control": "max-age=600"})
    actors.play("disk", key, body="on the disk")
    assert [ask(key).body for _ in range(3)] == [b"on the disk"] * 3


# Media: what is refused


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "PROPFIND"])
def test_a_writing_request_reaches_no_tier(actors: Actors, key: str, method: str) -> None:
    actors.play("disk", key, body="on the disk")
    answer = ask(key, method=method, body=b"x")
    assert (answer.status, answer.one("Allow")) == (405, "GET, HEAD, OPTIONS")
    assert not actors.seen()


def test_a_preflight_is_answered_here(actors: Actors, key: str) -> None:
    answer = ask(key, method="OPTIONS", Origin="https://else.where", Access_Control_Request_Method="GET")
    assert answer.status == 204
    assert answer.all("Access-Control-Allow-Origin") == ["*"]
    assert "GET" in answer.one("Access-Control-Allow-Methods")
    assert "Range" in answer.one("Access-Control-Allow-Headers")
    assert not actors.seen()


@pytest.mark.parametrize(
    "target",
    [
        "/x%0d%0aX-Inj:%201",
        "/x%0aX-Inj:%201",
        "/x%00.png",
        "/x%7f",
        "/a/../b.png",
        "/a/./b.png",
        "/a/%2e%2e/b.png",
        "/a/.%2E/backups/dumps/1",
        "/a%2fb.png",
        "/a%5c..%5cb.png",
        "/a\\..\\b.png",
        "/a//b.png",
        "//else.where/b.png",
        "/a/b.png/",
        "/a/..",
    ],
)
def test_a_path_that_could_mean_something_else_to_the_next_one_reaches_no_tier(actors: Actors, target: str) -> None:
    assert ask(target).status in (400, 404)
    assert not actors.seen()


@pytest.mark.parametrize(
    "target",
    ["/", "/?list-type=2", "/?max-keys=1&prefix=backups", "/accounts/", "/accounts/?delimiter=/", "?list-type=2"],
)
def test_nothing_can_be_listed(actors: Actors, target: str) -> None:
    assert ask(target).status in (400, 404)
    assert not actors.seen()


def test_an_absolute_target_is_read_as_its_path(actors: Actors, key: str) -> None:
    actors.play("bucket", key, body="in the bucket")
    assert ask(f"https://{MEDIA}{key}").body == b"in the bucket"
    assert ask(f"https://{MEDIA}").status == 404
    assert len(actors.seen()) == 1


def test_a_query_reaches_no_tier_and_makes_no_second_copy(actors: Actors, key: str) -> None:
    actors.play("bucket", key, body="in the bucket")
    ask(f"{key}?X-Amz-Signature=abc&acl")
    assert ask(f"{key}?1").one("X-Cache-Status") == "HIT"
    assert ask(key).one("X-Cache-Status") == "HIT"
    assert [note["path"] for note in actors.seen()] == [f"/media{key}"]


def test_an_escaped_key_reaches_both_tiers_as_it_was_written(actors: Actors) -> None:
    written = f"/site_uploads/files/{next(FRESH)}/a%20b%3f%23%25%e2%82%ac+~.png"
    actors.play("disk", written, body="on the disk")
    assert ask(written).body == b"on the disk"
    assert [note["path"] for note in actors.seen()] == [f"/media{written}", written]


# Media: what is passed on and what is not


def test_a_tier_hears_nothing_of_the_visitor(actors: Actors, key: str) -> None:
    private: dict[str, Any] = dict.fromkeys(
        ("Cookie", "Authorization", "Referer", "X-Amz-Acl", "X-Forwarded-For", "Range-Unit"), "secret"
    )
    ask(key, **private)
    told = [[name.lower() for name, _ in note["headers"]] for note in actors.seen()]
    assert told == [["host"], ["host"]]
    assert dict(actors.seen("bucket")[0]["headers"])["Host"] == "s3.upstairs.test"


# What a bucket may say to its clients, and a visitor must not hear.
LOUD = {
    "Set-Cookie": "a=b",
    "x-amz-request-id": "tx1",
    "x-amz-meta-mtime": "1",
    "x-amz-anything": "1",
    "x-rgw-object-type": "Normal",
    "Cache-Control": "private",
    "Expires": "0",
    "Vary": "Origin",
    "Strict-Transport-Security": "max-age=1",
    "Alt-Svc": "h3=':443'",
    "Content-Security-Policy": "default-src *",
    "X-Accel-Redirect": "/edge-health",
    "Access-Control-Allow-Origin": "https://social",
    "Content-Type": "image/png",
    "ETag": '"e1"',
    "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT",
}


def test_a_visitor_hears_nothing_of_a_tier(actors: Actors, key: str) -> None:
    actors.play("bucket", key, body="picture", headers=LOUD)
    for answer in (ask(key), ask(key)):
        assert answer.body == b"picture"
        names = sorted(
            name.lower() for name, _ in answer.headers if name.lower() not in ("server", "date", "connection")
        )
        assert names == [
            "accept-ranges",
            "access-control-allow-origin",
            "cache-control",
            "content-length",
            "content-security-policy",
            "content-type",
            "etag",
            "last-modified",
            "strict-transport-security",
            "x-cache-status",
            "x-content-type-options",
        ]
        assert answer.all("Cache-Control") == [IMMUTABLE]
        assert answer.all("Content-Security-Policy") == ["default-src 'none'; form-action 'none'"]
        assert answer.all("X-Content-Type-Options") == ["nosniff"]


def test_every_answer_may_be_read_by_every_page_and_says_so_exactly_once(actors: Actors, key: str) -> None:
    own = {"Access-Control-Allow-Origin": "*"}
    actors.play("bucket", key, body="x", headers=own)
    actors.play("disk", f"{key}.disk", body="x", headers=own)
    actors.play("bucket", f"{key}.broken", status=500, headers=own)
    answers = [ask(f"{key}{end}") for end in ("", ".disk", ".none", ".broken")]
    answers += [ask(key, method="POST"), ask("/"), ask(key, Range="bytes=9-")]
    assert [answer.status for answer in answers] == [200, 200, 404, 503, 405, 404, 416]
    assert [answer.all("Access-Control-Allow-Origin") for answer in answers] == [["*"]] * len(answers)


# Media: parts of files


def test_a_part_of_a_file_is_a_part_although_the_bucket_does_not_offer_any(actors: Actors, key: str) -> None:
    actors.play("bucket", key, body="0123456789")
    for part, body in (("bytes=0-1", b"01"), ("bytes=4-", b"456789")):
        answer = ask(key, Range=part)
        assert (answer.status, answer.body) == (206, body)
    beyond = ask(key, Range="bytes=10-")
    assert (beyond.status, beyond.one("Content-Range"), beyond.one("Cache-Control")) == (
        416,
        "bytes */10",
        "public, max-age=1",
    )
    assert len(actors.seen()) == 1


def test_a_head_has_the_length_and_no_body(actors: Actors, key: str) -> None:
    actors.play("bucket", key, body="0123456789")
    answer = ask(key, method="HEAD")
    assert (answer.status, answer.one("Content-Length"), answer.body) == (200, "10", b"")


def test_a_look_at_a_file_does_not_pull_it_over_the_old_disks_uplink(actors: Actors, key: str) -> None:
    actors.play("disk", key, body="0123456789" * 100, ranges=True)
    assert ask(key, method="HEAD").one("Content-Length") == "1000"
    probe = ask(key, Range="bytes=0-1")
    assert (probe.status, probe.body, probe.one("Content-Range")) == (206, b"01", "bytes 0-1/1000")
    assert [(note["method"], dict(note["headers"]).get("Range")) for note in actors.seen("disk")] == [
        ("HEAD", None),
        ("GET", "bytes=0-1"),
    ]


def test_a_player_that_seeks_pulls_the_file_over_the_uplink_once(actors: Actors, key: str) -> None:
    actors.play("disk", key, body="0123456789" * 1000, ranges=True)
    answers = [ask(key, Range=part) for part in ("bytes=500-509", "bytes=0-", "bytes=0-4999", "bytes=9990-")]
    assert [(answer.status, len(answer.body)) for answer in answers] == [
        (206, 10),
        (206, 10000),
        (206, 5000),
        (206, 10),
    ]
    assert len(actors.seen("disk")) == 1


def test_many_who_ask_at_once_fetch_a_file_once(actors: Actors, key: str) -> None:
    actors.play("bucket", key, status=404)
    actors.play("disk", key, body="popular", delay=0.3)
    assert {answer.body for answer in together(12, key)} == {b"popular"}
    assert len(actors.seen("disk")) == 1


# Media: when something is broken


@pytest.mark.parametrize("actor", ["bucket", "disk"])
@pytest.mark.parametrize("length", [True, False], ids=["with-length", "without-length"])
def test_a_body_that_was_cut_off_is_not_kept(actors: Actors, key: str, actor: str, length: bool) -> None:
    actors.play(actor, key, body="a whole picture", cut=5, length=length)
    assert ask(key).body == b"a who"
    actors.play(actor, key, body="a whole picture")
    again = ask(key)
    assert (again.body, again.whole) == (b"a whole picture", True)


def test_a_body_that_was_cut_off_looks_cut_off_to_the_visitor(actors: Actors, key: str) -> None:
    actors.play("bucket", key, body="a whole picture", cut=5)
    assert not ask(key).whole


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 301, 307, 400, 401])
def test_an_unwell_bucket_leads_nobody_to_the_old_disk(actors: Actors, key: str, status: int) -> None:
    actors.play(
        "bucket",
        key,
        status=status,
        body="<Error><BucketName>media</BucketName></Error>",
        headers={"Location": "https://bucket.elsewhere/"},
    )
    actors.play("disk", key, body="on the disk")
    answer = ask(key)
    assert (answer.status, answer.one("Cache-Control"), answer.one("Location")) == (503, "no-store", "")
    assert b"BucketName" not in answer.body
    assert not actors.seen("disk")
    actors.play("bucket", key, body="well again")
    assert ask(key).body == b"well again"


@pytest.mark.parametrize("how", [{"hang_up": True}, {"delay": 12}], ids=["hangs-up", "hangs"])
def test_a_bucket_that_does_not_answer_leads_nobody_to_the_old_disk(
    actors: Actors, key: str, how: dict[str, Any]
) -> None:
    actors.play("bucket", key, **how)
    actors.play("disk", key, body="on the disk")
    assert ask(key).status == 503
    assert not actors.seen("disk")


def test_a_bucket_that_is_gone_leads_nobody_to_the_old_disk_and_cached_files_live_on(actors: Actors, key: str) -> None:
    actors.play("bucket", key, body="in the bucket")
    ask(key)
    actors.down("bucket")
    assert ask(f"{key}.other").status == 503
    assert ask(key).body == b"in the bucket"
    assert not actors.seen("disk")


def test_an_old_disk_that_is_gone_is_said_at_once_and_the_bucket_serves_on(actors: Actors, key: str) -> None:
    actors.play("bucket", key, body="in the bucket")
    actors.down("disk")
    answer = ask(f"{key}.old")
    assert (answer.status, answer.one("Cache-Control")) == (503, "no-store")
    assert ask(key).body == b"in the bucket"
    actors.down("disk", False)
    actors.play("disk", f"{key}.old", body="back")
    recover()
    assert ask(f"{key}.old").body == b"back"


def test_an_old_disk_that_hangs_makes_only_the_first_visitors_wait(actors: Actors, key: str) -> None:
    # nginx gives up after two failures of a server within a second, and looks again a second later: on a slow machine the first visitors
    # wait to different ends, and that second is over before all later ones have asked. In one of five turns it is not.
    for turn in range(5):
        pictures = [f"{key}.{turn}.{number}" for number in range(8)]
        for picture in pictures:
            actors.play("disk", picture, delay=30)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            first = list(pool.map(ask, pictures[:4]))
        assert {answer.status for answer in (*first, *map(ask, pictures[4:]))} == {503}
        reached = {note["path"] for note in actors.seen("disk")}
        assert reached.intersection(pictures[:4])
        if not reached.issuperset(pictures[4:]):
            break
    else:
        pytest.fail("every visitor waited for the old disk")
    recover()


def test_the_old_disk_carries_no_more_at_once_than_it_can_bear(actors: Actors, key: str) -> None:
    keys = [f"{key}.{number}" for number in range(16)]
    for each in keys:
        actors.play("disk", each, body="slow", delay=1)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        statuses = [answer.status for answer in pool.map(ask, keys)]
    assert 1 <= actors.peak("disk") <= 4
    assert set(statuses) == {200, 503}


def test_a_bucket_that_moved_is_found_at_its_new_address(actors: Actors, key: str) -> None:
    ask(f"{key}.before")
    actors.move_bucket(os.environ["MOVED"])
    time.sleep(2.2)
    ask(f"{key}.after")
    assert [note["at"] for note in actors.seen("bucket")] == [ACTORS, os.environ["MOVED"]]


def test_a_bucket_without_a_good_certificate_is_not_believed(actors: Actors, key: str) -> None:
    actors.play("bucket", key, body="forged")
    actors.move_bucket(os.environ["IMPOSTOR"])
    time.sleep(2.2)
    assert ask(key).status == 503
    assert not actors.seen()


# The application


def notes_of(answer: Answer) -> dict[str, str]:
    return {name.lower(): value for name, value in json.loads(answer.body)["headers"]}


def test_the_application_hears_one_address_and_it_is_not_the_visitors_claim(actors: Actors) -> None:
    claims = (
        "X-Forwarded-For",
        "X-Real-IP",
        "Client-Ip",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Ssl",
        "Forwarded",
    )
    steers = ("Proxy", "X-Sendfile-Type", "X-Accel-Mapping")
    lies: dict[str, Any] = dict.fromkeys((*claims, *steers), "192.0.2.66")
    heard = notes_of(ask("/", WEB, **lies))
    own = heard["x-forwarded-for"]
    assert own not in ("192.0.2.66", EDGE, ACTORS)
    assert "," not in own
    assert (heard["x-real-ip"], heard["x-forwarded-proto"], heard["x-forwarded-host"], heard["host"]) == (
        own,
        "https",
        WEB,
        WEB,
    )
    assert not {"client-ip", "forwarded", "x-forwarded-ssl", "proxy", "x-sendfile-type", "x-accel-mapping"} & set(heard)


def test_a_proxy_of_ours_may_say_whom_it_speaks_for(actors: Actors) -> None:
    told = json.loads(actors.fetch(WEB, "/", {"X-Forwarded-For": "192.0.2.66, 198.51.100.7"})["body"])["headers"]
    assert [value for name, value in told if name == "X-Forwarded-For"] == ["198.51.100.7"]


def test_a_post_that_was_sent_is_not_sent_to_another_host(actors: Actors) -> None:
    for web in ("web-1", "web-2"):
        actors.play(web, "/api/v1/statuses", hang_up=True)
    answer = ask("/api/v1/statuses", WEB, "POST", b"status=once")
    assert answer.status == 502
    assert len(actors.seen("web-1", "web-2")) == 1
    recover()


def test_a_post_is_never_written_into_a_connection_that_the_application_may_be_closing(actors: Actors) -> None:
    for _ in range(12):
        assert ask("/api/v1/statuses", WEB).status == 200
        assert ask("/api/v1/statuses", WEB, "POST", b"status=once").status == 200
    ways = {
        method: [(note["actor"], *note["from"]) for note in actors.seen() if note["method"] == method]
        for method in ("GET", "POST")
    }
    assert len({*ways["GET"]}) < len(ways["GET"]) == 12, "no connection is kept: this proves nothing"
    assert len({*ways["POST"]}) == len(ways["POST"]) == 12
    assert not {*ways["GET"]} & {*ways["POST"]}


def test_a_post_that_could_not_be_sent_goes_to_another_host(actors: Actors) -> None:
    actors.down("web-1")
    assert [ask("/api/v1/statuses", WEB, "POST", b"status=once").status for _ in range(6)] == [200] * 6
    assert len(actors.seen("web-2")) == 6
    actors.down("web-1", False)
    recover()


def test_a_page_whose_host_hangs_up_comes_from_another_host(actors: Actors) -> None:
    actors.play("web-1", "/about", hang_up=True)
    assert [ask("/about", WEB).status for _ in range(4)] == [200] * 4
    recover()


def test_a_host_that_drains_gets_no_request(actors: Actors) -> None:
    for _ in range(12):
        ask("/", WEB)
    assert {note["actor"] for note in actors.seen()} == {"web-1", "web-2"}


def test_an_error_of_the_application_is_the_applications(actors: Actors) -> None:
    for web in ("web-1", "web-2"):
        actors.play(web, "/oops", status=500, body="our own page")
        actors.play(web, "/busy", status=503, body='{"error":"our own"}')
    assert (ask("/oops", WEB).body, ask("/busy", WEB).body) == (b"our own page", b'{"error":"our own"}')


def test_when_no_host_answers_people_see_a_page_and_programs_when_to_come_back(actors: Actors) -> None:
    for web in ("web-1", "web-2"):
        actors.down(web)
    answer = ask("/", WEB)
    assert (answer.status, answer.one("Retry-After"), answer.one("Cache-Control")) == (502, "10", "no-store")
    assert b"Back in a moment" in answer.body
    assert answer.all("Strict-Transport-Security") == ["max-age=31536000"]
    actors.reset()
    recover()
    assert ask("/", WEB).status == 200


def test_a_large_upload_arrives_once_and_a_larger_one_is_refused_before_it_is_sent(actors: Actors) -> None:
    body = bytes(20_000_000)
    assert ask("/api/v2/media", WEB, "POST", body).status == 200
    assert [note["bytes"] for note in actors.seen()] == [len(body)]
    assert ask("/api/v2/media", WEB, "POST", Content_Length=str(100 * 1024 * 1024)).status == 413
    assert len(actors.seen()) == 1


def test_a_static_file_is_kept_for_good_and_asked_for_without_the_visitor(actors: Actors) -> None:
    path = f"/packs/application-{next(FRESH)}.js"
    for web in ("web-1", "web-2"):
        actors.play(web, path, body="x" * 2000, headers={"Cache-Control": "private", "Set-Cookie": "a=b"})
    first, second = ask(path, WEB, Cookie="_session_id=secret"), ask(f"{path}?again", WEB)
    assert (first.one("X-Cache-Status"), second.one("X-Cache-Status")) == ("MISS", "HIT")
    assert (second.all("Cache-Control"), second.all("Set-Cookie")) == ([IMMUTABLE], [])
    assert "Cookie" not in dict(actors.seen()[0]["headers"])
    assert len(actors.seen()) == 1


def test_a_file_that_keeps_its_name_is_asked_for_again_some_day(actors: Actors) -> None:
    assert "immutable" not in ask("/emoji/1f600.svg", WEB).one("Cache-Control")


def test_a_static_file_that_one_host_does_not_have_yet_comes_from_another(actors: Actors) -> None:
    for number in range(4):
        path = f"/packs/new-{next(FRESH)}-{number}.js"
        actors.play("web-1", path, status=404)
        actors.play("web-2", path, body="new")
        assert ask(path, WEB).body == b"new"


def test_a_missing_static_file_is_not_kept(actors: Actors) -> None:
    path = f"/packs/late-{next(FRESH)}.js"
    for web in ("web-1", "web-2"):
        actors.play(web, path, status=404)
    answer = ask(path, WEB)
    assert (answer.status, answer.one("Cache-Control")) == (404, "no-store")
    for web in ("web-1", "web-2"):
        actors.play(web, path, body="late")
    assert ask(path, WEB).body == b"late"


def test_an_old_address_of_a_picture_leads_to_the_read_name(actors: Actors, key: str) -> None:
    answer = ask(f"/system{key}?1700000000", WEB)
    assert (answer.status, answer.one("Location")) == (301, f"https://{MEDIA}{key}")
    assert ask("/system/a%0d%0aX:1", WEB).status == 404
    assert ask("/system/../etc", WEB).one("Location") == ""
    assert not actors.seen("bucket", "disk")


# Streaming


def test_a_websocket_reaches_streaming(actors: Actors) -> None:
    request = (
        f"GET /api/v1/streaming/?stream=user HTTP/1.1\r\nHost: {WEB}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\n\r\n"
    )
    with socket.create_connection((EDGE, 443), timeout=10) as raw, TRUST.wrap_socket(raw, server_hostname=WEB) as tls:
        tls.sendall(request.encode())
        said = b""
        while not said.endswith(b"hello"):
            piece = tls.recv(4096)
            assert piece, said
            said += piece
    assert said.startswith(b"HTTP/1.1 101 ")
    assert actors.seen("streaming")[0]["path"] == "/api/v1/streaming/?stream=user"


def test_an_event_arrives_when_it_happens(actors: Actors) -> None:
    with socket.create_connection((EDGE, 443), timeout=30) as raw, TRUST.wrap_socket(raw, server_hostname=WEB) as tls:
        tls.sendall(f"GET /api/v1/streaming/public HTTP/1.1\r\nHost: {WEB}\r\n\r\n".encode())
        said = b""
        while b"event: one" not in said:
            piece = tls.recv(4096)
            assert piece, said
            said += piece
    # Streaming says the second ten seconds later: who keeps back what it says sends both at once.
    assert b"event: two" not in said


# Names and TLS


def test_plain_http_leads_to_https_for_our_names_and_nowhere_for_others() -> None:
    for host in (WEB, MEDIA):
        answer = plain("/a/b?c=d", host)
        assert (answer.status, answer.one("Location")) == (301, f"https://{host}/a/b?c=d")
    assert (plain("/", "else.where").status, plain("/", EDGE).status) == (404, 404)


def test_a_name_that_is_not_ours_gets_no_certificate_and_no_page(actors: Actors) -> None:
    context = ssl.create_default_context(cafile=os.environ["CA"])
    with (
        socket.create_connection((EDGE, 443), timeout=10) as raw,
        pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"),
    ):
        context.wrap_socket(raw, server_hostname="else.where")
    assert ask("/", WEB, Host="else.where").status == 421
    assert not actors.seen()


@pytest.mark.parametrize(
    ("arguments", "works"), [(["--tls-max", "1.1"], False), (["--tls-max", "1.2"], True), (["--tlsv1.3"], True)]
)
def test_only_tls_that_still_gets_updates_is_spoken(arguments: list[str], works: bool) -> None:
    assert (curl(WEB, "/", *arguments).returncode == 0) is works


def curl(host: str, path: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [
        "curl",
        "-s",
        "--cacert",
        os.environ["CA"],
        "--connect-to",
        f"::{EDGE}:443",
        *arguments,
        f"https://{host}{path}",
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("host", [WEB, MEDIA])
def test_http_2_is_spoken(host: str) -> None:
    assert curl(host, "/a/b.png", "--http2", "-o", "/dev/null", "-w", "%{http_version}").stdout == "2"


@pytest.mark.parametrize("host", [WEB, MEDIA])
def test_this_edge_says_that_it_is_in(host: str) -> None:
    assert (
        ask("/edge-health", host).status,
        plain("/edge-health", host).status,
        plain("/edge-health", EDGE).status,
    ) == (200, 200, 200)


@pytest.mark.parametrize("port", [8081])
def test_the_counters_are_not_for_visitors(port: int) -> None:
    with pytest.raises(OSError, match=r"refused|timed out"):
        socket.create_connection((EDGE, port), timeout=3).close()
    assert ask("/status", WEB).one("Content-Type") != "text/plain"
