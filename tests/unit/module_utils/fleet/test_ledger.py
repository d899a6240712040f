# SPDX-License-Identifier: GPL-3.0-or-later
"""What operations remember: nothing is overwritten that its writer did not see."""

from __future__ import annotations

import pytest

from plugins.module_utils.fleet.ledger import Entry, Mistake, key, prefix, put, read, remove, text_of

SEEN = Entry("dns_split/media", 7, {"phase": "cut"})


def test_a_record_has_an_operation_and_a_subject() -> None:
    assert key("dns_split/media") == "/upstairs/ledger/dns_split/media"
    assert key("kernels/alice.example") == "/upstairs/ledger/kernels/alice.example"
    for name in ("", "media", "/media", "a/../b", "A/b", "a//b", "a/b/", "../lock"):
        with pytest.raises(Mistake, match="dns_split/media"):
            key(name)


def test_the_records_of_an_operation_have_a_beginning_of_their_own() -> None:
    assert prefix("dns_split") == "/upstairs/ledger/dns_split/"
    assert prefix("") == "/upstairs/ledger/"
    with pytest.raises(Mistake):
        prefix("a/b")


def test_what_is_stored_can_be_read() -> None:
    assert read(SEEN.name, text_of(SEEN.value or {}), 7) == SEEN


def test_what_is_no_object_is_there_and_cannot_be_believed() -> None:
    for text in ("", "{", "[]", "5", "null"):
        seen = read("a/b", text, 3)
        assert not seen.readable
        assert seen.value is None
    assert read("a/b", "", 0).readable


def test_only_who_saw_the_last_change_makes_the_next() -> None:
    assert put(SEEN, {"phase": "done"}, 7).text == '{"phase": "done"}'
    assert put(Entry("a/b", 0), {}, 0).changes
    for seen, revision in ((SEEN, 6), (SEEN, 0), (Entry("a/b", 0), 7)):
        with pytest.raises(Mistake, match="somebody else changed it"):
            put(seen, {"phase": "done"}, revision)


def test_what_is_there_already_is_not_stored_again() -> None:
    assert not put(SEEN, {"phase": "cut"}, 7).changes


def test_only_what_was_seen_is_removed() -> None:
    assert remove(SEEN, 7).changes
    assert not remove(Entry("a/b", 0), 7).changes
    with pytest.raises(Mistake):
        remove(SEEN, 6)
