# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be declared as a split."""

from __future__ import annotations

from typing import Any

import pytest

from plugins.module_utils.fleet.records import Mistake, RecordSet
from plugins.module_utils.fleet.split import as_data, from_data, lines, parse

GOOD: dict[str, Any] = {
    "id": "media",
    "owner": "upstairs",
    "zone": "Example.org",
    "read": {"name": "media", "addresses": ["192.0.2.1", "2001:DB8::1"]},
    "write": {"name": "S3.example.org.", "cname": "bucket.example.net."},
    "ttl": 300,
    "transit_ttl": 60,
}


def told(**change: Any) -> str:
    with pytest.raises(Mistake) as refused:
        parse({**GOOD, **change}, min_ttl=60, max_ttl=86400)
    return str(refused.value)


def test_both_names_are_whole_and_small_and_their_values_have_one_spelling() -> None:
    split = parse(GOOD)
    assert split.names == ("media.example.org.", "s3.example.org.")
    assert split.sides[0].records == {
        RecordSet("media.example.org.", "A", 300, frozenset({"192.0.2.1"})),
        RecordSet("media.example.org.", "AAAA", 300, frozenset({"2001:db8::1"})),
    }
    assert split.sides[1].records == {RecordSet("s3.example.org.", "CNAME", 300, frozenset({"bucket.example.net."}))}
    assert split.marker == "upstairs/media"


def test_what_is_read_and_written_by_one_name_needs_no_other() -> None:
    alone = {key: value for key, value in GOOD.items() if key != "write"}
    assert parse(alone).names == ("media.example.org.",)
    elsewhere = {"name": "bucket.example.net.", "elsewhere": True}
    with pytest.raises(Mistake, match="all its names are elsewhere"):
        parse({**alone, "read": elsewhere})


def test_the_order_of_addresses_means_nothing() -> None:
    turned = {"name": "media", "addresses": ["2001:db8::1", "192.0.2.1", "192.0.2.1"]}
    assert parse({**GOOD, "read": turned}) == parse(GOOD)


def test_the_zone_itself_and_a_wildcard_can_be_moved() -> None:
    split = parse({**GOOD, "read": {"name": "@", "addresses": ["192.0.2.1"]}, "write": {"name": "*.s3", "cname": "b"}})
    assert split.names == ("example.org.", "*.s3.example.org.")


@pytest.mark.parametrize(
    ("read", "say"),
    [
        ({"name": "media.example.net.", "addresses": ["192.0.2.1"]}, "not in the zone example.org."),
        ({"name": "media.example.org", "addresses": ["192.0.2.1"]}, "end it with a dot"),
        ({"name": "médïa", "addresses": ["192.0.2.1"]}, "xn--"),
        ({"name": "@", "cname": "edge.example.net."}, "give it the addresses instead"),
        ({"name": "media", "cname": "edge.example.net"}, "must end with a dot"),
        ({"name": "media", "cname": "media"}, "its own target"),
        ({"name": "media", "addresses": ["192.0.2.1"], "cname": "edge.example.net."}, "not both"),
        ({"name": "media", "addresses": []}, "leads nowhere"),
        ({"name": "media"}, "leads nowhere"),
        ({"name": "media", "addresses": ["edge"]}, "edge is no address"),
        ({"name": "media", "addresses": ["0.0.0.0"]}, "no address that a visitor can reach"),  # noqa: S104 - refused
        ({"name": "s3", "addresses": ["192.0.2.1"]}, "both the read name and the write name"),
        ({"name": "media", "cname": "s3"}, "leads to the write name s3.example.org."),
        ({"name": "media", "cname": "bucket.example.net."}, "both lead to bucket.example.net."),
    ],
)
def test_what_cannot_be_a_read_name_is_refused_in_words(read: dict[str, Any], say: str) -> None:
    assert say in told(read=read)


def test_names_that_meet_at_one_address_are_no_split() -> None:
    assert "both lead to 192.0.2.1" in told(write={"name": "s3", "addresses": ["192.0.2.1", "192.0.2.9"]})


def test_a_ttl_that_the_provider_does_not_take_is_refused() -> None:
    assert "transit_ttl 5 must lie between 60 and 86400" in told(transit_ttl=5)
    assert "ttl 90000 must lie between 60 and 86400" in told(ttl=90000)
    assert "must not be longer" in told(ttl=60, transit_ttl=61)


@pytest.mark.parametrize("word", ["", "a b", "UP", "a/b", "x" * 31, "-a", "a=b"])
def test_a_mark_is_a_short_word_that_every_provider_can_hold(word: str) -> None:
    assert "small letters" in told(owner=word)
    assert "small letters" in told(id=word)


def test_a_name_that_is_elsewhere_is_kept_apart_and_not_touched() -> None:
    bucket = {"name": "bucket.example.net.", "elsewhere": True}
    split = parse({**GOOD, "write": bucket})
    assert split.names == ("media.example.org.",)
    assert "leads to the write name" in told(write=bucket, read={"name": "media", "cname": "bucket.example.net."})
    assert "not ours to say" in told(write={**bucket, "addresses": ["192.0.2.9"]})
    assert "not elsewhere" in told(write={"name": "s3", "elsewhere": True})
    assert "nothing that could be moved" in told(write=bucket, read={"name": "media.example.net.", "elsewhere": True})


def test_all_mistakes_are_said_at_once() -> None:
    said = told(ttl=1, read={"name": "@", "cname": "x"}, write={"name": "s3"})
    assert all(part in said for part in ("ttl 1", "the zone itself", "leads nowhere"))


def test_what_is_stored_comes_back() -> None:
    final = parse(GOOD).final()
    assert from_data(as_data(final)) == final
    assert lines(final)[0] == "media.example.org. 300 A 192.0.2.1"
