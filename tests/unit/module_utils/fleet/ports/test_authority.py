# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers asked over real sockets of this machine, each with a fault of its own."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from plugins.module_utils.fleet.ports import authority
from plugins.module_utils.fleet.ports.authority import Authorities
from plugins.module_utils.fleet.ports.dns_provider import Unanswered
from plugins.module_utils.fleet.records import RecordSet
from plugins.module_utils.fleet.split_verify import judge

ZONE, MEDIA = "example.org.", "media.example.org."
RECORDS = {
    (MEDIA, "A"): (300, ["192.0.2.1", "192.0.2.2"]),
    (MEDIA, "AAAA"): (300, ["2001:db8::1"]),
    (ZONE, "SOA"): (3600, ["ns1 hostmaster 1 900 120 1209600 60"]),
    (ZONE, "NS"): (300, ["NS1.example.org.", "ns2.example.org."]),
}
WANTED = frozenset(
    {
        RecordSet(MEDIA, "A", 300, frozenset({"192.0.2.1", "192.0.2.2"})),
        RecordSet(MEDIA, "AAAA", 300, frozenset({"2001:db8::1"})),
    }
)
Twist = Callable[[dns.message.Message], None]


def nothing(_: dns.message.Message) -> None:
    """Answer as it is."""


def answer(wire: bytes, twist: Twist, tcp: bool) -> tuple[bytes, dns.message.Message]:
    query = dns.message.from_wire(wire)
    reply = dns.message.make_response(query)
    reply.flags |= dns.flags.AA
    [asked] = query.question
    found = RECORDS.get((asked.name.to_text(), dns.rdatatype.to_text(asked.rdtype)))
    if found:
        origin = dns.name.from_text(ZONE)
        reply.answer.append(
            dns.rrset.from_text_list(
                asked.name, found[0], "IN", asked.rdtype, found[1], origin=origin, relativize=False
            )
        )
    twist(reply)
    if reply.flags & dns.flags.TC and tcp:
        reply.flags &= ~dns.flags.TC
        reply.answer = [
            dns.rrset.from_text_list(asked.name, 300, "IN", asked.rdtype, found[1]) for found in [found] if found
        ]
    return reply.to_wire(), query


class Played:
    """A name server by UDP and TCP at one port."""

    def __init__(self, twist: Twist, host: str) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.udp, self.tcp = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_STREAM)
        self.tcp.bind((host, 0))
        self.port = self.tcp.getsockname()[1]
        self.udp.bind((host, self.port))
        self.tcp.listen()
        self.twist = twist
        self.queries: list[dns.message.Message] = []
        for serve in (self._by_udp, self._by_tcp):
            threading.Thread(target=serve, daemon=True).start()

    def _by_udp(self) -> None:
        while True:
            try:
                wire, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            reply, query = answer(wire, self.twist, tcp=False)
            self.queries.append(query)
            self.udp.sendto(reply, peer)

    def _by_tcp(self) -> None:
        while True:
            try:
                connection, _ = self.tcp.accept()
            except OSError:
                return
            with connection:
                length = int.from_bytes(connection.recv(2), "big")
                reply, _ = answer(connection.recv(length), self.twist, tcp=True)
                connection.sendall(len(reply).to_bytes(2, "big") + reply)

    def close(self) -> None:
        # Wakes whoever waits in accept; closing alone does not.
        self.tcp.shutdown(socket.SHUT_RDWR)
        self.tcp.close()
        self.udp.close()


@contextmanager
def played(twist: Twist = nothing, host: str = "127.0.0.1") -> Iterator[Played]:
    server = Played(twist, host)
    try:
        yield server
    finally:
        server.close()


def asking(server: Played, *addresses: str, rounds: int = 1) -> Authorities:
    return Authorities(ZONE, {"ns1.": addresses or ("127.0.0.1",)}, port=server.port, rounds=rounds, timeout=5)


def faults(server: Played, rounds: int = 1) -> tuple[str, ...]:
    return judge(asking(server, rounds=rounds).survey(["ns1."], [MEDIA]), {MEDIA: WANTED}).faults


def test_a_server_is_asked_for_both_kinds_of_addresses_without_recursion_as_often_as_told() -> None:
    with played() as server:
        assert faults(server, rounds=3) == ()
        assert len(server.queries) == 3 * len(authority.KINDS)
        assert not any(query.flags & dns.flags.RD for query in server.queries)


def test_an_answer_that_is_cut_short_is_asked_for_again_by_tcp() -> None:
    def cut(reply: dns.message.Message) -> None:
        reply.flags |= dns.flags.TC
        reply.answer.clear()

    with played(cut) as server:
        assert faults(server) == ()


def test_a_server_that_fails_or_has_no_authority_is_named() -> None:
    with played(lambda reply: reply.set_rcode(dns.rcode.SERVFAIL)) as server:
        assert faults(server) == (f"ns1. (127.0.0.1): {MEDIA}: answers SERVFAIL",)

    def without_authority(reply: dns.message.Message) -> None:
        reply.flags &= ~dns.flags.AA

    with played(without_authority) as server:
        assert "without authority" in faults(server)[0]


def test_a_name_that_is_not_there_is_an_answer() -> None:
    with played(lambda reply: reply.set_rcode(dns.rcode.NXDOMAIN)) as server:
        seen = asking(server).survey(["ns1."], ["other.example.org."])
        assert seen.answers[0].records == frozenset()
        assert not seen.answers[0].error


def test_what_a_cname_leads_to_is_another_names() -> None:
    def chased(reply: dns.message.Message) -> None:
        reply.answer = [
            dns.rrset.from_text(MEDIA, 60, "IN", "CNAME", "Edge.example.org."),
            dns.rrset.from_text("edge.example.org.", 60, "IN", "A", "192.0.2.7"),
        ]

    with played(chased) as server:
        [one] = asking(server).survey(["ns1."], [MEDIA]).answers
        assert one.records == {RecordSet(MEDIA, "CNAME", 60, frozenset({"edge.example.org."}))}


def test_nobody_at_an_address_is_a_failure_with_the_address() -> None:
    nobody = Authorities(ZONE, {"ns1.": ("127.0.0.1",)}, port=1, rounds=1, timeout=0.01)
    [one] = nobody.survey(["ns1."], [MEDIA]).answers
    assert one.error.startswith("no answer")


def test_a_server_that_gave_no_answer_is_not_asked_again() -> None:
    with played(lambda reply: reply.set_rcode(dns.rcode.SERVFAIL)) as server:
        [fault] = faults(server, rounds=3)
        assert "SERVFAIL" in fault
        assert len(server.queries) == 1


def test_an_address_of_a_family_that_the_host_lacks_is_not_silently_good() -> None:
    with played() as server:
        both = Authorities(ZONE, {"ns1.": ("127.0.0.1", "2001:db8::53")}, families=(4,), port=server.port, rounds=1)
        assert both.reach("ns1.") == ("127.0.0.1",)
        only = Authorities(ZONE, {"ns1.": ("2001:db8::53",)}, families=(4,), port=server.port, rounds=1)
        assert judge(only.survey(["ns1."], [MEDIA]), {MEDIA: WANTED}).faults == (
            "ns1.: has no address, so it could not be asked",
        )


def test_a_server_that_nobody_can_resolve_has_no_address() -> None:
    unknown = Authorities(ZONE, rounds=1)
    assert unknown.survey(["ns1.example.invalid."], [MEDIA]).servers == {"ns1.example.invalid.": ()}


def test_absence_is_remembered_for_the_shorter_of_the_soas_ttl_and_its_minimum() -> None:
    with played() as server:
        assert asking(server).negative_ttl(["ns1."]) == 60


def test_nobody_who_knows_how_long_absence_is_remembered_is_no_answer() -> None:
    with played(lambda reply: reply.answer.clear()) as server, pytest.raises(Unanswered, match="no SOA"):
        asking(server).negative_ttl(["ns1."])


def test_a_delegation_is_read_from_the_parents_referral(monkeypatch: pytest.MonkeyPatch) -> None:
    def referral(reply: dns.message.Message) -> None:
        reply.flags &= ~dns.flags.AA
        reply.authority, reply.answer = reply.answer, []

    with played(referral) as server:
        ask = authority.question
        monkeypatch.setattr(authority, "question", lambda at, n, k, _, timeout: ask(at, n, k, server.port, timeout))
        assert authority.delegation(ZONE, ["127.0.0.1"]) == ("ns1.example.org.", "ns2.example.org.")


def test_a_zone_that_no_parent_delegates_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with played(lambda reply: reply.answer.clear()) as server:
        ask = authority.question
        monkeypatch.setattr(authority, "question", lambda at, n, k, _, timeout: ask(at, n, k, server.port, timeout))
        with pytest.raises(Unanswered, match="delegated=false"):
            authority.delegation(ZONE, ["127.0.0.1"])
