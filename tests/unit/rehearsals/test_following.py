# SPDX-License-Identifier: GPL-3.0-or-later
"""Visitors who follow a name: what they are told counts for its TTL, and whoever answers may tell them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rehearsals.following import Fixed, Following

ONE, TWO = "192.0.2.1", "192.0.2.2"


class Zone:
    """Two servers that say the same, unless they are silent; and a clock."""

    def __init__(self) -> None:
        self.leads, self.ttl, self.clock = [ONE, TWO], 10, 0.0
        self.silent: set[str] = set()
        self.lost = 0
        self.asked: list[str] = []

    def ask(self, name: str, server: str) -> dict[str, Any]:
        assert name == "social.example.org"
        self.asked.append(server)
        self.lost -= 1
        if server in self.silent or self.lost >= 0:
            return {"addresses": [], "ttl": 0, "said": "silence: Timeout"}
        return {"addresses": list(self.leads), "ttl": self.ttl, "said": ""}


@pytest.fixture
def zone() -> Zone:
    return Zone()


@pytest.fixture
def following(zone: Zone) -> Following:
    return Following("social.example.org", ["ns1", "ns2"], zone.ask, lambda: zone.clock)


def test_an_answer_counts_for_its_ttl_and_no_longer(zone: Zone, following: Following) -> None:
    assert following.refresh() == ""
    assert [following.share(address) for address in (ONE, TWO)] == [0.5, 0.5]
    zone.leads, zone.clock = [TWO], 9.9
    following.refresh()
    assert following.share(ONE) == 0.5
    zone.clock = 10.0
    following.refresh()
    assert [following.share(address) for address in (ONE, TWO)] == [0.0, 1.0]


def test_whoever_answers_is_asked_first_from_then_on(zone: Zone, following: Following) -> None:
    zone.silent, zone.ttl = {"ns1"}, 0
    assert following.refresh() == ""
    following.refresh()
    assert zone.asked == ["ns1", "ns2", "ns2"]


def test_where_nobody_answers_the_name_leads_nowhere_and_it_is_said(zone: Zone, following: Following) -> None:
    zone.ttl = 0
    following.refresh()
    zone.silent = {"ns1", "ns2"}
    assert following.refresh() == "ns1: silence: Timeout; ns2: silence: Timeout"
    assert following.share(ONE) == following.share(TWO) == 0.0


def test_an_answer_that_is_lost_is_asked_for_again(zone: Zone, following: Following) -> None:
    zone.lost = 4
    assert following.refresh() == ""
    assert zone.asked == ["ns1", "ns2", "ns1", "ns2", "ns1"]
    assert following.share(ONE) == 0.5


def test_a_server_that_says_nothing_useful_is_not_believed(zone: Zone, following: Following) -> None:
    zone.leads = []
    assert following.refresh() == "ns1: no address; ns2: no address"
    assert zone.asked == ["ns1", "ns2"]


def test_without_a_name_all_edges_get_the_same() -> None:
    assert Fixed([ONE, TWO]).refresh() == ""
    assert Fixed([ONE, TWO]).share(ONE) == 0.5
