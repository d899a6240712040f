# SPDX-License-Identifier: GPL-3.0-or-later
"""Providers by their names, and the mark that says whose a name is."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugins.module_utils.fleet.ports import dns_provider
from plugins.module_utils.fleet.ports.dns_hcloud import HCloud
from plugins.module_utils.fleet.ports.dns_provider import marker_owner, marker_text, provider
from plugins.module_utils.fleet.ports.dns_route53 import Route53
from plugins.module_utils.fleet.records import Mistake


def test_a_provider_is_made_by_its_name_and_asks_nobody_yet() -> None:
    assert isinstance(provider("hcloud", {"zone": "example.org", "token": "example"}), HCloud)
    keys = {"access_key": "example", "secret_key": "example"}
    assert isinstance(provider("route53", {"zone": "example.org", **keys}), Route53)


def test_an_unknown_provider_is_told_with_those_that_are_known() -> None:
    with pytest.raises(Mistake, match=r"no provider bind; known are hcloud,.* route53"):
        provider("bind", {"zone": "example.org"})


def test_every_file_of_a_provider_has_its_entry_under_its_own_name() -> None:
    files = {
        path.stem.removeprefix("dns_")
        for path in Path(dns_provider.__file__).parent.glob("dns_*.py")
        if "\ndef zone(params" in path.read_text()
    }
    assert files == set(dns_provider.known()) != set()
    for name, make in dns_provider.known().items():
        assert make.__module__.endswith(f".dns_{name}")


def test_a_mark_is_read_as_it_was_written() -> None:
    assert marker_owner(frozenset({marker_text("upstairs/media")})) == "upstairs/media"
    assert marker_owner(frozenset()) == ""


@pytest.mark.parametrize("text", ["owner=upstairs", "heritage=other owner=upstairs split=media", "hello"])
def test_a_mark_that_says_something_else_is_somebody_elses(text: str) -> None:
    assert marker_owner(frozenset({text})).startswith("unknown")
