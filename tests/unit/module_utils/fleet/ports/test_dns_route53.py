# SPDX-License-Identifier: GPL-3.0-or-later
"""Route 53: the real library, against a server that knows the conversation, and against moto's."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from xml.sax.saxutils import escape

import boto3
import pytest
from moto.server import ThreadedMotoServer

from plugins.module_utils.fleet.ports import dns_route53
from plugins.module_utils.fleet.ports.dns_provider import (
    Ambiguous,
    Failed,
    Raced,
    Receipt,
    Refused,
    Unanswered,
    marker_name,
)
from plugins.module_utils.fleet.ports.dns_route53 import Route53
from plugins.module_utils.fleet.records import Change, Mistake, RecordSet
from tests.unit.module_utils.fleet.ports.conversation import HANG_UP, SILENT, Clock, Conversation, Line, conversation

ZONE, NAME = "example.org.", "media.example.org."
KEYS = {"access_key": "example", "secret_key": "example"}
OLD = RecordSet(NAME, "A", 300, frozenset({"192.0.2.1", "192.0.2.2"}))
OLD6 = RecordSet(NAME, "AAAA", 300, frozenset({"2001:db8::1"}))
NEW = RecordSet(NAME, "A", 60, frozenset({"192.0.2.9"}))
NEW6 = RecordSet(NAME, "AAAA", 60, frozenset({"2001:db8::9"}))
ALIAS = RecordSet(NAME, "CNAME", 60, frozenset({"edge.example.net."}))

HOSTED = Line(
    "GET /2013-04-01/hostedzone/Z1",
    "<GetHostedZoneResponse><HostedZone><Id>/hostedzone/Z1</Id><Name>example.org.</Name></HostedZone><DelegationSet><NameServers>"
    "<NameServer>NS-2.example.net</NameServer><NameServer>ns-1.example.net.</NameServer></NameServers></DelegationSet>"
    "</GetHostedZoneResponse>",
)
BY_NAME = "GET /2013-04-01/hostedzonesbyname?dnsname=example.org."
CHANGE = "POST /2013-04-01/hostedzone/Z1/rrset"
GET_CHANGE = "GET /2013-04-01/change/C1"


def xml(record: RecordSet, name: str = "", values: tuple[str, ...] = ()) -> str:
    rows = "".join(
        f"<ResourceRecord><Value>{escape(value)}</Value></ResourceRecord>"
        for value in values or tuple(sorted(record.values))
    )
    return (
        f"<ResourceRecordSet><Name>{name or record.name}</Name><Type>{record.type}</Type><TTL>{record.ttl}</TTL>"
        f"<ResourceRecords>{rows}</ResourceRecords></ResourceRecordSet>"
    )


def listing(name: str, *sets: str, more: str = "") -> Line:
    body = (
        f"<ListResourceRecordSetsResponse><ResourceRecordSets>{''.join(sets)}</ResourceRecordSets>"
        f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>{more}</ListResourceRecordSetsResponse>"
    )
    return Line(f"GET /2013-04-01/hostedzone/Z1/rrset?name={name.replace('*', '%2A')}", body)


def zones(*found: str) -> Line:
    return Line(
        BY_NAME,
        f"<ListHostedZonesByNameResponse><HostedZones>{''.join(found)}</HostedZones><IsTruncated>false</IsTruncated>"
        "</ListHostedZonesByNameResponse>",
    )


def hosted(number: str, name: str = ZONE, private: bool = False) -> str:
    config = f"<Config><PrivateZone>{str(private).lower()}</PrivateZone></Config>"
    return f"<HostedZone><Id>/hostedzone/{number}</Id><Name>{name}</Name>{config}</HostedZone>"


def change_info(status: str = "PENDING", asked: str = CHANGE) -> Line:
    root = "ChangeResourceRecordSetsResponse" if asked == CHANGE else "GetChangeResponse"
    return Line(
        asked, f"<{root}><ChangeInfo><Id>/change/C1</Id><Status>{status}</Status></ChangeInfo></{root}>", status=200
    )


def error(asked: str, status: int, code: str, message: str = "told", **headers: str) -> Line:
    body = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    return Line(asked, body, status, {key.replace("_", "-"): value for key, value in headers.items()})


def mark(owner: str = "upstairs", split: str = "media") -> RecordSet:
    return RecordSet(marker_name(NAME), "TXT", 300, frozenset({f'"owner={owner} split={split}"'}))


def at(url: str, clock: Clock | None = None, **more: str) -> Route53:
    made = dns_route53.zone({"zone": "example.org", "zone_id": "Z1", "endpoint_url": url, **KEYS, **more})
    return replace(made, patience=(clock or Clock()).patience())


def sent(heard: Conversation) -> list[tuple[str, str, str, list[str]]]:
    """Return the changes of the last batch that was sent."""
    tree = ElementTree.fromstring(next(body for body in reversed(heard.bodies) if body))  # noqa: S314 - our own request
    place = "{https://route53.amazonaws.com/doc/2013-04-01/}"
    return [
        (
            str(change.findtext(f"{place}Action")),
            str(change.findtext(f"{place}ResourceRecordSet/{place}Type")),
            str(change.findtext(f"{place}ResourceRecordSet/{place}TTL")),
            [str(value.text) for value in change.iter(f"{place}Value")],
        )
        for change in tree.iter(f"{place}Change")
    ]


def test_a_name_whose_record_sets_fill_more_than_one_page_is_read_whole() -> None:
    more = f"<NextRecordName>{NAME}</NextRecordName><NextRecordType>AAAA</NextRecordType>"
    neighbour = RecordSet("mediaz.example.org.", "A", 60, frozenset({"192.0.2.7"}))
    with conversation(
        HOSTED,
        listing(NAME, xml(OLD), more=more),
        listing(f"{NAME}&type=AAAA", xml(OLD6, values=("2001:DB8:0::1",)), xml(neighbour)),
        listing(marker_name(NAME), xml(mark())),
    ) as heard:
        reading = at(heard.url).read([NAME])
    assert reading.records == (OLD, OLD6)
    assert reading.owners == {NAME: "upstairs/media"}


def test_a_wildcard_is_asked_for_as_a_star_and_answered_as_a_code() -> None:
    star = RecordSet("*.example.org.", "TXT", 60, frozenset({"one text"}))
    with conversation(
        HOSTED,
        listing(star.name, xml(star, name=r"\052.example.org.", values=('"one " "text"',))),
        listing("_upstairs-owner.*.example.org."),
    ) as heard:
        reading = at(heard.url).read([star.name])
    assert reading.records == (star,)
    assert reading.owners == {star.name: ""}


def test_a_cut_is_one_batch_of_exact_removals_and_additions_with_its_mark() -> None:
    changes = (Change(NAME, "A", OLD, NEW), Change(NAME, "AAAA", OLD6, NEW6, ("CNAME",)))
    with conversation(
        HOSTED,
        listing(marker_name(NAME)),
        listing(NAME, xml(OLD), xml(OLD6, values=("2001:DB8:0::1",))),
        change_info(),
    ) as heard:
        receipt = at(heard.url).write(changes, {NAME: "upstairs/media"})
        said = sent(heard)
    assert receipt == Receipt(("/change/C1",))
    assert said == [
        ("DELETE", "A", "300", ["192.0.2.1", "192.0.2.2"]),
        # As Amazon has it, not as we spell it: a DELETE compares.
        ("DELETE", "AAAA", "300", ["2001:DB8:0::1"]),
        ("CREATE", "A", "60", ["192.0.2.9"]),
        ("CREATE", "AAAA", "60", ["2001:db8::9"]),
        ("CREATE", "TXT", "300", ['"owner=upstairs split=media"']),
    ]


def test_a_text_longer_than_a_string_is_sent_in_pieces() -> None:
    text = RecordSet(NAME, "TXT", 60, frozenset({"x" * 256 + '"é'}))
    with conversation(HOSTED, listing(NAME), change_info()) as heard:
        at(heard.url).write([Change(NAME, "TXT", None, text, ("TXT",))], {})
        said = sent(heard)
    assert said == [("CREATE", "TXT", "60", ['"' + "x" * 255 + '" "x\\"\\303\\251"'])]


def test_nothing_is_written_where_a_record_is_not_what_the_plan_was_made_on() -> None:
    with conversation(HOSTED, listing(NAME, xml(NEW))) as heard, pytest.raises(Raced, match="nothing was written"):
        at(heard.url).write([Change(NAME, "A", OLD, NEW)], {})


def test_nothing_is_written_where_a_type_has_come_that_was_absent() -> None:
    with conversation(HOSTED, listing(NAME, xml(OLD), xml(OLD6))) as heard, pytest.raises(Raced):
        at(heard.url).write([Change(NAME, "A", OLD, NEW, ("AAAA",))], {})


def test_nothing_is_written_where_another_has_marked_the_name_since_it_was_read() -> None:
    with conversation(
        HOSTED,
        listing(NAME, xml(OLD)),
        listing(marker_name(NAME)),
        listing(marker_name(NAME), xml(mark("someone"))),
        listing(NAME, xml(OLD)),
    ) as heard:
        zone = at(heard.url)
        zone.read([NAME])
        with pytest.raises(Raced, match="owner"):
            zone.write([Change(NAME, "A", OLD, NEW)], {NAME: "upstairs/media"})


def test_an_update_in_the_last_moment_is_a_lost_race() -> None:
    refused = error(CHANGE, 400, "InvalidChangeBatch", "the values provided do not match the current values")
    with (
        conversation(HOSTED, listing(NAME, xml(OLD)), refused, listing(NAME, xml(NEW))) as heard,
        pytest.raises(Raced),
    ):
        at(heard.url).write([Change(NAME, "A", OLD, NEW)], {})


def test_a_batch_that_is_wrong_in_itself_is_no_race() -> None:
    refused = error(CHANGE, 400, "InvalidChangeBatch", "conflicts with other records")
    with (
        conversation(HOSTED, listing(NAME, xml(OLD)), refused, listing(NAME, xml(OLD))) as heard,
        pytest.raises(Refused, match="conflicts with other records"),
    ):
        at(heard.url).write([Change(NAME, "A", OLD, NEW)], {})


@pytest.mark.parametrize(
    "last",
    [
        Line(CHANGE, status=HANG_UP),
        error(CHANGE, 500, "InternalFailure"),
        error(CHANGE, 503, "ServiceUnavailable"),
        error(CHANGE, 200, "InternalError"),
        Line(CHANGE, "<html>"),
        Line(CHANGE, "<Fine/>"),
    ],
)
def test_a_write_whose_answer_is_lost_is_not_sent_again(last: Line) -> None:
    clock = Clock()
    with conversation(HOSTED, listing(NAME, xml(OLD)), last) as heard, pytest.raises(Ambiguous):
        at(heard.url, clock).write([Change(NAME, "A", OLD, NEW)], {})
    assert clock.naps == []


def test_a_write_that_nobody_answers_in_time_is_not_sent_again() -> None:
    lines = (HOSTED, listing(NAME, xml(OLD)), Line(CHANGE, status=SILENT))
    with conversation(*lines) as heard, pytest.raises(Ambiguous, match="timeout"):
        at(heard.url, timeout="0.5").write([Change(NAME, "A", OLD, NEW)], {})


@pytest.mark.parametrize(
    "busy",
    [
        error(CHANGE, 400, "Throttling"),
        error(CHANGE, 429, "TooManyRequests"),
        error(CHANGE, 200, "Throttling"),
        error(CHANGE, 400, "PriorRequestNotComplete"),
    ],
)
def test_a_write_that_was_sent_away_is_sent_again(busy: Line) -> None:
    clock = Clock()
    with conversation(HOSTED, listing(NAME, xml(OLD)), busy, busy, change_info()) as heard:
        assert at(heard.url, clock).write([Change(NAME, "A", OLD, NEW)], {}).ids == ("/change/C1",)
    assert clock.naps == [1.0, 2.0]


def test_the_moment_that_the_answer_names_is_waited_for() -> None:
    clock = Clock()
    busy = error("GET /2013-04-01/hostedzone/Z1", 429, "Throttling", Retry_After="11")
    with conversation(busy, HOSTED) as heard:
        at(heard.url, clock).servers()
    assert clock.naps == [11]


@pytest.mark.parametrize(
    "bad",
    [
        error("rrset", 500, "InternalFailure"),
        error("rrset", 200, "InternalFailure"),
        Line("rrset", status=HANG_UP),
        Line("rrset", "<Odd/>"),
    ],
)
def test_a_question_without_an_answer_is_asked_again(bad: Line) -> None:
    clock = Clock()
    with conversation(HOSTED, bad, listing(NAME, xml(OLD)), listing(marker_name(NAME))) as heard:
        assert at(heard.url, clock).read([NAME]).records == (OLD,)
    assert clock.naps == [1.0]


def test_nobody_there_is_told_after_the_deadline() -> None:
    with conversation() as heard:
        url = heard.url
    clock = Clock()
    with pytest.raises(Unanswered, match="cannot be reached"):
        at(url, clock).servers()
    assert 0 < clock.now <= 60


@pytest.mark.parametrize("code", ["InvalidClientTokenId", "ExpiredToken", "SignatureDoesNotMatch"])
def test_wrong_and_expired_keys_are_named_and_not_shown(code: str) -> None:
    with (
        conversation(error("hostedzone", 403, code)) as heard,
        pytest.raises(Refused, match="AWS_ACCESS_KEY_ID") as told,
    ):
        at(heard.url, secret_key="hunter2").servers()
    assert code in str(told.value)
    assert "hunter2" not in repr(told.value) + repr(at("http://127.0.0.1:9", secret_key="hunter2"))


def test_no_keys_at_all_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    for variable in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(variable, "/nonexistent")
    # Or the library would ask whether this machine is one of Amazon's.
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with conversation() as heard, pytest.raises(Refused, match="AWS_ACCESS_KEY_ID"):
        dns_route53.zone({"zone": "example.org", "endpoint_url": heard.url}).servers()


def test_half_a_key_is_a_mistake() -> None:
    with pytest.raises(Mistake, match="secret_key"):
        dns_route53.zone({"zone": "example.org", "access_key": "only"})


def test_an_endpoint_that_is_no_address_is_a_mistake() -> None:
    with pytest.raises(Mistake, match="endpoint_url"):
        at("example")


def test_an_unknown_zone_is_refused() -> None:
    with (
        conversation(zones(hosted("Z9", "example.orgy."))) as heard,
        pytest.raises(Refused, match="no public hosted zone"),
    ):
        at(heard.url, zone_id="").servers()


def test_an_unknown_id_is_refused() -> None:
    with (
        conversation(error("hostedzone/Z1", 404, "NoSuchHostedZone", "No hosted zone found with ID: Z1")) as heard,
        pytest.raises(Refused, match="No hosted zone"),
    ):
        at(heard.url).read([NAME])


def test_an_id_of_another_zone_is_refused() -> None:
    with conversation(HOSTED) as heard, pytest.raises(Refused, match="correct zone or zone_id"):
        at(heard.url, zone="example.net").read([NAME])


def test_two_zones_of_one_name_need_a_word_from_the_operator() -> None:
    with conversation(zones(hosted("Z1"), hosted("Z2"))) as heard, pytest.raises(Refused, match=r"Z1, Z2.*zone_id"):
        at(heard.url, zone_id="").servers()


def test_a_private_twin_does_not_count() -> None:
    with conversation(zones(hosted("Z2", private=True), hosted("Z1")), HOSTED) as heard:
        assert at(heard.url, zone_id="").servers() == ("ns-1.example.net.", "ns-2.example.net.")


def test_a_private_zone_is_no_zone_that_visitors_ask() -> None:
    body = f"<GetHostedZoneResponse>{hosted('Z1', private=True)}</GetHostedZoneResponse>"
    with conversation(replace(HOSTED, body=body)) as heard:
        zone = at(heard.url)
        assert "private" in zone.delegation()
        assert zone.servers() == ()


@pytest.mark.parametrize(
    ("extra", "what"),
    [
        ("<AliasTarget><DNSName>d1.example.net.</DNSName></AliasTarget>", "an alias of d1.example.net"),
        ("<TTL>60</TTL><SetIdentifier>one</SetIdentifier><Weight>10</Weight>", "SetIdentifier, Weight"),
    ],
)
def test_what_answers_with_more_than_its_values_is_refused(extra: str, what: str) -> None:
    odd = f"<ResourceRecordSet><Name>{NAME}</Name><Type>A</Type>{extra}</ResourceRecordSet>"
    with conversation(HOSTED, listing(NAME, odd)) as heard, pytest.raises(Refused, match=what):
        at(heard.url).read([NAME])


def test_a_batch_beyond_the_limits_is_refused_before_it_is_sent() -> None:
    many = RecordSet(NAME, "TXT", 60, frozenset({"x" * 40000}))
    with conversation(HOSTED, listing(NAME)) as heard, pytest.raises(Refused, match="more than Route 53 takes"):
        at(heard.url).write([Change(NAME, "TXT", None, many)], {})


def test_a_change_is_settled_when_all_servers_have_it() -> None:
    clock = Clock()
    with conversation(
        change_info("PENDING", GET_CHANGE),
        error(GET_CHANGE, 400, "Throttling"),
        change_info("INSYNC", GET_CHANGE),
    ) as heard:
        at(heard.url, clock).settled(Receipt(("/change/C1",)))
    assert clock.naps == [1.0, 1.0]


def test_a_change_that_stays_pending_has_failed() -> None:
    clock = Clock()
    with (
        conversation(*[change_info("PENDING", GET_CHANGE)] * 31) as heard,
        pytest.raises(Failed, match="PENDING, not INSYNC"),
    ):
        at(heard.url, clock).settled(Receipt(("/change/C1",)))


def test_a_change_that_amazon_has_forgotten_holds_nothing_up() -> None:
    # Weeks later only the servers can tell; but the change that is still known is waited for.
    with conversation(
        error(GET_CHANGE, 404, "NoSuchChange", "A change with that ID does not exist"),
        replace(change_info("PENDING", GET_CHANGE), asked="GET /2013-04-01/change/C2"),
        replace(change_info("INSYNC", GET_CHANGE), asked="GET /2013-04-01/change/C2"),
    ) as heard:
        at(heard.url).settled(Receipt(("/change/C1", "/change/C2")))


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def hosted_zone(moto: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, str]]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "example")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    client = boto3.client("route53", endpoint_url=moto, region_name="us-east-1")
    number = client.create_hosted_zone(Name="example.org", CallerReference="test")["HostedZone"]["Id"]
    put(client, number, "UPSERT", OLD)
    put(client, number, "UPSERT", OLD6)
    yield client, number
    for each in client.list_resource_record_sets(HostedZoneId=number)["ResourceRecordSets"]:
        if each["Type"] not in ("NS", "SOA"):
            change = {"Action": "DELETE", "ResourceRecordSet": each}
            client.change_resource_record_sets(HostedZoneId=number, ChangeBatch={"Changes": [change]})
    client.delete_hosted_zone(Id=number)


def put(client: Any, number: str, action: str, record: RecordSet) -> None:
    rows = [{"Value": value} for value in sorted(record.values)]
    one = {"Name": record.name, "Type": record.type, "TTL": record.ttl, "ResourceRecords": rows}
    batch = {"Changes": [{"Action": action, "ResourceRecordSet": one}]}
    client.change_resource_record_sets(HostedZoneId=number, ChangeBatch=batch)


def found_by_name(moto: str) -> Route53:
    """Find the zone by its name, with the keys of the environment."""
    return replace(dns_route53.zone({"zone": "example.org", "endpoint_url": moto}), patience=Clock().patience())


def test_moto_a_split_is_cut_marked_settled_and_read_back(moto: str, hosted_zone: tuple[Any, str]) -> None:
    zone = found_by_name(moto)
    assert zone.read([NAME]).records == (OLD, OLD6)
    receipt = zone.write([Change(NAME, "A", OLD, NEW), Change(NAME, "AAAA", OLD6, NEW6)], {NAME: "upstairs/media"})
    zone.settled(receipt)
    reading = found_by_name(moto).read([NAME])
    assert reading.records == (NEW, NEW6)
    assert reading.owners == {NAME: "upstairs/media"}
    assert len(zone.servers()) == 4
    assert zone.delegation() == ""


def test_moto_a_name_changes_its_type_in_one_batch_and_back(moto: str, hosted_zone: tuple[Any, str]) -> None:
    zone = found_by_name(moto)
    there = [Change(NAME, "A", OLD, None), Change(NAME, "AAAA", OLD6, None), Change(NAME, "CNAME", None, ALIAS)]
    zone.write(there, {NAME: "upstairs/media"})
    assert zone.read([NAME]).records == (ALIAS,)
    zone.write([Change(one.name, one.type, one.after, one.before) for one in there], {NAME: ""})
    assert zone.read([NAME]).records == (OLD, OLD6)
    assert zone.read([NAME]).owners == {NAME: ""}


def test_moto_what_is_already_so_is_not_written(moto: str, hosted_zone: tuple[Any, str]) -> None:
    zone = found_by_name(moto)
    zone.write([], {NAME: "upstairs/media"})
    assert zone.write([], {NAME: "upstairs/media"}) == Receipt()


def test_moto_a_record_that_changed_meanwhile_is_kept(moto: str, hosted_zone: tuple[Any, str]) -> None:
    client, number = hosted_zone
    theirs = RecordSet(NAME, "A", 300, frozenset({"192.0.2.77"}))
    put(client, number, "UPSERT", theirs)
    with pytest.raises(Raced):
        found_by_name(moto).write([Change(NAME, "A", OLD, NEW)], {})
    assert theirs in found_by_name(moto).read([NAME]).records
