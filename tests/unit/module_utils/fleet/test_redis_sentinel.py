# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Sentinel must be told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plugins.module_utils.fleet.redis_sentinel import Refusal, Seen, Step, Watched, parse_file, plan, where

SETTINGS = {"quorum": "2", "down-after-milliseconds": "5000", "auth-pass": "secret"}
OWN = {"announce-ip": "10.0.0.1"}
FOUND = Watched("10.0.0.3", 6379, SETTINGS)


def told(
    own: Mapping[str, Watched],
    wanted: Mapping[str, Any] | None = None,
    seen: Seen | None = None,
    had: Mapping[str, str] = OWN,
) -> list[str]:
    steps = plan(own, {"data": SETTINGS} if wanted is None else wanted, {"data": seen or Seen()}, (had, OWN))
    assert not isinstance(steps, Refusal)
    return [step.describe() for step in steps]


def test_a_master_that_moved_is_left_where_it_is() -> None:
    assert told({"data": FOUND}) == []


def test_a_new_one_is_watched_where_it_says_that_it_is() -> None:
    assert told({}, seen=Seen(masters=["10.0.0.2:6379"])) == [
        "SENTINEL MONITOR data 10.0.0.2 6379 2",
        "SENTINEL SET data down-after-milliseconds 5000",
        "SENTINEL SET data auth-pass (secret)",
    ]


def test_only_what_differs_is_told_and_no_secret_is_shown() -> None:
    other = Watched("10.0.0.3", 6379, SETTINGS | {"auth-pass": "old", "quorum": "1"})
    assert told({"data": other}) == ["SENTINEL SET data quorum 2", "SENTINEL SET data auth-pass (secret)"]
    assert Step(("CONFIG", "SET", "sentinel-pass", "x")).describe() == "SENTINEL CONFIG SET sentinel-pass (secret)"


def test_what_nobody_asks_for_is_no_longer_watched() -> None:
    assert told({"data": FOUND, "old": FOUND}) == ["SENTINEL REMOVE old"]


def test_its_own_settings_come_first() -> None:
    assert told({"data": FOUND}, had={}) == ["SENTINEL CONFIG SET announce-ip 10.0.0.1"]


def test_the_latest_election_counts_and_not_the_most_sentinels() -> None:
    opinions = [(1, "10.0.0.1:6379"), (1, "10.0.0.1:6379"), (4, "10.0.0.3:6379")]
    assert where("data", Seen(opinions, ["10.0.0.1:6379"])) == "10.0.0.3:6379"


def test_two_masters_or_none_are_refused_in_words() -> None:
    two, none = where("data", Seen(masters=["a:1", "b:1"])), where("data", Seen())
    assert isinstance(two, Refusal)
    assert "only one may be" in two.why
    assert isinstance(none, Refusal)
    assert "converge redis first" in none.why
    assert isinstance(plan({}, {"data": SETTINGS}, {}, (OWN, OWN)), Refusal)


def test_logins_are_read_from_sentinels_own_file() -> None:
    text = "port 26379\nsentinel monitor data 10.0.0.1 6379 2\nsentinel auth-user data sentinel\n"
    text += 'sentinel auth-pass data s3\nsentinel sentinel-pass "p"\n'
    assert parse_file(text) == {"": {"sentinel-pass": "p"}, "data": {"auth-user": "sentinel", "auth-pass": "s3"}}
