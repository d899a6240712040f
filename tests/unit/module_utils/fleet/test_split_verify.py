# SPDX-License-Identifier: GPL-3.0-or-later
"""Nobody asked is nothing proven."""

from __future__ import annotations

from dataclasses import replace

from plugins.module_utils.fleet.split_verify import Asked, Survey, judge, named_differently
from tests.unit.module_utils.fleet.dns_simulator import MEDIA, rrset

WANTED = frozenset([rrset(MEDIA, "A", 60, "192.0.2.1")])
GOOD = Asked("ns1.", "10.0.0.1", MEDIA, WANTED, True)


def faults(*answers: Asked, rounds: int = 1, **servers: tuple[str, ...]) -> tuple[str, ...]:
    known = {f"{name}.": addresses for name, addresses in servers.items()} or {"ns1.": ("10.0.0.1",)}
    return judge(Survey(known, answers, rounds), {MEDIA: WANTED}).faults


def test_every_server_at_every_address_says_it() -> None:
    assert faults(GOOD) == ()
    assert faults(GOOD, replace(GOOD, address="fd00::1"), ns1=("10.0.0.1", "fd00::1")) == ()


def test_no_server_no_address_no_answer_are_failures() -> None:
    assert judge(Survey({}, (), 1), {MEDIA: WANTED}).faults
    assert faults(ns1=()) == ("ns1.: has no address, so it could not be asked",)
    assert faults() == (f"ns1. (10.0.0.1): {MEDIA}: answered 0 of 1 times",)
    assert faults(GOOD, ns1=("10.0.0.1", "fd00::1")) == (f"ns1. (fd00::1): {MEDIA}: answered 0 of 1 times",)


def test_each_round_counts() -> None:
    assert faults(GOOD, rounds=2)
    assert faults(GOOD, replace(GOOD, error="SERVFAIL"), rounds=2) == (f"ns1. (10.0.0.1): {MEDIA}: SERVFAIL",)
    assert faults(GOOD, GOOD, rounds=2) == ()


def test_who_is_silent_says_nothing_otherwise() -> None:
    silent = replace(GOOD, address="10.0.0.9", error="no answer")
    wrong = replace(GOOD, records=frozenset())
    verdict = judge(Survey({"ns1.": ("10.0.0.1", "10.0.0.9")}, (wrong, silent), 1), {MEDIA: WANTED})
    assert len(verdict.faults) == 2
    assert [fault.partition(":")[0] for fault in verdict.otherwise] == ["ns1. (10.0.0.1)"]


def test_an_answer_without_authority_is_none() -> None:
    assert "without authority" in faults(replace(GOOD, authoritative=False))[0]


def test_values_and_ttl_must_be_equal() -> None:
    for other in (rrset(MEDIA, "A", 61, "192.0.2.1"), rrset(MEDIA, "A", 60, "192.0.2.1", "192.0.2.2")):
        assert "wanted is A 192.0.2.1 (TTL 60)" in faults(replace(GOOD, records=frozenset([other])))[0]
    assert "answers nothing" in faults(replace(GOOD, records=frozenset()))[0]
    more = frozenset([*WANTED, rrset(MEDIA, "AAAA", 60, "2001:db8::9")])
    assert "2001:db8::9" in faults(replace(GOOD, records=more))[0]


def test_the_table_has_a_line_for_each_server() -> None:
    seen = judge(Survey({"ns1.": ("10.0.0.1",), "ns2.": ("10.0.0.2",)}, (GOOD,), 1), {MEDIA: WANTED})
    assert seen.table == (
        "ns1. (10.0.0.1): as wanted",
        f"ns2. (10.0.0.2): {MEDIA}: answered 0 of 1 times",
    )


def test_a_delegation_that_names_others_is_said() -> None:
    assert named_differently(["a."], ["a."]) == ""
    assert named_differently(["a.", "b."], ["a.", "c."]) == (
        "b. is not in the delegation; the delegation leads to c., which the provider does not name"
    )
