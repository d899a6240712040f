# SPDX-License-Identifier: GPL-3.0-or-later
"""Matchers and addresses as people write them."""

from __future__ import annotations

import re

import pytest

from plugins.module_utils.fleet.alerts import Matcher, Mistake, matcher, matchers_of, places


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("alertname=Watchdog", Matcher("alertname", "Watchdog")),
        ('severity =~ "critical|page"', Matcher("severity", "critical|page", regex=True)),
        ('a!="b"', Matcher("a", "b", equal=False)),
        ("a!~b.*", Matcher("a", "b.*", regex=True, equal=False)),
        (r'a="say \"b\" and \\"', Matcher("a", 'say "b" and \\')),
        ('a=""', Matcher("a", "")),
    ],
)
def test_a_matcher_is_read_as_alertmanager_reads_it_and_written_back(text: str, read: Matcher) -> None:
    assert matcher(text) == read
    assert matcher(str(read)) == read


@pytest.mark.parametrize("text", ["", "a", "a=", "=b", "a==b", 'a="b', "a=b c", "a-b=c", 'a="b" or c="d"'])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(Mistake):
        matcher(text)


@pytest.mark.parametrize("host", ["yakko", "db-1.example.org"])
def test_a_host_is_matched_at_whatever_port_and_no_other(host: str) -> None:
    [found] = matchers_of(host, [])
    for instance, wanted in {host: True, f"{host}:9100": True, f"{host}2": False, f"x{host}": False}.items():
        assert bool(re.fullmatch(found.value, instance)) is wanted
    assert not re.fullmatch(found.value, host.replace(".", "x") + "y")


def test_a_matcher_of_ones_own_must_name_the_host() -> None:
    assert matchers_of("yakko", ["instance=yakko", "job=node"]) == (
        Matcher("instance", "yakko"),
        Matcher("job", "node"),
    )
    with pytest.raises(Mistake):
        matchers_of("yakko", ["job=node"])


def test_an_address_is_asked_once_however_it_is_written() -> None:
    assert places(["http://a:9093/", "http://a:9093", "https://b/am"]) == ("http://a:9093", "https://b/am")


@pytest.mark.parametrize("url", ["a:9093", "ftp://a", "http://", "http://a/?x=1", "http://u@a", "http://u:p@a"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(Mistake):
        places([url])
