# SPDX-License-Identifier: GPL-3.0-or-later
"""DNS -> edge -> app -> database, queue and bucket, as a visitor sees it."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any
from urllib.parse import urlsplit

import dns.message
import dns.query
import dns.rdatatype
import pytest

from bin.picture import picture
from tests.rehearsals.tier import until
from tests.visitors import MEDIA, SOCIAL, Site, Visitor

# Seconds for what the site does by itself.
SOON = 90


@pytest.mark.parametrize("server", ["dot", "franz"])
@pytest.mark.parametrize("name", [SOCIAL, MEDIA])
def test_both_name_servers_send_visitors_to_both_edges(site: Site, server: str, name: str) -> None:
    answer = dns.query.udp(dns.message.make_query(name, "A"), site.address(server), timeout=5)
    found = {item.address for rrset in answer.answer for item in rrset if rrset.rdtype == dns.rdatatype.A}
    assert found == {site.address("esme"), site.address("slappy")}


def test_the_instance_answers_over_http_2_and_plain_http_is_sent_to_tls(site: Site, visitor: Visitor) -> None:
    import socket
    import ssl

    context = ssl.create_default_context(cafile=visitor.ca)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection((visitor.edge, 443), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=SOCIAL) as tls,
    ):
        assert tls.selected_alpn_protocol() == "h2"
    with socket.create_connection((visitor.edge, 80), timeout=5) as plain:
        plain.sendall(f"GET /about HTTP/1.0\r\nHost: {SOCIAL}\r\n\r\n".encode())
        assert b"301" in plain.recv(200).splitlines()[0]


def test_a_picture_is_posted_read_by_its_read_name_and_cached(visitor: Visitor) -> None:
    uuid, png = secrets.token_hex(12), picture(secrets.randbelow(256))
    status = visitor.post_status("a picture", uuid, png)
    url = urlsplit(status["media_attachments"][0]["url"])
    assert url.netloc == MEDIA
    first, second = (visitor.get(url.path, name=MEDIA) for _ in range(2))
    assert (first.status, second.status) == (200, 200)
    assert first.data == second.data == png
    assert second.headers["X-Cache-Status"] == "HIT"
    assert second.headers["Content-Type"] == "image/png"


def test_each_edge_serves_a_picture_that_was_posted_through_the_other(site: Site) -> None:
    there, here = (Visitor(site, site.address(edge)) for edge in ("esme", "slappy"))
    png = picture(7)
    path = urlsplit(
        there.post_status("from the other edge", secrets.token_hex(12), png)["media_attachments"][0]["url"]
    ).path
    assert here.get(path, name=MEDIA).data == png


def test_a_status_is_on_the_timeline_and_its_job_runs_exactly_once(visitor: Visitor) -> None:
    uuid = secrets.token_hex(12)
    made = visitor.post_status("hello", uuid)

    def shown() -> dict[str, Any]:
        answer: dict[str, Any] = visitor.get(f"/api/v1/statuses/{made['id']}").json()
        return answer

    until(lambda: shown()["fan_out_runs"] >= 1, "the fan-out job ran", SOON)
    until(
        lambda: any(s["uuid"] == uuid for s in visitor.get("/api/v1/timelines/public").json()),
        "it is on the timeline",
        SOON,
    )
    time.sleep(1)
    assert shown()["fan_out_runs"] == 1


def test_the_same_post_sent_twice_is_one_status(visitor: Visitor) -> None:
    uuid = secrets.token_hex(12)
    fields = {"status": "once", "uuid": uuid}
    answers = [visitor.post("/api/v1/statuses", fields, **{"Idempotency-Key": uuid}) for _ in range(2)]
    assert [a.status for a in answers] == [200, 200]
    assert answers[0].json()["id"] == answers[1].json()["id"]


def test_nobody_posts_without_the_token(site: Site, visitor: Visitor) -> None:
    stranger = Visitor(site, visitor.edge, token="wrong")
    assert stranger.post("/api/v1/statuses", {"status": "spam", "uuid": "x"}).status == 401


def test_a_websocket_delivers_what_is_posted(visitor: Visitor) -> None:
    uuid = secrets.token_hex(12)
    with visitor.stream() as stream:
        visitor.post_status("live", uuid)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            message = json.loads(stream.recv(timeout=60))
            if message["event"] == "update" and uuid in message["payload"]:
                return
    pytest.fail("the status never came")


def test_the_old_media_url_still_leads_to_the_picture(visitor: Visitor) -> None:
    png = picture(9)
    status = visitor.post_status("an old link", secrets.token_hex(12), png)
    path = urlsplit(status["media_attachments"][0]["url"]).path
    answer = visitor.get(f"/system{path}")
    if answer.status in (301, 308):
        there = urlsplit(answer.headers["Location"])
        assert (there.netloc, there.path) == (MEDIA, path)
        answer = visitor.get(there.path, name=MEDIA)
    assert (answer.status, answer.data) == (200, png)


def test_a_hidden_picture_cannot_be_read_from_the_bucket(visitor: Visitor) -> None:
    status = visitor.post_status("to be hidden", secrets.token_hex(12), picture(3))
    media = status["media_attachments"][0]
    assert visitor.post(f"/api/v1/admin/media/{media['id']}/hide", {"x": "1"}).status == 200
    assert visitor.get(urlsplit(media["url"]).path, name=MEDIA).status in (403, 404)


def test_writing_methods_are_refused_on_the_read_name(visitor: Visitor) -> None:
    for method in ("PUT", "POST", "DELETE"):
        assert visitor.ask(method, MEDIA, "/x", body=b"").status == 405


def test_rails_sees_the_visitor_and_not_the_edge(site: Site, visitor: Visitor) -> None:
    status = visitor.post_status("where from", secrets.token_hex(12))
    assert status["created_from"] == site.controller
    forged = visitor.post(
        "/api/v1/statuses", {"status": "forged", "uuid": secrets.token_hex(12)}, **{"X-Forwarded-For": "203.0.113.7"}
    )
    assert forged.json()["created_from"] == site.controller


def test_every_queue_has_a_process_and_the_scheduler_exactly_one(visitor: Visitor) -> None:
    answer = visitor.ask("GET", SOCIAL, "/api/v1/admin/sidekiq", headers={"Authorization": f"Bearer {visitor.token}"})
    queues = [queue for process in answer.json()["processes"] for queue in process["queues"]]
    assert set(queues) == {"default", "push", "ingress", "mailers", "pull", "scheduler", "fasp"}
    assert queues.count("scheduler") == 1
