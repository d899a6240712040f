# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes over the wire, read back without a network; real servers answer in the nameserver scenario."""

from __future__ import annotations

from collections.abc import Callable

import dns.query
import dns.tsig
import dns.update
import pytest

from plugins.module_utils.fleet.ports.dns_provider import Refused, Unanswered
from plugins.module_utils.fleet.ports.rfc2136 import Server, parse_key
from plugins.module_utils.fleet.records import Change, RecordSet

ZONE = "example.org."
KEY = "hmac-sha256:update:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


def sent(*changes: Change) -> dns.update.UpdateMessage:
    return Server("192.0.2.1", parse_key(KEY))._message(ZONE, changes)


def lines(section: list[dns.rrset.RRset]) -> list[str]:
    return [line for rrset in section for line in rrset.to_text().splitlines()]


def test_a_change_demands_what_it_was_planned_on_and_replaces_it_whole() -> None:
    before = RecordSet("a.example.org.", "A", 300, frozenset({"192.0.2.1"}))
    after = RecordSet("a.example.org.", "A", 60, frozenset({"192.0.2.2"}))
    message = sent(Change("a.example.org.", "A", before, after))
    assert lines(message.prerequisite) == ["a.example.org. 0 IN A 192.0.2.1"]
    assert lines(message.update) == ["a.example.org. ANY A", "a.example.org. 60 IN A 192.0.2.2"]


def test_an_addition_demands_that_nothing_is_there() -> None:
    after = RecordSet("a.example.org.", "A", 60, frozenset({"192.0.2.2"}))
    message = sent(Change("a.example.org.", "A", None, after, ("A", "CNAME")))
    assert lines(message.prerequisite) == ["a.example.org. NONE A", "a.example.org. NONE CNAME"]


def test_removals_come_before_additions() -> None:
    cname = RecordSet("a.example.org.", "CNAME", 300, frozenset({"b.example.org."}))
    address = RecordSet("a.example.org.", "A", 300, frozenset({"192.0.2.1"}))
    message = sent(Change("a.example.org.", "A", None, address, ("A",)), Change("a.example.org.", "CNAME", cname, None))
    assert lines(message.update) == ["a.example.org. ANY CNAME", "a.example.org. 300 IN A 192.0.2.1"]


def test_a_zone_is_never_without_name_servers() -> None:
    before = RecordSet(ZONE, "NS", 300, frozenset({"ns1.example.org.", "ns2.example.org."}))
    after = RecordSet(ZONE, "NS", 300, frozenset({"ns2.example.org.", "ns3.example.org."}))
    message = sent(Change(ZONE, "NS", before, after))
    assert lines(message.update) == [
        "example.org. 300 IN NS ns2.example.org.",
        "example.org. 300 IN NS ns3.example.org.",
        "example.org. 0 NONE NS ns1.example.org.",
    ]


def test_a_long_text_is_one_value() -> None:
    text = 'v=DKIM1; p="' + "é" * 300
    after = RecordSet("a.example.org.", "TXT", 60, frozenset({text}))
    message = sent(Change("a.example.org.", "TXT", None, after, ("TXT",)))
    [rdata] = message.update[0]
    assert b"".join(rdata.strings).decode() == text
    assert max(map(len, rdata.strings)) <= 255


@pytest.mark.parametrize("text", ["update:xyz=", "hmac-md5:update:MDEy", "hmac-sha256:update:not base64", ""])
def test_a_key_that_is_none_or_too_weak_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="hmac-sha256"):
        parse_key(text)


def test_a_key_never_shows_its_secret() -> None:
    assert "MDEy" not in repr(parse_key(KEY))


def test_a_server_that_is_not_there_is_unanswered() -> None:
    with pytest.raises(Unanswered, match=r"127\.0\.0\.1"):
        Server("127.0.0.1", parse_key(KEY), port=1, timeout=1).read(ZONE)


@pytest.mark.parametrize("ask", [lambda there: there.read(ZONE), lambda there: there.update(ZONE, [])])
def test_a_server_whose_clock_is_another_says_so_and_not_that_the_key_is_wrong(
    ask: Callable[[Server], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_late(*_: object, **__: object) -> None:
        raise dns.tsig.PeerBadTime

    monkeypatch.setattr(dns.query, "inbound_xfr", too_late)
    monkeypatch.setattr(dns.query, "tcp", too_late)
    with pytest.raises(Refused, match=r"BADTIME.*date -u"):
        ask(Server("192.0.2.1", parse_key(KEY)))
