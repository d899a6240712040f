# SPDX-License-Identifier: GPL-3.0-or-later
"""The one planner: complete, never empty, and blind to all that is not its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from plugins.module_utils.fleet.ports.dns_provider import Capabilities, Reading
from plugins.module_utils.fleet.records import ADDRESS_TYPES, Change, RecordSet, applied
from plugins.module_utils.fleet.split import Picture, picture
from plugins.module_utils.fleet.split_plan import Batch, drift, plan
from tests.unit.module_utils.fleet.dns_simulator import ATOMIC, MEDIA, S3, SINGLE, rrset

OWNER = "upstairs/media"
TTL_APART = replace(ATOMIC, atomic_ttl_and_values=False)
TYPES_APART = replace(ATOMIC, atomic_type_change=False)
PROVIDERS = st.sampled_from([ATOMIC, SINGLE, TTL_APART, TYPES_APART])
TTLS = st.sampled_from([5, 60, 300])


def at(name: str) -> st.SearchStrategy[frozenset[RecordSet]]:
    """Return what a name may have: addresses of one or both kinds, or a CNAME, or nothing."""

    def sets(kind: str, values: Sequence[str]) -> st.SearchStrategy[RecordSet]:
        some = st.frozensets(st.sampled_from(values), min_size=1)
        return st.builds(lambda ttl, found: RecordSet(name, kind, ttl, found), TTLS, some)

    a, aaaa = sets("A", ["192.0.2.1", "192.0.2.2"]), sets("AAAA", ["2001:db8::1", "2001:db8::2"])
    cname = sets("CNAME", ["a.example.net."])
    return st.one_of(
        st.tuples(a, aaaa).map(frozenset), a.map(lambda r: frozenset([r])), aaaa.map(lambda r: frozenset([r])),
        cname.map(lambda r: frozenset([r])),
    )  # fmt: skip


NOTHING: frozenset[RecordSet] = frozenset()
BYSTANDERS = (rrset("www.example.org.", "A", 300, "192.0.2.80"), rrset("example.org.", "NS", 300, "ns1.example.org."))


def reading(live: Picture, owner: str = OWNER) -> Reading:
    owners = {name: owner for name, records in live.items() if records and owner}
    return Reading((*BYSTANDERS, *(record for records in live.values() for record in records)), owners)


def orders(batch: Batch, can: Capabilities) -> Iterator[tuple[Change, ...]]:
    """Return what may happen of a batch at once: all of it, or one change after the other in either order."""
    if can.atomic_type_change:
        yield batch.changes
        return
    for changes in (batch.changes, batch.changes[::-1]):
        for count in range(1, len(changes) + 1):
            yield changes[:count]


@given(st.tuples(at(MEDIA), at(S3)), st.tuples(at(MEDIA) | st.just(NOTHING), at(S3)), PROVIDERS)
def test_a_plan_is_complete_and_no_name_is_ever_empty_on_the_way(
    wanted: tuple[frozenset[RecordSet], ...], have: tuple[frozenset[RecordSet], ...], can: Capabilities
) -> None:
    live, desired = dict(zip((MEDIA, S3), have, strict=True)), dict(zip((MEDIA, S3), wanted, strict=True))
    first = reading(live)
    made = plan(first, desired, OWNER, can)
    if made.refusals:
        assert all("cannot change between addresses and a CNAME" in why for why in made.refusals)
        assert not can.atomic_type_change
        return
    now = first.records
    for batch in made.batches:
        for changes in orders(batch, can):
            shown = picture(applied(now, changes).values(), (MEDIA, S3))
            assert all(shown[name] or not live[name] for name in shown)
            assert all(len(records) == 1 for records in shown.values() if any(r.type == "CNAME" for r in records))
        for change in batch.changes:
            assert change.name in (MEDIA, S3)
            assert change.type in ADDRESS_TYPES
            same = change.before and change.after and change.before.values == change.after.values
            together = change.before and change.after and change.before.ttl != change.after.ttl and not same
            assert can.atomic_ttl_and_values or not together
        now = tuple(applied(now, batch.changes).values())
    assert picture(now, (MEDIA, S3)) == desired
    assert set(BYSTANDERS) <= set(now)
    owners = {**first.owners, **{name: who for batch in made.batches for name, who in batch.owners.items()}}
    assert not plan(Reading(now, owners), desired, OWNER, can).batches


@given(at(MEDIA), at(S3), at(MEDIA), PROVIDERS, st.booleans())
def test_what_belongs_to_somebody_else_is_never_planned_for(
    media: frozenset[RecordSet], s3: frozenset[RecordSet], wanted: frozenset[RecordSet], can: Capabilities, adopt: bool
) -> None:
    made = plan(reading({MEDIA: media, S3: s3}, "them/media"), {MEDIA: wanted, S3: s3}, OWNER, can, adopt)
    assert made.refusals
    assert not made.batches


@given(at(MEDIA), at(MEDIA), PROVIDERS)
def test_a_change_demands_all_that_it_was_planned_on(
    have: frozenset[RecordSet], wanted: frozenset[RecordSet], can: Capabilities
) -> None:
    made = plan(reading({MEDIA: have}), {MEDIA: wanted}, OWNER, can)
    for change in made.batches[0].changes if made.batches else ():
        assert set(change.absent) == {*ADDRESS_TYPES} - {record.type for record in have}
        assert change.before == next((record for record in have if record.type == change.type), None)


def test_a_name_without_an_owner_is_taken_with_the_first_write_and_only_when_told_so() -> None:
    live = {MEDIA: frozenset([rrset(MEDIA, "A", 300, "192.0.2.1")])}
    wanted = {MEDIA: frozenset([rrset(MEDIA, "A", 300, "192.0.2.2")])}
    [why] = plan(reading(live, ""), wanted, OWNER, ATOMIC).refusals
    assert "adopt" in why
    [batch] = plan(reading(live, ""), wanted, OWNER, ATOMIC, adopt=True).batches
    assert batch.owners == {MEDIA: OWNER}
    [mark] = plan(reading(live, ""), live, OWNER, ATOMIC, adopt=True).batches
    assert (mark.changes, mark.owners) == ((), {MEDIA: OWNER})


def test_more_than_two_names_can_ever_need_is_refused_whole() -> None:
    wanted = {
        name: frozenset([rrset(name, "A", 300, "192.0.2.1"), rrset(name, "AAAA", 300, "2001:db8::1")])
        for name in (f"n{number}.example.org." for number in range(9))
    }
    made = plan(reading(dict.fromkeys(wanted, NOTHING)), wanted, OWNER, ATOMIC)
    assert made.batches == ()
    assert "more than 16 changes" in made.refusals[0]


def test_what_would_empty_a_name_is_refused() -> None:
    live = {MEDIA: frozenset([rrset(MEDIA, "A", 300, "192.0.2.1")])}
    [why] = plan(reading(live), {MEDIA: NOTHING}, OWNER, ATOMIC).refusals
    assert "would be empty" in why


def test_hints_that_lead_past_the_addresses_are_refused() -> None:
    live = {
        MEDIA: frozenset([rrset(MEDIA, "A", 300, "192.0.2.1"), rrset(MEDIA, "HTTPS", 300, "1 . ipv4hint=192.0.2.1")])
    }
    [why] = plan(reading(live), {MEDIA: frozenset([rrset(MEDIA, "A", 300, "192.0.2.2")])}, OWNER, ATOMIC).refusals
    assert "HTTPS" in why


def test_a_cname_beside_a_text_is_refused() -> None:
    live = reading({MEDIA: frozenset([rrset(MEDIA, "A", 300, "192.0.2.1")])})
    live = replace(live, records=(*live.records, rrset(MEDIA, "TXT", 300, "x")))
    [why] = plan(live, {MEDIA: frozenset([rrset(MEDIA, "CNAME", 300, "a.example.net.")])}, OWNER, ATOMIC).refusals
    assert "cannot stand beside its TXT" in why


def test_a_ttl_outside_of_the_providers_limits_is_refused() -> None:
    live = {MEDIA: frozenset([rrset(MEDIA, "A", 300, "192.0.2.1")])}
    wanted = {MEDIA: frozenset([rrset(MEDIA, "A", 30, "192.0.2.1")])}
    assert "between 60 and" in plan(reading(live), wanted, OWNER, replace(ATOMIC, min_ttl=60)).refusals[0]


def test_a_shorter_ttl_comes_before_new_values_and_a_longer_one_after_them() -> None:
    short, long = rrset(MEDIA, "A", 5, "192.0.2.1"), rrset(MEDIA, "A", 300, "192.0.2.2")
    for have, want in ((short, long), (long, short)):
        made = plan(reading({MEDIA: frozenset([have])}), {MEDIA: frozenset([want])}, OWNER, SINGLE)
        [between] = [change.after for change in made.changes if change.after != want]
        assert between is not None
        assert between.ttl == 5


def test_drift_is_what_none_of_the_pictures_has() -> None:
    base = {MEDIA: frozenset([rrset(MEDIA, "A", 300, "192.0.2.1"), rrset(MEDIA, "AAAA", 300, "2001:db8::1")])}
    want = {MEDIA: frozenset([rrset(MEDIA, "A", 5, "192.0.2.2"), rrset(MEDIA, "AAAA", 5, "2001:db8::2")])}
    half = {MEDIA: frozenset([rrset(MEDIA, "A", 5, "192.0.2.1"), rrset(MEDIA, "AAAA", 300, "2001:db8::2")])}
    assert drift(base, base, want) == drift(half, base, want) == []
    other = {MEDIA: frozenset([rrset(MEDIA, "A", 5, "192.0.2.3")])}
    assert drift(other, base, want) == [
        "media.example.org. A: is 192.0.2.3 (TTL 5)",
        "media.example.org. AAAA: is missing",
    ]
    assert drift({MEDIA: frozenset([*base[MEDIA], rrset(MEDIA, "CNAME", 5, "x.")])}, base) == [
        "media.example.org. CNAME: is x. (TTL 5)"
    ]
