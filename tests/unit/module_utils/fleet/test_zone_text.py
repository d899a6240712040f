# SPDX-License-Identifier: GPL-3.0-or-later
"""Providers quote, split and shorten; our model knows one text and whole names."""

from __future__ import annotations

import pytest
from hypothesis import given as example_of
from hypothesis import strategies as st

from plugins.module_utils.fleet.zone_text import DECIMAL, OCTAL, given, plain, quoted, spelled, unquoted

ZONE = "example.org."


@pytest.mark.parametrize("base", [OCTAL, DECIMAL])
@example_of(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=700))
def test_every_text_comes_back_as_it_went(base: int, text: str) -> None:
    assert unquoted(quoted(text, base), base) == text


@example_of(length=st.integers(0, 900))
def test_no_string_is_longer_than_a_record_allows(length: int) -> None:
    pieces = quoted("x" * length, OCTAL).split(" ")
    assert max(len(piece) - 2 for piece in pieces) == min(length, 255)
    assert len(pieces) == max(1, -(-length // 255))


def test_what_is_not_plain_is_written_as_its_number() -> None:
    assert quoted('é"\\', OCTAL) == r'"\303\251\"\\"'
    assert quoted('é"\\', DECIMAL) == r'"\195\169\"\\"'


def test_a_text_in_pieces_is_one_text() -> None:
    assert unquoted('"v=spf1 " "-all"', OCTAL) == "v=spf1 -all"
    assert unquoted("bare", OCTAL) == "bare"
    assert unquoted('""', OCTAL) == ""


def test_digits_that_are_no_byte_stay_digits() -> None:
    assert unquoted(r'"\999"', OCTAL) == "999"


@pytest.mark.parametrize(
    ("kind", "value", "origin", "ours"),
    [
        ("AAAA", "2001:DB8:0:0::1", ".", "2001:db8::1"),
        ("CNAME", "Edge.Example.net", ".", "edge.example.net."),
        ("CNAME", "edge", ZONE, "edge.example.org."),
        ("CNAME", "a.b", ZONE, "a.b.example.org."),
        ("CNAME", "@", ZONE, ZONE),
        ("MX", "010 mail.example.net", ".", "10 mail.example.net."),
        ("HTTPS", '1 . alpn="h2"', ".", '1 . alpn="h2"'),
        ("SOA", "what nobody expects", ".", "what nobody expects"),
        ("TXT", '"one" "text"', ".", "onetext"),
    ],
)
def test_a_value_has_one_spelling(kind: str, value: str, origin: str, ours: str) -> None:
    assert spelled(kind, value, ZONE, origin=origin, base=OCTAL) == ours


def test_only_texts_are_quoted() -> None:
    assert given("CNAME", "edge.example.org.", OCTAL) == "edge.example.org."
    assert given("TXT", "a b", OCTAL) == '"a b"'


def test_a_star_that_is_shown_as_its_code_is_a_star() -> None:
    assert plain(r"\052.Example.org.") == "*.example.org."
