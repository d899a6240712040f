# SPDX-License-Identifier: GPL-3.0-or-later
"""A hosted zone of Amazon's Route 53. One ChangeBatch is all or nothing, and a DELETE must name exactly what is there.

So a DELETE of the old and a CREATE of the new in one batch is a comparison and a swap, for several types and the owner's mark at
once. The library's own repetitions are off: they would send a write again whose answer was lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

try:
    import boto3
    import botocore.config
    import botocore.parsers
    from botocore import exceptions as aws

    HAS_BOTO3 = True
except ImportError:
    HAS_BOTO3 = False

from ..records import TTL_MAX, Change, Mistake, RecordSet, zone_name
from ..zone_text import OCTAL, given, plain, spelled
from .dns_provider import (
    Ambiguous,
    Capabilities,
    Failed,
    Reading,
    Receipt,
    Refused,
    Unanswered,
    Unknown,
    marker_name,
    marker_owner,
    marker_text,
    raced,
    refuse_races,
)
from .patience import Patience, Throttled, patience, seconds

# Amazon's limits of one batch.
MOST_RECORDS = 1000
MOST_CHARACTERS = 32000
MARKER_TTL = 300
# The service is the same everywhere; requests to it are signed for this region.
REGION = "us-east-1"
# What a plain record set says. Whatever says more is an alias or is routed, and answers with more than its values.
PLAIN = {"Name", "Type", "TTL", "ResourceRecords"}
BUSY = {
    *("Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException"),
    *("TooManyRequestsException", "RequestLimitExceeded", "SlowDown", "PriorRequestNotComplete"),
}
BROKEN = {"InternalError", "InternalFailure", "InternalServerError", "ServiceUnavailable", "ServiceFailure"}
STRANGER = {
    *("InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken", "ExpiredTokenException", "RequestExpired"),
    *("MissingAuthenticationToken", "UnrecognizedClientException", "InvalidSignatureException", "IncompleteSignature"),
}
# What an answer to each question must hold, or it is none.
ANSWERS = {
    "list_resource_record_sets": "ResourceRecordSets",
    "list_hosted_zones_by_name": "HostedZones",
    "get_hosted_zone": "HostedZone",
    "get_change": "ChangeInfo",
    "change_resource_record_sets": "ChangeInfo",
}
# Where one page of record sets ends, and how the next one is asked for.
NEXT = (
    ("NextRecordName", "StartRecordName"),
    ("NextRecordType", "StartRecordType"),
    ("NextRecordIdentifier", "StartRecordIdentifier"),
)

CAPABILITIES = Capabilities(atomic_type_change=True, atomic_ttl_and_values=True, min_ttl=0, max_ttl=TTL_MAX)

Raw = Mapping[str, Any]


@dataclass(frozen=True)
class Route53:
    """One hosted zone."""

    client: Any
    zone: str
    wanted_id: str = ""
    patience: Patience = field(default_factory=Patience)
    capabilities: Capabilities = CAPABILITIES
    # Whose each name was when it was last read: a mark that has changed since is a lost race too.
    seen: dict[str, str] = field(default_factory=dict)

    def read(self, names: Sequence[str]) -> Reading:
        """Return what is at the names. A record set that is more than its values is refused: it could not be put back."""
        records = [self._record(raw) for name in names for raw in self._at(name)]
        owners = {name: self._owner(self._at(marker_name(name))) for name in names}
        self.seen.update(owners)
        return Reading(tuple(sorted(records)), owners)

    def write(self, changes: Sequence[Change], owners: Mapping[str, str]) -> Receipt:
        """Make all changes and marks in one ChangeBatch."""
        names = sorted({change.name for change in changes} | {marker_name(name) for name in owners})
        live = self._snapshot(names)
        self._compare(live, changes, owners)
        batch = [*self._swaps(live, changes), *self._marks(live, owners)]
        if not batch:
            return Receipt()
        # Removals first: a CREATE of an address beside a CNAME would be refused. Nobody sees what is between.
        batch.sort(key=lambda each: str(each["Action"]), reverse=True)
        _within_limits(batch)
        for name in owners:
            self.seen.pop(name, None)
        try:
            question = {"HostedZoneId": self.id, "ChangeBatch": {"Changes": batch}}
            answer = self._ask("change_resource_record_sets", question, Ambiguous)
        except Refused as error:
            if not isinstance(error, Throttled) and self._snapshot(names) != live:
                raise raced(self.zone) from error
            raise
        self.seen.update(owners)
        return Receipt((str(answer["ChangeInfo"]["Id"]),))

    def settled(self, receipt: Receipt) -> None:
        """Wait until all of Amazon's servers have the changes (INSYNC). Without a receipt Amazon has nothing to say."""
        for change in receipt.ids:
            try:
                left = self.patience.until(partial(self._pending, change))
            except Unknown:
                continue
            if left:
                raise Failed(f"{self.zone}: {left} after {self.patience.settling:g} s")

    def servers(self) -> tuple[str, ...]:
        """Return the servers of the zone's delegation set."""
        names = (self._hosted.get("DelegationSet") or {}).get("NameServers") or []
        return tuple(sorted(f"{name.rstrip('.').lower()}." for name in names))

    def delegation(self) -> str:
        """Amazon does not look at the parent zone: only that the zone is meant for everybody can be told here."""
        if self._hosted["HostedZone"].get("Config", {}).get("PrivateZone"):
            return f"{self.zone}: the hosted zone {self.id} is private, nobody outside its networks can ask for it"
        return ""

    @property
    def id(self) -> str:
        """The hosted zone's id, as given or found by its name."""
        return str(self._hosted["HostedZone"]["Id"]).rpartition("/")[2]

    @cached_property
    def _hosted(self) -> dict[str, Any]:
        answer = self._ask("get_hosted_zone", {"Id": self.wanted_id or self._found()})
        name = plain(answer["HostedZone"]["Name"])
        if name != self.zone:
            raise Refused(f"the hosted zone {self.wanted_id} is {name}, not {self.zone}: correct zone or zone_id")
        return answer

    def _found(self) -> str:
        found = [each for each in self._hosted_zones() if not each.get("Config", {}).get("PrivateZone")]
        if not found:
            raise Refused(f"{self.zone} is no public hosted zone of this account: create it, or check zone and keys")
        if len(found) > 1:
            ids = ", ".join(sorted(each["Id"].rpartition("/")[2] for each in found))
            raise Refused(f"{self.zone} is more than one hosted zone ({ids}): say which with zone_id")
        return str(found[0]["Id"])

    def _hosted_zones(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        start: dict[str, str] = {"DNSName": self.zone}
        while True:
            page = self._ask("list_hosted_zones_by_name", start)
            same = [each for each in page["HostedZones"] if plain(each["Name"]) == self.zone]
            found += same
            # They come in the order of their names, from the one that was asked for.
            if len(same) < len(page["HostedZones"]) or not page.get("IsTruncated"):
                return found
            start = {"DNSName": page["NextDNSName"], "HostedZoneId": page["NextHostedZoneId"]}

    def _at(self, name: str) -> list[Raw]:
        """Return all record sets of a name as Amazon has them: they come in the order of names, from this one on."""
        found: list[Raw] = []
        start = {"StartRecordName": name}
        while True:
            page = self._ask("list_resource_record_sets", {"HostedZoneId": self.id, **start})
            same = [each for each in page["ResourceRecordSets"] if plain(each["Name"]) == name]
            found += same
            if len(same) < len(page["ResourceRecordSets"]) or not page.get("IsTruncated"):
                return found
            start = {ask: page[said] for said, ask in NEXT if page.get(said)}

    def _snapshot(self, names: Iterable[str]) -> dict[tuple[str, str], Raw]:
        found = {}
        for raw in (raw for name in names for raw in self._at(name)):
            record = self._record(raw)
            found[record.name, record.type] = raw
        return found

    def _record(self, raw: Raw) -> RecordSet:
        name, kind = plain(raw["Name"]), raw["Type"]
        if set(raw) != PLAIN:
            alias = (raw.get("AliasTarget") or {}).get("DNSName")
            what = f"an alias of {alias}" if alias else f"routed ({', '.join(sorted(set(raw) - PLAIN))})"
            raise Refused(
                f"{name} {kind} is {what}: what it answers can neither be compared nor put back;"
                " replace it with plain records first"
            )
        values = (each["Value"] for each in raw["ResourceRecords"])
        spelling = frozenset(spelled(kind, value, self.zone, origin=".", base=OCTAL) for value in values)
        return RecordSet(name, kind, int(raw["TTL"]), spelling)

    def _owner(self, raws: Iterable[Raw]) -> str:
        texts = [self._record(raw).values for raw in raws if raw["Type"] == "TXT"]
        return marker_owner(texts[0] if texts else frozenset())

    def _compare(
        self, live: Mapping[tuple[str, str], Raw], changes: Sequence[Change], owners: Mapping[str, str]
    ) -> None:
        have = {key: self._record(raw) for key, raw in live.items()}
        now = {name: self._owner(raw for (at, _), raw in live.items() if at == marker_name(name)) for name in owners}
        refuse_races(have, changes, self.seen, now)

    def _swaps(self, live: Mapping[tuple[str, str], Raw], changes: Sequence[Change]) -> list[dict[str, Any]]:
        result = []
        for change in changes:
            if change.before is not None:
                result.append({"Action": "DELETE", "ResourceRecordSet": live[change.name, change.type]})
            if change.after is not None:
                result.append({"Action": "CREATE", "ResourceRecordSet": _raw(change.after)})
        return result

    def _marks(self, live: Mapping[tuple[str, str], Raw], owners: Mapping[str, str]) -> list[dict[str, Any]]:
        changes = []
        for name, owner in owners.items():
            raw, at = live.get((marker_name(name), "TXT")), marker_name(name)
            before = None if raw is None else self._record(raw)
            after = RecordSet(at, "TXT", MARKER_TTL, frozenset({marker_text(owner)})) if owner else None
            if (before and before.values) != (after and after.values):
                changes.append(Change(at, "TXT", before, after))
        return self._swaps(live, changes)

    def _pending(self, change: str) -> str:
        said = self._ask("get_change", {"Id": change})["ChangeInfo"]["Status"]
        return "" if said == "INSYNC" else f"the change {change} is {said}, not INSYNC,"

    def _ask(self, operation: str, question: Mapping[str, Any], lost: type[Exception] = Unanswered) -> dict[str, Any]:
        return self.patience.ask(lambda: self._once(operation, lost, question))

    def _once(self, operation: str, lost: type[Exception], question: Mapping[str, Any]) -> dict[str, Any]:
        """Ask once. ``lost`` is what it means when the question went out and no answer can be understood."""
        try:
            answer: dict[str, Any] = getattr(self.client, operation)(**question)
        except aws.ClientError as error:
            raise self._judged(error.response, lost) from error
        except (aws.NoCredentialsError, aws.PartialCredentialsError, aws.CredentialRetrievalError) as error:
            raise Refused(f"Route 53: {error}: {_credentials()}") from error
        except (aws.ConnectTimeoutError, aws.EndpointConnectionError) as error:
            raise Unanswered(f"Route 53 cannot be reached: {error}") from error
        except aws.ParamValidationError as error:
            raise Refused(f"{self.zone}: {error}") from error
        except (aws.BotoCoreError, botocore.parsers.ResponseParserError) as error:
            raise lost(f"Route 53 gave no answer that can be read to {operation}: {error}") from error
        # An error with status 200: the library takes it for an answer.
        if "Error" in answer:
            raise self._judged(answer, lost)
        if ANSWERS[operation] not in answer:
            raise lost(f"Route 53 answered {operation} with something else")
        return answer

    def _judged(self, answer: Mapping[str, Any], lost: type[Exception]) -> Exception:
        code, text = (str(answer.get("Error", {}).get(key) or "") for key in ("Code", "Message"))
        meta = answer.get("ResponseMetadata", {})
        status = int(meta.get("HTTPStatusCode") or 0)
        said = f"{self.zone}: Route 53 says {code or status}: {text}"
        if code in BUSY or status == 429:
            return Throttled(said, seconds(meta.get("HTTPHeaders", {}).get("retry-after")))
        if code in BROKEN or status >= 500:
            return lost(said)
        if code in STRANGER:
            return Refused(f"{said}: {_credentials()}")
        return Unknown(said) if code == "NoSuchChange" else Refused(said)


def _raw(record: RecordSet) -> dict[str, Any]:
    values = [{"Value": given(record.type, value, OCTAL)} for value in sorted(record.values)]
    return {"Name": record.name, "Type": record.type, "TTL": record.ttl, "ResourceRecords": values}


def _credentials() -> str:
    return "give access_key and secret_key, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and check this host's clock"


def _within_limits(batch: Sequence[Mapping[str, Any]]) -> None:
    values = [str(each["Value"]) for change in batch for each in change["ResourceRecordSet"]["ResourceRecords"]]
    characters = sum(map(len, values))
    if len(values) > MOST_RECORDS or characters > MOST_CHARACTERS:
        raise Refused(
            f"{len(values)} records with {characters} characters are more than Route 53 takes at once"
            f" ({MOST_RECORDS}, {MOST_CHARACTERS}): nothing was written, declare fewer values"
        )


def _reveal(response_dict: dict[str, Any], **_: Any) -> None:
    """Let the library read an error that comes with status 200 as one; it looks at the status only."""
    if response_dict["status_code"] < 300 and re.search(rb"<(\w+:)?ErrorResponse\b", response_dict["body"][:1000]):
        response_dict["status_code"] = 400


def zone(params: Mapping[str, Any]) -> Route53:
    """Make the zone from ``zone`` and, if given, ``zone_id``, ``access_key``, ``secret_key``, ``session_token``.

    ``endpoint_url`` leads elsewhere, ``timeout`` is for one answer, ``within`` and ``settle_within`` are how long to go on asking.
    """
    if not HAS_BOTO3:
        raise Mistake("boto3 is missing on this host (apt: python3-boto3)")
    timeout = float(params.get("timeout") or 10)
    config = botocore.config.Config(
        connect_timeout=timeout, read_timeout=timeout, retries={"total_max_attempts": 1}, user_agent_extra="upstairs"
    )
    try:
        client = boto3.client(
            "route53",
            region_name=REGION,
            endpoint_url=params.get("endpoint_url") or None,
            aws_access_key_id=params.get("access_key") or None,
            aws_secret_access_key=params.get("secret_key") or None,
            aws_session_token=params.get("session_token") or None,
            config=config,
        )
    except (aws.BotoCoreError, ValueError) as error:
        raise Mistake(f"Route 53: {error}: {_credentials()}, and endpoint_url if you set it") from error
    client.meta.events.register("before-parse.route-53", _reveal)
    return Route53(client, zone_name(str(params["zone"])), str(params.get("zone_id") or ""), patience(params))
