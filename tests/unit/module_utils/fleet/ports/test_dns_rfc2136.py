# SPDX-License-Identifier: GPL-3.0-or-later
"""A zone on a server of one's own, with a primary that is played; real servers answer in the scenario."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from plugins.module_utils.fleet.ports import authority
from plugins.module_utils.fleet.ports.dns_provider import Ambiguous, Raced, Unanswered, provider
from plugins.module_utils.fleet.ports.dns_rfc2136 import Rfc2136
from plugins.module_utils.fleet.records import Change, Mistake, RecordSet, applied
from tests.unit.module_utils.fleet.dns_simulator import MEDIA, S3, rrset

ZONE = "example.org."
KEY = "hmac-sha256:update:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
MARKER = rrset("_upstairs-owner.media.example.org.", "TXT", 300, "owner=upstairs split=media")


class Primary:
    """A primary that holds records, and can lose its answers."""

    timeout = 1.0

    def __init__(self, *records: RecordSet) -> None:
        soa = rrset(ZONE, "SOA", 300, "ns1.example.org. h.example.org. 7 900 120 1209600 60")
        ns = rrset(ZONE, "NS", 300, "ns2.example.org.", "ns1.example.org.")
        self.records = [soa, ns, *records]
        self.guards: Sequence[RecordSet] = ()
        self.silent = False

    def read(self, zone: str) -> list[RecordSet]:
        return self.records

    def update(self, zone: str, changes: Sequence[Change], guards: Sequence[RecordSet] = ()) -> None:
        self.guards = guards
        if any(guard not in self.records for guard in guards):
            raise Raced("a guard has changed")
        self.records = list(applied(self.records, changes).values())
        if self.silent:
            raise Unanswered("no answer")


def zone(*records: RecordSet) -> tuple[Rfc2136, Primary]:
    primary = Primary(*records)
    return Rfc2136(ZONE, primary, delegated=False), primary  # type: ignore[arg-type]


A, B = rrset(MEDIA, "A", 300, "192.0.2.1"), rrset(MEDIA, "A", 300, "192.0.2.2")


def test_a_reading_has_the_names_that_were_asked_for_and_their_owners_and_no_markers() -> None:
    there, _ = zone(A, MARKER, rrset("www.example.org.", "A", 300, "192.0.2.9"))
    reading = there.read((MEDIA, S3))
    assert reading.records == (A,)
    assert reading.owners == {MEDIA: "upstairs/media"}
    assert reading.token == "serial 7"


def test_a_marker_that_says_something_else_is_somebody_elses() -> None:
    there, _ = zone(A, rrset(MARKER.name, "TXT", 300, "heritage=other"))
    assert there.read((MEDIA,)).owners[MEDIA] not in ("", "upstairs/media")


def test_the_owner_is_marked_in_the_same_update() -> None:
    there, primary = zone(A)
    there.read((MEDIA,))
    there.write([Change(MEDIA, "A", A, B)], {MEDIA: "upstairs/media"})
    assert {B, MARKER} <= set(primary.records)
    there.read((MEDIA,))
    there.write([], {MEDIA: ""})
    assert MARKER not in primary.records


def test_who_lost_the_name_meanwhile_writes_nothing() -> None:
    there, primary = zone(A, MARKER)
    there.read((MEDIA,))
    primary.records.remove(MARKER)
    with pytest.raises(Raced):
        there.write([Change(MEDIA, "A", A, B)], {})
    assert A in primary.records


def test_a_write_without_an_answer_may_have_been_made() -> None:
    there, primary = zone(A)
    there.read((MEDIA,))
    primary.silent = True
    with pytest.raises(Ambiguous):
        there.write([Change(MEDIA, "A", A, B)], {})


def test_the_servers_are_those_of_the_zone_and_the_parent_must_name_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    there, primary = zone(A)
    assert there.servers() == ("ns1.example.org.", "ns2.example.org.")
    assert there.delegation() == ""
    there.delegated = True
    monkeypatch.setattr(authority, "delegation", lambda *_: ("ns1.example.org.", "ns9.example.net."))
    assert "ns9.example.net." in there.delegation()
    assert primary.timeout


def test_what_is_missing_to_reach_it_is_said(tmp_path: Path) -> None:
    for params, say in (
        ({}, "server"),
        ({"server": "192.0.2.1"}, "key_file"),
        ({"server": "192.0.2.1", "key_file": tmp_path / "none"}, "cannot be read"),
        ({"server": "192.0.2.1", "key": "hmac-md5:a:MDEy"}, "hmac-sha256"),
    ):
        with pytest.raises(Mistake, match=say):
            provider("rfc2136", {"zone": "example.org", **params})


def test_a_provider_is_made_from_its_name_and_shows_no_secret(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    made = provider("rfc2136", {"zone": "example.org", "server": "192.0.2.1", "key_file": tmp_path / "key"})
    assert made.capabilities.atomic_type_change
    assert "MDEy" not in repr(made)
