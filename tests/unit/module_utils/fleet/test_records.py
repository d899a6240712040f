# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.module_utils.fleet.records import (
    ADDRESS_TYPES,
    Change,
    Mistake,
    RecordSet,
    Wanted,
    absolute,
    applied,
    batches,
    diff,
    parse,
    plan,
    zone_name,
)

ZONE = "example.org."


def record(name: str, kind: str, *values: str, ttl: int = 300) -> RecordSet:
    return RecordSet(absolute(name, ZONE), kind, ttl, frozenset(values))


def declared(*entries: Mapping[str, Any]) -> list[Wanted]:
    return parse(ZONE, entries, 300)


VALUES = {
    "A": ["192.0.2.1", "192.0.2.2", "192.0.2.3"],
    "AAAA": ["2001:db8::1", "2001:db8::2"],
    "TXT": ["a", "b c", '"'],
}
names = st.sampled_from(["@", "a", "b", "*", "x.y"])
kinds = st.sampled_from(sorted(VALUES))


@st.composite
def record_sets(draw: st.DrawFn) -> RecordSet:
    kind = draw(kinds)
    values = draw(st.sets(st.sampled_from(VALUES[kind]), min_size=1))
    return record(draw(names), kind, *values, ttl=draw(st.sampled_from([60, 300])))


@st.composite
def wanted_sets(draw: st.DrawFn) -> Wanted:
    one = draw(record_sets())
    if draw(st.booleans()):
        return Wanted(one, seed=draw(st.booleans()))
    return Wanted(RecordSet(one.name, one.type, one.ttl, frozenset()))


def key(one: RecordSet) -> tuple[str, str]:
    return one.name, one.type


zones = st.lists(record_sets(), unique_by=key)


def unmixed(wanted: list[Wanted]) -> list[Wanted]:
    """Leave out what parse refuses: addresses of one name of which some are seeds."""
    seed: dict[str, bool] = {}
    return [
        one
        for one in wanted
        if one.record.type not in ADDRESS_TYPES or seed.setdefault(one.record.name, one.seed) == one.seed
    ]


wishes = st.lists(wanted_sets(), unique_by=lambda one: key(one.record)).map(unmixed)


@given(zones, wishes)
def test_a_plan_carried_out_leaves_nothing_to_plan(live: list[RecordSet], wanted: list[Wanted]) -> None:
    after = applied(live, plan(live, wanted, ZONE).changes)
    assert plan(after.values(), wanted, ZONE).changes == ()


@given(zones, wishes)
def test_what_is_not_declared_is_not_touched(live: list[RecordSet], wanted: list[Wanted]) -> None:
    mine = {key(one.record) for one in wanted}
    after = applied(live, plan(live, wanted, ZONE).changes)
    assert [one for one in live if key(one) not in mine] == [after[key(one)] for one in live if key(one) not in mine]


@given(zones, wishes)
def test_a_seed_never_changes_a_name_that_has_an_address(live: list[RecordSet], wanted: list[Wanted]) -> None:
    seeds = [one for one in wanted if one.seed and one.record.type in ADDRESS_TYPES]
    changed = {key_of(change) for change in plan(live, wanted, ZONE).changes}
    settled = {one.name for one in live if one.type in ADDRESS_TYPES}
    assert not [one for one in seeds if one.record.name in settled and key(one.record) in changed]


def key_of(change: Change) -> tuple[str, str]:
    return change.name, change.type


@given(zones, wishes, st.integers(1, 4))
def test_a_name_that_answers_before_and_after_answers_in_between(
    live: list[RecordSet], wanted: list[Wanted], size: int
) -> None:
    changes = plan(live, wanted, ZONE).changes
    end = {name for name, _ in applied(live, changes)}
    always = {one.name for one in live} & end
    now = {key(one): one for one in live}
    portions = batches(changes, size)
    assert [change for portion in portions for change in portion] == list(changes)
    for portion in portions:
        now = applied(now.values(), portion)
        assert always <= {name for name, _ in now}


@given(zones, wishes)
def test_every_change_says_what_it_was_planned_on(live: list[RecordSet], wanted: list[Wanted]) -> None:
    have = {key(one): one for one in live}
    for change in plan(live, wanted, ZONE).changes:
        assert change.before == have.get(key_of(change))
        assert (change.before is None) == (change.type in change.absent)
        assert all((change.name, kind) not in have for kind in change.absent)


def test_a_seed_is_planted_with_all_its_addresses() -> None:
    wanted = declared(
        {"name": "social", "type": "A", "values": ["192.0.2.1"], "managed": "seed"},
        {"name": "social", "type": "AAAA", "values": ["2001:db8:0::1"], "managed": "seed"},
    )
    assert [change.describe() for change in plan([], wanted, ZONE).changes] == [
        "social.example.org. A: add 192.0.2.1 (TTL 300)",
        "social.example.org. AAAA: add 2001:db8::1 (TTL 300)",
    ]


def test_a_seed_that_was_moved_to_another_type_is_left_there_and_reported() -> None:
    wanted = declared({"name": "social", "type": "A", "values": ["192.0.2.1"], "managed": "seed"})
    made = plan([record("social", "CNAME", "edge.example.net.")], wanted, ZONE)
    assert made.changes == ()
    assert made.held == ("social.example.org. A: the zone has nothing, the seed was 192.0.2.1 (TTL 300)",)


def test_a_type_change_is_one_portion() -> None:
    wanted = declared(
        {"name": "a", "type": "A", "state": "absent"},
        {"name": "a", "type": "CNAME", "values": ["b"]},
    )
    made = plan([record("a", "A", "192.0.2.1")], wanted, ZONE)
    assert made.refusals == ()
    assert len(batches(made.changes, 1)) == 1


def test_a_cname_beside_an_undeclared_record_is_refused() -> None:
    wanted = declared({"name": "a", "type": "CNAME", "values": ["b"]})
    made = plan([record("a", "TXT", "mine")], wanted, ZONE)
    assert made.refusals == (
        "a.example.org.: a CNAME cannot stand beside TXT; declare the one that goes with `state: absent`",
    )


def test_addresses_of_one_name_of_which_some_are_seeds_are_refused() -> None:
    with pytest.raises(Mistake, match="move together"):
        declared(
            {"name": "social", "type": "A", "values": ["192.0.2.1"], "managed": "seed"},
            {"name": "social", "type": "AAAA", "state": "absent"},
        )


def test_the_order_of_values_and_their_spelling_mean_nothing() -> None:
    wanted = declared({"name": "A", "type": "AAAA", "values": ["2001:DB8::2", "2001:db8:0:0::1"]})
    assert plan([record("a", "AAAA", "2001:db8::1", "2001:db8::2")], wanted, ZONE).changes == ()


def test_the_serial_of_an_soa_belongs_to_the_server() -> None:
    live = [record("@", "SOA", "ns1.example.org. me.example.org. 7 900 120 1209600 60")]
    same = declared({"name": "@", "type": "SOA", "values": ["ns1 me 0 900 120 1209600 60"]})
    other = declared({"name": "@", "type": "SOA", "values": ["ns1 me 0 900 120 1209600 30"]})
    assert plan(live, same, ZONE).changes == ()
    [change] = plan(live, other, ZONE).changes
    assert change.after == record("@", "SOA", "ns1.example.org. me.example.org. 8 900 120 1209600 30")


def test_a_serial_wraps_past_zero() -> None:
    live = [record("@", "SOA", f"ns1.example.org. me.example.org. {2**32 - 1} 900 120 1209600 60")]
    [change] = plan(live, declared({"name": "@", "type": "SOA", "values": ["ns1 me 0 9 1 2 3"]}), ZONE).changes
    assert change.after is not None
    assert " 1 9 1 2 3" in next(iter(change.after.values))


def test_a_difference_is_shown_as_a_zone_file_would() -> None:
    live = [record("a", "A", "192.0.2.1", ttl=60)]
    changes = plan(live, declared({"name": "a", "type": "A", "values": ["192.0.2.2", "192.0.2.1"]}), ZONE).changes
    assert diff(ZONE, changes)["before"] == "a.example.org. 60 A 192.0.2.1\n"
    assert diff(ZONE, changes)["after"] == "a.example.org. 300 A 192.0.2.1\na.example.org. 300 A 192.0.2.2\n"
    assert changes[0].describe() == "a.example.org. A: 192.0.2.1 (TTL 60) becomes 192.0.2.1, 192.0.2.2 (TTL 300)"


def test_names_have_one_spelling() -> None:
    assert zone_name("Example.org") == ZONE
    assert absolute("@", ZONE) == ZONE
    assert absolute("Social", ZONE) == "social.example.org."
    assert absolute("*", ZONE) == "*.example.org."
    assert absolute("_dmarc.mail", ZONE) == "_dmarc.mail.example.org."
    assert absolute("social.example.org.", ZONE) == "social.example.org."


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"name": "social.example.org", "type": "A", "values": ["192.0.2.1"]}, "end it with a dot"),
        ({"name": "a", "type": "CNAME", "values": ["edge.example.net"]}, "must end with a dot"),
        ({"name": "a", "type": "A", "values": ["192.0.2.256"]}, "no such address"),
        ({"name": "a", "type": "AAAA", "values": ["192.0.2.1"]}, "no such address"),
        ({"name": "a", "type": "A", "values": []}, "state: absent"),
        ({"name": "a", "type": "A", "values": ["192.0.2.1"], "state": "absent"}, "neither values"),
        ({"name": "a", "type": "A", "values": ["192.0.2.1"], "ttl": -1}, "TTL"),
        ({"name": "@", "type": "CNAME", "values": ["b"]}, "cannot be the zone itself"),
        ({"name": "@", "type": "NS", "state": "absent"}, "cannot be without it"),
        ({"name": "a", "type": "CNAME", "values": ["b", "c"]}, "one value only"),
        ({"name": "a.example.net.", "type": "A", "values": ["192.0.2.1"]}, "not in the zone"),
        ({"name": "søcial", "type": "A", "values": ["192.0.2.1"]}, "xn--"),
        ({"name": "a..b", "type": "A", "values": ["192.0.2.1"]}, "no name for DNS"),
        ({"name": "a", "type": "MX", "values": ["mail"]}, "1 numbers and a name"),
        ({"name": "a", "type": "CAA", "values": ["issue x"]}, "CAA"),
        ({"name": "a", "type": "SOA", "values": ["a b 1 2 3 4 5"]}, "belongs to the zone itself"),
        ({"name": "a", "type": "NULL", "values": ["x"]}, "not among"),
    ],
)
def test_a_declaration_that_makes_no_sense_is_refused_in_words(entry: dict[str, Any], said: str) -> None:
    with pytest.raises(Mistake, match=said):
        declared(entry)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(Mistake) as caught:
        declared(
            {"name": "a", "type": "A", "values": ["x"]},
            {"name": "b", "type": "A", "values": ["192.0.2.1"]},
            {"name": "b", "type": "A", "values": ["192.0.2.2"]},
        )
    assert "x: no such address" in str(caught.value)
    assert "b.example.org. A: is declared twice" in str(caught.value)
