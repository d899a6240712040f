# SPDX-License-Identifier: GPL-3.0-or-later
"""Hetzner's zones: the real library against an API of ours that keeps its state, its labels and its actions."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import pytest

from plugins.module_utils.fleet.ports import dns_hcloud
from plugins.module_utils.fleet.ports.dns_hcloud import HCloud
from plugins.module_utils.fleet.ports.dns_provider import (
    Ambiguous,
    Failed,
    Raced,
    Reading,
    Receipt,
    Refused,
    Unanswered,
)
from plugins.module_utils.fleet.records import Change, Mistake, RecordSet
from plugins.module_utils.fleet.split import Split, parse
from plugins.module_utils.fleet.split_plan import plan
from tests.inventories.hcloud_api import hcloud_api
from tests.inventories.hcloud_zones import Fault, Zones
from tests.unit.module_utils.fleet.ports.conversation import HANG_UP, Clock

ZONE, NAME = "example.org.", "media.example.org."
OLD = RecordSet(NAME, "A", 300, frozenset({"192.0.2.1", "192.0.2.2"}))
OLD6 = RecordSet(NAME, "AAAA", 300, frozenset({"2001:db8::1"}))
NEW = RecordSet(NAME, "A", 300, frozenset({"192.0.2.9"}))
NEW6 = RecordSet(NAME, "AAAA", 300, frozenset({"2001:db8::9"}))
MARK = {"upstairs-owner": "upstairs", "upstairs-split": "media"}
CUT = (Change(NAME, "A", OLD, NEW), Change(NAME, "AAAA", OLD6, NEW6))
SET = "media/A/actions/set_records"


@dataclass
class Lab:
    """The API, and a zone that was made as the module makes it."""

    api: Zones
    zone: HCloud
    clock: Clock
    url: str

    def writes(self) -> list[str]:
        """Return what was asked to be changed, without the beginning that is always the same."""
        return [each.replace("/v1/zones/1/rrsets", "") for each in self.api.asked if not each.startswith("GET")]


@pytest.fixture
def lab() -> Iterator[Lab]:
    api, clock = Zones(), Clock()
    api.put("media", "A", "192.0.2.1", "192.0.2.2", ttl=300)
    api.put("media", "AAAA", "2001:DB8:0::1", ttl=300)
    with hcloud_api(zones=api) as endpoint:
        yield Lab(api, made(endpoint, clock), clock, endpoint)


def made(endpoint: str, clock: Clock, token: str = "example", zone: str = "example.org") -> HCloud:
    provider = dns_hcloud.zone({"zone": zone, "token": token, "endpoint_url": endpoint})
    return replace(provider, patience=clock.patience())


def error(code: str) -> dict[str, object]:
    return {"error": {"code": code, "message": "told", "details": None}}


def test_a_name_whose_record_sets_fill_more_than_one_page_is_read_whole(lab: Lab) -> None:
    lab.api.put("media", "TXT", '"one " "text"')
    lab.api.put("other", "A", "192.0.2.7")
    text = RecordSet(NAME, "TXT", 3600, frozenset({"one text"}))
    assert lab.zone.read([NAME]).records == (OLD, OLD6, text)
    assert sum("page=2" in each for each in lab.api.asked) == 1


def test_a_record_set_without_a_ttl_has_the_zones(lab: Lab) -> None:
    lab.api.put("media", "A", "192.0.2.1")
    assert lab.zone.read([NAME]).records[0].ttl == 3600


def test_the_zone_itself_and_a_wildcard_have_their_own_short_names(lab: Lab) -> None:
    lab.api.put("@", "A", "192.0.2.5", ttl=60)
    lab.api.put("*", "CNAME", "media", ttl=60)
    star = RecordSet("*.example.org.", "CNAME", 60, frozenset({NAME}))
    apex = RecordSet(ZONE, "A", 60, frozenset({"192.0.2.5"}))
    assert lab.zone.read([ZONE, star.name]).records == (star, apex)


def test_a_name_of_another_zone_is_refused(lab: Lab) -> None:
    with pytest.raises(Refused, match=r"media.example.net. is not in the zone example.org."):
        lab.zone.read(["media.example.net."])


def test_the_owner_is_read_from_labels(lab: Lab) -> None:
    assert lab.zone.read([NAME]).owners == {NAME: ""}
    lab.api.rrsets["media", "A"]["labels"] = {**MARK, "theirs": "kept"}
    assert lab.zone.read([NAME]).owners == {NAME: "upstairs/media"}
    lab.api.rrsets["media", "AAAA"]["labels"] = {**MARK, "upstairs-owner": "other"}
    assert lab.zone.read([NAME]).owners == {NAME: "unknown (other/media, upstairs/media)"}


def test_a_cut_is_marked_first_then_made_one_action_after_the_other(lab: Lab) -> None:
    lab.api.polls = 3
    lab.api.rrsets["media", "A"]["labels"] = {"theirs": "kept"}
    receipt = lab.zone.write(CUT, {NAME: "upstairs/media"})
    lab.zone.settled(receipt)
    assert lab.writes() == [
        "PUT /media/A",
        "PUT /media/AAAA",
        f"POST /{SET}",
        "POST /media/AAAA/actions/set_records",
    ]
    assert receipt == Receipt(("1", "2"))
    reading = lab.zone.read([NAME])
    assert reading.records == (NEW, NEW6)
    assert reading.owners == {NAME: "upstairs/media"}
    assert lab.api.rrsets["media", "A"]["labels"] == {**MARK, "theirs": "kept"}


def test_only_the_ttl_is_written_where_only_the_ttl_changes(lab: Lab) -> None:
    lab.zone.write([Change(NAME, "A", OLD, replace(OLD, ttl=60))], {})
    assert lab.writes() == ["POST /media/A/actions/change_ttl"]


@pytest.mark.parametrize(("ttl", "order"), [(60, ["change_ttl", "set_records"]), (900, ["set_records", "change_ttl"])])
def test_no_answer_is_kept_longer_than_the_old_or_the_new_allows(lab: Lab, ttl: int, order: list[str]) -> None:
    lab.zone.write([Change(NAME, "A", OLD, replace(NEW, ttl=ttl))], {})
    assert [each.rpartition("/")[2] for each in lab.writes()] == order


def test_a_type_is_added_with_its_mark_before_another_is_removed(lab: Lab) -> None:
    https = RecordSet(NAME, "HTTPS", 60, frozenset({'1 . alpn="h2"'}))
    changes = [Change(NAME, "AAAA", OLD6, None), Change(NAME, "HTTPS", None, https, ("HTTPS",))]
    lab.zone.write(changes, {NAME: "upstairs/media"})
    assert lab.writes() == ["PUT /media/A", "POST ", "DELETE /media/AAAA"]
    assert lab.zone.read([NAME]).records == (OLD, https)
    assert lab.api.rrsets["media", "HTTPS"]["labels"] == MARK


def test_a_name_is_let_go_after_everything_else(lab: Lab) -> None:
    lab.api.rrsets["media", "A"]["labels"] = {**MARK, "theirs": "kept"}
    lab.zone.write([CUT[0]], {NAME: ""})
    assert lab.writes() == [f"POST /{SET}", "PUT /media/A"]
    assert lab.api.rrsets["media", "A"]["labels"] == {"theirs": "kept"}


def test_a_text_is_quoted_and_split_on_the_way(lab: Lab) -> None:
    text = RecordSet("text.example.org.", "TXT", 60, frozenset({"x" * 256 + '"é'}))
    lab.zone.write([Change(text.name, "TXT", None, text)], {})
    assert lab.api.rrsets["text", "TXT"]["records"] == [{"value": '"' + "x" * 255 + '" "x\\"\\195\\169"'}]
    assert lab.zone.read([text.name]).records == (text,)


def test_a_value_that_stays_keeps_its_comment(lab: Lab) -> None:
    lab.api.rrsets["media", "A"]["records"][0]["comment"] = "the old edge"
    both = replace(OLD, values=frozenset({"192.0.2.1", "192.0.2.9"}))
    lab.zone.write([Change(NAME, "A", OLD, both)], {})
    assert lab.api.rrsets["media", "A"]["records"] == [
        {"value": "192.0.2.1", "comment": "the old edge"},
        {"value": "192.0.2.9"},
    ]


def test_what_is_already_so_is_not_written(lab: Lab) -> None:
    lab.zone.write([], {NAME: "upstairs/media"})
    before = lab.writes()
    assert lab.zone.write([], {NAME: "upstairs/media"}) == Receipt()
    assert lab.writes() == before


def test_nothing_is_written_where_a_record_is_not_what_the_plan_was_made_on(lab: Lab) -> None:
    lab.api.put("media", "A", "192.0.2.77", ttl=300)
    with pytest.raises(Raced, match="nothing was written"):
        lab.zone.write(CUT, {NAME: "upstairs/media"})
    assert lab.writes() == []


def test_nothing_is_written_where_a_type_has_come_that_was_absent(lab: Lab) -> None:
    with pytest.raises(Raced):
        lab.zone.write([Change(NAME, "A", OLD, NEW, ("AAAA",))], {})
    assert lab.writes() == []


def test_nothing_is_written_where_another_has_marked_the_name_since_it_was_read(lab: Lab) -> None:
    lab.zone.read([NAME])
    lab.api.rrsets["media", "A"]["labels"] = {**MARK, "upstairs-owner": "other"}
    with pytest.raises(Raced, match="owner"):
        lab.zone.write(CUT, {NAME: "upstairs/media"})
    assert lab.writes() == []


def test_a_record_set_that_came_in_the_last_moment_is_a_lost_race(lab: Lab) -> None:
    # The look before the write sees nothing; the request that would add it finds it there.
    lab.api.faults.append(Fault("POST", meanwhile=lambda: lab.api.put("fresh", "A", "192.0.2.77", ttl=60)))
    fresh = RecordSet("fresh.example.org.", "A", 60, frozenset({"192.0.2.9"}))
    with pytest.raises(Raced):
        lab.zone.write([Change(fresh.name, "A", None, fresh, ("A",))], {})
    assert lab.api.rrsets["fresh", "A"]["records"][0]["value"] == "192.0.2.77"


def test_an_update_that_overtakes_ours_is_found_when_it_is_read_back(lab: Lab) -> None:
    lab.api.faults.append(Fault("/actions/1", meanwhile=lambda: lab.api.put("media", "A", "192.0.2.77", ttl=300)))
    with pytest.raises(Ambiguous, match=r"somebody else wrote it too: it is media.example.org. 300 A 192.0.2.77"):
        lab.zone.write([CUT[0]], {})


@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (HANG_UP, ""),
        (500, error("service_error")),
        (504, error("timeout")),
        (200, error("unknown_error")),
        (200, "<p>"),
    ],
)
def test_a_write_whose_answer_is_lost_is_not_sent_again(lab: Lab, status: int, body: object, late: bool) -> None:
    lab.api.faults.append(Fault(SET, status, body, late=late))
    with pytest.raises(Ambiguous):
        lab.zone.write([CUT[0]], {})
    assert lab.writes() == [f"POST /{SET}"]
    assert lab.clock.naps == []


def test_a_write_that_nobody_answers_in_time_is_not_sent_again(lab: Lab) -> None:
    over = threading.Event()
    lab.api.faults.append(Fault(SET, HANG_UP, meanwhile=over.wait))
    provider = dns_hcloud.zone({"zone": "example.org", "token": "example", "endpoint_url": lab.url, "timeout": 0.5})
    with pytest.raises(Ambiguous, match="timed out"):
        replace(provider, patience=lab.clock.patience()).write([CUT[0]], {})
    over.set()
    assert lab.writes() == [f"POST /{SET}"]


def test_an_answer_without_what_was_asked_for_is_none(lab: Lab) -> None:
    lab.api.faults.append(Fault(SET, 201, {}))
    with pytest.raises(Ambiguous, match="something else"):
        lab.zone.write([CUT[0]], {})


def test_an_error_after_the_first_step_says_that_something_was_done(lab: Lab) -> None:
    lab.api.faults.append(Fault("AAAA/actions/set_records", 422, error("invalid_input")))
    with pytest.raises(Ambiguous, match=r"1 of 2 steps are done, then setting the values of media.example.org. AAAA"):
        lab.zone.write(CUT, {})


def test_silence_while_an_action_runs_is_not_taken_for_nothing_written(lab: Lab) -> None:
    lab.api.faults += [Fault("/actions/1", 500, error("service_error"))] * 99
    with pytest.raises(Ambiguous, match="was asked for"):
        lab.zone.write([CUT[0]], {})


@pytest.mark.parametrize(
    ("status", "code"), [(429, "rate_limit_exceeded"), (200, "rate_limit_exceeded"), (409, "conflict"), (423, "locked")]
)
def test_a_write_that_was_sent_away_is_sent_again(lab: Lab, status: int, code: str) -> None:
    lab.api.faults += [Fault(SET, status, error(code))] * 2
    lab.zone.write([CUT[0]], {})
    assert lab.clock.naps[:2] == [1.0, 2.0]
    assert lab.zone.read([NAME]).records == (NEW, OLD6)


def test_the_moment_that_the_answer_names_is_waited_for(lab: Lab) -> None:
    lab.api.faults.append(Fault("/v1/zones/example.org", 429, error("rate_limit_exceeded"), {"Retry-After": "11"}))
    lab.zone.servers()
    assert lab.clock.naps == [11]


@pytest.mark.parametrize(
    ("status", "body"), [(HANG_UP, ""), (503, "<p>"), (502, error("bad_gateway")), (200, error("timeout")), (200, {})]
)
def test_a_question_without_an_answer_is_asked_again(lab: Lab, status: int, body: object) -> None:
    lab.api.faults.append(Fault("/rrsets?name=media", status, body))
    assert lab.zone.read([NAME]).records == (OLD, OLD6)
    assert lab.clock.naps == [1.0]


def test_nobody_there_is_told_after_the_deadline() -> None:
    with hcloud_api() as endpoint:
        pass
    clock = Clock()
    with pytest.raises(Unanswered, match="no answer"):
        made(endpoint, clock).servers()
    assert 0 < clock.now <= 60


def test_an_expired_token_is_named_and_not_shown() -> None:
    with hcloud_api() as endpoint, pytest.raises(Refused, match="HCLOUD_TOKEN") as told:
        made(endpoint, Clock(), token="hunter2").read([NAME])
    assert "unauthorized" in str(told.value)
    assert "hunter2" not in repr(told.value) + repr(made(endpoint, Clock(), token="hunter2"))


def test_a_token_that_may_not_write_is_refused(lab: Lab) -> None:
    lab.api.faults.append(Fault(SET, 403, error("token_readonly")))
    with pytest.raises(Refused, match="may write"):
        lab.zone.write([CUT[0]], {})


def test_no_token_is_a_mistake_and_the_environment_may_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HCLOUD_TOKEN", raising=False)
    with pytest.raises(Mistake, match="HCLOUD_TOKEN"):
        dns_hcloud.zone({"zone": "example.org"})
    monkeypatch.setenv("HCLOUD_TOKEN", "example")
    api = Zones()
    with hcloud_api(zones=api) as endpoint:
        assert dns_hcloud.zone({"zone": "example.org", "endpoint_url": endpoint}).servers()


def test_an_unknown_zone_is_refused() -> None:
    with hcloud_api() as endpoint, pytest.raises(Refused, match="no such zone"):
        made(endpoint, Clock(), zone="example.net").servers()


def test_a_secondary_zone_is_changed_on_its_primary(lab: Lab) -> None:
    lab.api.mode = "secondary"
    with pytest.raises(Refused, match="on its primary"):
        lab.zone.write(CUT, {})
    assert lab.writes() == []


def test_a_protected_record_set_is_refused_before_anything_is_written(lab: Lab) -> None:
    lab.api.rrsets["media", "AAAA"]["protection"]["change"] = True
    with pytest.raises(Refused, match=r"media.example.org. AAAA is protected"):
        lab.zone.write(CUT, {NAME: "upstairs/media"})
    assert lab.writes() == []


def test_a_type_that_cannot_be_exchanged_at_once_is_refused_before_anything_is_written(lab: Lab) -> None:
    cname = RecordSet(NAME, "CNAME", 300, frozenset({"edge.example.net."}))
    changes = [Change(NAME, "A", OLD, None), Change(NAME, "AAAA", OLD6, None), Change(NAME, "CNAME", None, cname)]
    with pytest.raises(Refused, match="cannot exchange CNAME and addresses"):
        lab.zone.write(changes, {})
    assert lab.writes() == []


@pytest.mark.parametrize(
    ("name", "owner", "why"), [(NAME, "our team/media", "label"), ("no.example.org.", "a/b", "no records")]
)
def test_a_mark_that_cannot_be_made_is_refused(lab: Lab, name: str, owner: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        lab.zone.write([], {name: owner})
    assert lab.writes() == []


def test_a_ttl_below_the_apis_minimum_is_refused_in_its_words(lab: Lab) -> None:
    with pytest.raises(Refused, match="ttl: 10 is not allowed"):
        lab.zone.write([Change(NAME, "A", OLD, replace(OLD, ttl=10))], {})


def test_a_write_is_settled_when_its_actions_are_done_and_the_zone_is_published(lab: Lab) -> None:
    receipt = lab.zone.write([CUT[0]], {})
    lab.api.actions.append({**lab.api.actions[0], "id": 2, "status": "running"})
    lab.api.left[2] = 2
    lab.zone.settled(Receipt((*receipt.ids, "2")))
    assert lab.api.actions[1]["status"] == "success"


def test_an_action_that_hetzner_has_forgotten_holds_nothing_up_and_its_zone_is_asked_still(lab: Lab) -> None:
    receipt = lab.zone.write([CUT[0]], {})
    lab.api.actions.clear()
    lab.zone.settled(receipt)
    lab.api.broken = True
    with pytest.raises(Failed, match="could not publish"):
        lab.zone.settled(receipt)


def test_an_action_that_failed_is_a_failure(lab: Lab) -> None:
    lab.api.fail_next = True
    with pytest.raises(Failed, match="the name server did not take it"):
        lab.zone.write([CUT[0]], {})


def test_a_zone_in_error_is_a_failure_though_its_action_succeeded(lab: Lab) -> None:
    receipt = lab.zone.write([CUT[0]], {})
    lab.api.broken = True
    with pytest.raises(Failed, match="could not publish"):
        lab.zone.settled(receipt)


def test_an_action_that_never_ends_is_a_failure(lab: Lab) -> None:
    lab.api.polls = 999
    with pytest.raises(Failed, match=r"set_rrset_records.* is running at Hetzner after 30 s"):
        lab.zone.write([CUT[0]], {})


def test_a_zone_is_waited_for_also_without_a_receipt(lab: Lab) -> None:
    lab.api.polls = 999
    lab.api.answer("DELETE", "/v1/zones/1/rrsets/media/AAAA", {}, {})
    with pytest.raises(Failed, match="the zone is updating at Hetzner after 30 s"):
        lab.zone.settled(Receipt())


def test_the_servers_are_those_that_were_assigned(lab: Lab) -> None:
    assert lab.zone.servers() == ("helium.ns.hetzner.de.", "hydrogen.ns.hetzner.com.")


@pytest.mark.parametrize("status", ["partially-valid", "invalid", "lame", "unregistered", "unknown"])
def test_a_delegation_that_is_not_valid_is_told(lab: Lab, status: str) -> None:
    assert lab.zone.delegation() == ""
    lab.api.delegation = status
    assert f"is {status}: the parent zone names ns1.example.net." in lab.zone.delegation()


def media_split() -> Split:
    sides = {"read": {"name": "media", "addresses": ["192.0.2.9"]}, "write": {"name": "write", "cname": "bucket"}}
    return parse(
        {"id": "media", "owner": "upstairs", "zone": "example.org", "ttl": 120, "transit_ttl": 60, **sides}, 60
    )


def converge(zone: HCloud, split: Split) -> Reading:
    """Plan and write until nothing is left to do, as one run after another would that breaks off."""
    while True:
        planned = plan(zone.read(split.names), split.final(), split.marker, zone.capabilities, adopt=True)
        assert planned.refusals == ()
        if not planned.batches:
            return zone.read(split.names)
        with suppress(Ambiguous):
            for batch in planned.batches:
                zone.settled(zone.write(batch.changes, batch.owners))


def test_a_split_is_planned_written_and_marked_though_one_of_its_names_is_new(lab: Lab) -> None:
    split = media_split()
    reading = converge(lab.zone, split)
    assert set(reading.records) == frozenset().union(*(side.records for side in split.sides))
    assert reading.owners == dict.fromkeys(split.names, "upstairs/media")
    assert lab.writes() == [
        "PUT /media/A",
        "PUT /media/AAAA",
        "POST /media/A/actions/change_ttl",
        "POST ",
        f"POST /{SET}",
        "DELETE /media/AAAA",
    ]


@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize(
    "write", ["PUT /v1/zones/1/rrsets/media/A", "change_ttl", "POST /v1/zones/1/rrsets HTTP", "set_records", "DELETE"]
)
def test_wherever_a_run_breaks_off_the_name_answers_and_the_next_ends_the_same(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, write: str, late: bool
) -> None:
    answer, answering = lab.api.answer, list[bool]()

    def watched(*question: Any) -> Any:
        said = answer(*question)
        answering.append(any(name == "media" and one["records"] for (name, _), one in lab.api.rrsets.items()))
        return said

    monkeypatch.setattr(lab.api, "answer", watched)
    lab.api.faults.append(Fault(write, HANG_UP, late=late))
    split = media_split()
    reading = converge(lab.zone, split)
    assert set(reading.records) == frozenset().union(*(side.records for side in split.sides))
    assert reading.owners == dict.fromkeys(split.names, "upstairs/media")
    assert all(answering)
    assert lab.api.faults == []
