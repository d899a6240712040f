# SPDX-License-Identifier: GPL-3.0-or-later
"""What Alertmanagers say, whether a host may be touched while they say it, and our own silences. Pure: no I/O.

Whoever is silent, or answers as no Alertmanager does, is a reason against and never for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

MATCHER = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\]|\\.)*)"|([^"\s=~][^"\s]*))')
RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# A silence that outlives everybody's memory of it hides the next fault. A day is longer than any host takes.
SHORTEST, LONGEST = 60, 86400
# Where a silence begins: an Alertmanager makes its own present of what is past. Ours may be a minute ahead of its clock, and a silence
# of the future silences nothing.
LONG_AGO = "2000-01-01T00:00:00Z"
OVER = "expired"


class Mistake(ValueError):
    """What was asked makes no sense; the text says what and what to do."""


@dataclass(frozen=True, order=True)
class Matcher:
    """What a label must be, as Alertmanager has it: a regular expression means the whole value."""

    name: str
    value: str
    regex: bool = False
    equal: bool = True

    def data(self) -> dict[str, Any]:
        """Return it as the API takes it."""
        return {"name": self.name, "value": self.value, "isRegex": self.regex, "isEqual": self.equal}

    def __str__(self) -> str:
        sign = {(False, True): "=", (False, False): "!=", (True, True): "=~", (True, False): "!~"}
        return f"{self.name}{sign[self.regex, self.equal]}{json.dumps(self.value, ensure_ascii=False)}"


def matcher(text: str) -> Matcher:
    """Read a matcher as people write it."""
    found = MATCHER.fullmatch(text.strip())
    if found is None:
        raise Mistake(
            f'{text!r} is no matcher: write a label, =, !=, =~ or !~, and a value, such as severity="critical"'
        )
    name, sign, quoted, bare = found.groups()
    value = bare if quoted is None else re.sub(r"\\(.)", lambda one: {"n": "\n"}.get(one[1], one[1]), quoted)
    return Matcher(name, value, regex=sign.endswith("~"), equal=not sign.startswith("!"))


def matchers_of(host: str, texts: Sequence[str]) -> tuple[Matcher, ...]:
    """Return what a silence for a host matches: this host, at whatever port it is scraped, or what the inventory says instead."""
    found = [matcher(text) for text in texts] or [
        Matcher("instance", re.escape(host).replace(r"\-", "-") + "(:[0-9]+)?", regex=True)
    ]
    if not any(one.equal and host in one.value.replace("\\", "") and not _means_strangers(one) for one in found):
        raise Mistake(
            f"no matcher names {host}: {', '.join(map(str, found))} would silence the alerts of others too. "
            f'Write one for this host, such as instance=~"{host}(:[0-9]+)?"'
        )
    return tuple(sorted(found))


def _means_strangers(one: Matcher) -> bool:
    """Return whether a matcher means whatever it meets. A pattern that Python cannot read is believed to."""
    try:
        return one.regex and re.fullmatch(one.value, "nobody-of-this-name:9100") is not None
    except re.error:
        return True


def places(urls: Sequence[str]) -> tuple[str, ...]:
    """Return the addresses of all instances, each once."""
    for url in urls:
        there = urlsplit(url)
        if there.username or there.password or "@" in there.netloc:
            raise Mistake(
                "an address of an Alertmanager holds a password, which would be shown and logged: leave it out"
            )
        if there.scheme not in ("http", "https") or not there.hostname or there.query or there.fragment:
            raise Mistake(
                f"{url} is no address of an Alertmanager: write http://192.0.2.7:9093, and a path if it has one"
            )
    return tuple(dict.fromkeys(url.rstrip("/") for url in urls))


@dataclass(frozen=True)
class Alert:
    """An alert that has not ended."""

    fingerprint: str
    labels: Mapping[str, str]
    since: str
    silences: frozenset[str]
    summary: str = ""

    def __str__(self) -> str:
        labels = dict(self.labels)
        name, where, severity = (labels.get(key, "") for key in ("alertname", "instance", "severity"))
        about = f": {self.summary}" if self.summary else ""
        return f"{name or self.fingerprint}{where and f' at {where}'}{severity and f' ({severity})'} since {self.since}{about}"


@dataclass(frozen=True)
class Silence:
    """A silence, whoever made it."""

    id: str
    creator: str
    matchers: tuple[Matcher, ...]
    starts: str
    ends: datetime
    state: str


def read_alerts(told: Iterable[Mapping[str, Any]]) -> tuple[Alert, ...]:
    """Read the alerts that an instance told; ``Mistake`` if they are none."""
    try:
        return tuple(
            Alert(
                str(one["fingerprint"]),
                {str(key): str(value) for key, value in one["labels"].items()},
                str(one["startsAt"]),
                frozenset(map(str, one["status"]["silencedBy"] or ())),
                " ".join(str(one.get("annotations", {}).get("summary", "")).split()),
            )
            for one in told
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise Mistake(f"what it tells is no alert ({type(error).__name__}: {error})") from error


def read_silences(told: Iterable[Mapping[str, Any]]) -> tuple[Silence, ...]:
    """Read the silences that an instance told; ``Mistake`` if they are none."""
    try:
        return tuple(
            Silence(
                str(one["id"]),
                str(one["createdBy"]),
                tuple(
                    sorted(
                        Matcher(str(m["name"]), str(m["value"]), bool(m["isRegex"]), bool(m.get("isEqual", True)))
                        for m in one["matchers"]
                    )
                ),
                str(one["startsAt"]),
                datetime.fromisoformat(str(one["endsAt"])),
                str(one["status"]["state"]),
            )
            for one in told
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Mistake(f"what it tells is no silence ({type(error).__name__}: {error})") from error


def query(matchers: Sequence[str]) -> str:
    """Return the question for alerts of any state: what somebody silenced or another alert hides is going on all the same."""
    every = [(state, "true") for state in ("active", "silenced", "inhibited", "unprocessed")]
    return "/api/v2/alerts?" + urlencode([*every, *(("filter", str(matcher(text))) for text in matchers)])


# Our own silences


def creator(run_id: str, host: str) -> str:
    """Return who made a silence: one run, for one host."""
    if not RUN.fullmatch(run_id):
        raise Mistake(f"{run_id!r} is no name of a run: write letters, digits, dots and dashes")
    return f"upstairs run {run_id} for {host}"


def of_run(silence: Silence, run_id: str) -> bool:
    """Return whether a run made it, for whatever host."""
    return bool(run_id) and silence.creator.startswith(creator(run_id, ""))


@dataclass(frozen=True)
class Wanted:
    """The silence that a run needs for a host."""

    creator: str
    matchers: tuple[Matcher, ...]
    comment: str
    seconds: int

    def mine(self, seen: Iterable[Silence]) -> list[Silence]:
        """Return those of this run and host that are not over, the one that lasts longest first."""
        found = [one for one in seen if one.creator == self.creator and one.state != OVER]
        return sorted(found, key=lambda one: one.ends, reverse=True)

    def covered(self, seen: Iterable[Silence], now: datetime) -> bool:
        """Return whether the host is silenced for at least half of the time that was asked for."""
        enough = now + timedelta(seconds=self.seconds / 2)
        return any(
            one.state == "active" and one.matchers == self.matchers and one.ends >= enough for one in self.mine(seen)
        )

    def body(self, seen: Iterable[Silence], now: datetime) -> dict[str, Any]:
        """Return what to send: the silence that there is, longer, or a new one."""
        old = next((one for one in self.mine(seen) if one.matchers == self.matchers and one.state == "active"), None)
        same = {"id": old.id, "startsAt": old.starts} if old else {"startsAt": LONG_AGO}
        return {
            **same,
            "endsAt": (now + timedelta(seconds=self.seconds)).isoformat(),
            "matchers": [one.data() for one in self.matchers],
            "createdBy": self.creator,
            "comment": self.comment,
        }


def wanted(params: Mapping[str, Any]) -> Wanted:
    """Return the silence that the parameters of alert_silence describe."""
    host, seconds = params["host"], params["duration"]
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", host):
        raise Mistake(f"{host!r} is no name of a host")
    if not SHORTEST <= seconds <= LONGEST:
        raise Mistake(
            f"a silence lasts {SHORTEST} to {LONGEST} seconds, not {seconds}: what is forgotten must end by itself"
        )
    who = creator(params["run_id"], host)
    return Wanted(who, matchers_of(host, params["matchers"]), f"{params['comment']} ({who})", seconds)


# The gate


@dataclass(frozen=True)
class Said:
    """What one instance said, or why it cannot be believed."""

    alerts: tuple[Alert, ...] = ()
    silences: tuple[Silence, ...] = ()
    watchdog: tuple[Alert, ...] = ()
    fault: str = ""


@dataclass(frozen=True)
class Verdict:
    """What burns, and all reasons not to go on."""

    firing: tuple[Alert, ...]
    reasons: tuple[str, ...]


def judge(said: Mapping[str, Said], run_id: str, watchdog: Sequence[str]) -> Verdict:
    """Return whether anything speaks against touching a host. An alert is left out only by a silence of this very run."""
    firing: dict[str, Alert] = {}
    reasons: list[str] = []
    for place, one in said.items():
        if one.fault:
            reasons.append(f"{place}: {one.fault}")
            continue
        if watchdog and not one.watchdog:
            reasons.append(
                f"{place}: {', '.join(watchdog)} does not fire, so that nobody evaluates alerts, or nobody tells them"
            )
        own = {silence.id for silence in one.silences if silence.state == "active" and of_run(silence, run_id)}
        dogs = {alert.fingerprint for alert in one.watchdog}
        firing |= {
            alert.fingerprint: alert
            for alert in one.alerts
            if alert.fingerprint not in dogs and not alert.silences & own
        }
    return Verdict(tuple(firing.values()), (*reasons, *map(str, firing.values())))
