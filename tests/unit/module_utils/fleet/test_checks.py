# SPDX-License-Identifier: GPL-3.0-or-later
"""Promises about the questions and answers of probe."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.module_utils.fleet import checks
from plugins.module_utils.fleet.checks import Finding, Response, Socket
from plugins.module_utils.fleet.units import Unit

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:18EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000   105        0 1 1 0 100 0 0 10 0
   1: 0B012C0A:18EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000   105        0 2 1 0 100 0 0 10 0
   2: 0B012C0A:0016 01002C0A:D431 01 00000000:00000000 02:000AF23C 00000000     0        0 3 2 0 20 4 30 10 -1
"""
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue
   0: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 00000000:00000000
   1: 00000000000000000000000001000000:0035 00000000000000000000000000000000:0000 0A 00000000:00000000
   2: 0000000000000000FFFF00000B012C0A:0947 00000000000000000000000000000000:0000 0A 00000000:00000000
"""


def test_listening_sockets_are_read_and_connections_are_not() -> None:
    assert {str(found) for found in checks.parse_sockets(TCP, "tcp")} == {"127.0.0.1:6379", "10.44.1.11:6379"}


def test_addresses_of_ipv6_are_read_and_mapped_ones_are_ipv4() -> None:
    assert {str(found) for found in checks.parse_sockets(TCP6, "tcp")} == {"[::]:443", "[::1]:53", "10.44.1.11:2375"}


@given(st.ip_addresses(), st.integers(1, 65535))
def test_any_socket_that_the_kernel_prints_is_read_back(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int
) -> None:
    words = address.packed
    printed = "".join(words[i : i + 4][::-1].hex().upper() for i in range(0, len(words), 4))
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    table = f"header\n 0: {printed}:{port:04X} 00:00 07 rest\n"
    assert checks.parse_sockets(table, "udp") == {Socket("udp", str(mapped or address), port)}


@given(st.ip_addresses(), st.integers(1, 65535), st.sampled_from(["tcp", "udp"]))
def test_a_socket_is_asked_for_as_it_is_written(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int, protocol: str
) -> None:
    socket = Socket(protocol, str(address), port)
    assert checks.parse_listen(str(socket)) == socket


@pytest.mark.parametrize(
    "text", ["6379", "10.44.1.11", "10.44.1.11:0", "10.44.1.11:70000", "sctp/1.2.3.4:5", "::1:53", "redis:6379", ""]
)
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        checks.parse_listen(text)


def test_listening_must_be_exactly_there() -> None:
    wanted = checks.parse_listen("10.44.1.11:6379")
    here, loopback = wanted, Socket("tcp", "127.0.0.1", 6379)
    everywhere, other = Socket("tcp", "0.0.0.0", 6379), Socket("tcp", "10.44.1.11", 22)  # noqa: S104 - as text
    assert checks.judge_listen(wanted, {here, loopback, other}).ok
    assert checks.judge_listen(wanted, {loopback}) == Finding(
        False, "port 6379 is listened on at 127.0.0.1:6379, not at 10.44.1.11:6379"
    )
    assert checks.judge_listen(wanted, {other}) == Finding(False, "nobody listens on port 6379 (tcp)")
    assert not checks.judge_listen(wanted, {everywhere}).ok
    wider = checks.judge_listen(wanted, {everywhere, here})
    assert not wider.ok
    assert "wider" in wider.said


def test_udp_and_tcp_are_two_things() -> None:
    assert not checks.judge_listen(checks.parse_listen("udp/10.44.1.14:53"), {Socket("tcp", "10.44.1.14", 53)}).ok


def test_a_star_is_every_address_of_either_family() -> None:
    wanted = checks.parse_listen("*:443")
    assert checks.judge_listen(wanted, {Socket("tcp", "::", 443)}).ok
    assert not checks.judge_listen(wanted, {Socket("tcp", "127.0.0.1", 443)}).ok
    assert not checks.judge_listen(checks.parse_listen("0.0.0.0:443"), {Socket("tcp", "::", 443)}).ok


def test_a_unit_must_be_up_and_start_at_boot() -> None:
    unit = Unit("a.service", load="loaded", active="active", sub="running", file="enabled")
    assert checks.judge_unit(unit, enabled=True).ok
    assert checks.judge_unit(replace(unit, file="disabled"), enabled=False).ok
    off = checks.judge_unit(replace(unit, file="disabled"), enabled=True)
    assert off == Finding(False, "a.service is active (running), disabled: it will not start at boot")
    dead = checks.judge_unit(replace(unit, active="failed", sub="failed", result="exit-code", status="2"), enabled=True)
    assert dead == Finding(False, "a.service is failed (failed), result exit-code, exit status 2, enabled")
    assert checks.judge_unit(Unit("a.service"), enabled=False) == Finding(False, "a.service is unknown to systemd")


def test_a_command_must_end_as_wanted_and_say_what_it_should() -> None:
    assert checks.judge_command("redis-cli ping", 0, "x\nPONG\n", 0, "^PONG$").ok
    wrong = checks.judge_command("redis-cli ping", 0, "NOAUTH", 0, "^PONG$")
    assert wrong == Finding(False, "`redis-cli ping` exited 0 and said: NOAUTH (wanted: a match of '^PONG$')")
    assert not checks.judge_command("x", 1, "PONG", 0, "PONG").ok
    assert checks.judge_command("x", None, "there is no program x", 0, None) == Finding(
        False, "`x`: there is no program x"
    )


def test_an_answer_over_http_must_have_the_status_and_the_text() -> None:
    asked = "GET http://a/"
    assert checks.judge_http(asked, Response(200, "OK", "", "running"), [200], "run").ok
    moved = checks.judge_http(asked, Response(301, "Moved", "https://a/", ""), [200], None)
    assert moved == Finding(False, "GET http://a/ answered 301 Moved, to https://a/: nothing (wanted: 200)")
    cut = checks.judge_http(asked, Response(200, "OK", "", "x", truncated=True), [200, 204], "run")
    assert "wanted: 'run' in its first part" in cut.said


def test_a_url_is_taken_apart_and_a_password_in_it_refused() -> None:
    assert checks.parse_url("https://a.example/b?c=d") == checks.Url("https", "a.example", 443, "/b?c=d")
    assert checks.parse_url("http://[::1]:8008") == checks.Url("http", "::1", 8008, "/")
    for bad in ("ftp://a/", "http://", "http://u:geheim@a/", "a.example", "http://a:99999/"):
        with pytest.raises(ValueError, match=r"\S") as caught:
            checks.parse_url(bad)
        assert "geheim" not in str(caught.value)


def test_values_that_must_not_be_shown_are_hidden_longest_first() -> None:
    assert checks.without("key sesame-open sesame 15", ["sesame", "sesame-open", "15"]) == "key [hidden] [hidden] 15"


def test_what_is_shown_is_short_and_printable() -> None:
    assert checks.shown("a\x1b[31m\n\nb" + "c" * 1000).startswith("a [31m b")
    assert len(checks.shown("c" * 1000)) < 320
    assert checks.shown(" \n") == "nothing"


def test_a_failure_names_each_false_check_and_not_the_good_ones() -> None:
    findings = {"It runs": Finding(False, "it is down"), "It answers": Finding(True, "PONG")}
    message = checks.failure(findings, ["It runs"], 30.2, {"a.service": "line"})
    assert (
        message == "1 of 2 checks was false after 30 s:\n- It runs: it is down\nThe last log lines of a.service:\nline"
    )
