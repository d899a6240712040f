# SPDX-License-Identifier: GPL-3.0-or-later
"""Promises about what a host listens on, before and after."""

from __future__ import annotations

import pytest

from plugins.module_utils.fleet.checks import parse_listen
from plugins.module_utils.fleet.listening import Difference, difference, lasting

EPHEMERAL = range(32768, 61000)


def words(*sockets: str) -> list[str]:
    return lasting([parse_listen(one) for one in sockets], EPHEMERAL)


def test_what_only_the_host_itself_reaches_is_left_out() -> None:
    assert words("127.0.0.1:6379", "127.0.0.53:53", "[::1]:53", "10.44.1.11:6379") == ["10.44.1.11:6379"]


def test_who_waits_for_an_answer_by_udp_is_no_server() -> None:
    assert words("udp/0.0.0.0:53", "udp/0.0.0.0:32768", "udp/[::]:60999", "0.0.0.0:40000") == [
        "0.0.0.0:40000",
        "udp/0.0.0.0:53",
    ]


def test_they_are_told_by_their_ports() -> None:
    assert words("[::]:443", "udp/0.0.0.0:53", "0.0.0.0:443", "0.0.0.0:22", "0.0.0.0:22") == [
        "0.0.0.0:22",
        "0.0.0.0:443",
        "[::]:443",
        "udp/0.0.0.0:53",
    ]


def test_what_is_missing_and_what_is_new_are_named() -> None:
    found = difference(["0.0.0.0:22", "0.0.0.0:443"], ["0.0.0.0:22", "0.0.0.0:6379"], [])
    assert found == Difference(("0.0.0.0:443",), ("0.0.0.0:6379",))
    assert "any more on 0.0.0.0:443" in str(found)
    assert "listens on 0.0.0.0:6379, where nobody did" in str(found)


def test_a_wider_address_is_another_socket() -> None:
    assert difference(["10.44.1.11:6379"], ["0.0.0.0:6379"], [])


def test_the_same_is_no_difference() -> None:
    assert not difference(["0.0.0.0:22"], ["0.0.0.0:22"], [])


@pytest.mark.parametrize(
    ("pattern", "counts"),
    [("udp/*:68", False), ("udp/10.0.0.2:68", False), ("*", False), ("udp/*:6", True), ("*:68x", True), ("68", True)],
)
def test_what_comes_and_goes_is_said_by_a_pattern(pattern: str, counts: bool) -> None:
    assert bool(difference([], ["udp/10.0.0.2:68"], [pattern])) is counts
    assert bool(difference(["udp/10.0.0.2:68"], [], [pattern])) is counts


def test_brackets_and_dots_of_a_pattern_are_themselves() -> None:
    assert not difference([], ["[::]:443"], ["[::]:443"])
    assert difference([], ["10.44.1.11:1"], ["10.44.1x11:1"])
    assert difference([], [":::443"], ["[::]:443"])
