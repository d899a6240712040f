# SPDX-License-Identifier: GPL-3.0-or-later
"""Who does not answer has not said no."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence

import pytest

from tests.rehearsals.faults import Faults
from tests.rehearsals.tier import Tier, UnansweredError, answered, until
from tests.visitors import Site

MEMBERS = ["alice", "dot", "nixie"]
Said = dict[str, str | None]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Said:
    """What each host prints when it is asked, None if the command fails there; nobody waits between two questions."""
    words: Said = {}

    def on(self: Faults, host: str, *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        assert "secret" not in " ".join(command)
        said = words[host]
        return subprocess.CompletedProcess(command, int(said is None), said or "", "it is down" if said is None else "")

    monkeypatch.setattr(Faults, "on", on)
    monkeypatch.setattr(Site, "hosts", lambda self, group: MEMBERS)
    monkeypatch.setattr(Site, "address", lambda self, host: f"address of {host}")
    monkeypatch.setattr(Site, "secrets", {"redis_data": "secret"})
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    return words


def patroni(role: str, **more: object) -> str:
    return json.dumps({"role": role, **more})


def scripted(*answers: object) -> object:
    """Return a question that gives one answer after the other, and raises those that are exceptions."""
    left: list[object] = list(answers)

    def question() -> object:
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return question


def test_a_question_without_an_answer_is_asked_again() -> None:
    assert until(scripted(UnansweredError("nixie"), "", "yes"), "it is so", 60) == "yes"  # type: ignore[arg-type]
    assert answered(scripted(UnansweredError("nixie"), [])) == []  # type: ignore[arg-type]


def test_the_end_of_patience_says_what_was_false_and_who_was_silent() -> None:
    with pytest.raises(AssertionError, match=r"it is so \(nixie: it is down\)"):
        until(scripted(UnansweredError("nixie: it is down")), "it is so", -1)  # type: ignore[arg-type]


def test_a_command_that_fails_is_no_answer(said: Said) -> None:
    said["dot"] = None
    for question in (Tier(Site("test")).patroni, Tier(Site("test")).flushed, Tier(Site("test")).data_directory):
        with pytest.raises(UnansweredError, match=r"dot: .*it is down"):
            question("dot")


@pytest.mark.parametrize("words", ["", "not found", '{"role": "rep'])
def test_half_an_answer_is_none(said: Said, words: str) -> None:
    said["dot"] = words
    with pytest.raises(UnansweredError, match="dot: "):
        Tier(Site("test")).patroni("dot")


@pytest.mark.parametrize("silent", MEMBERS)
def test_that_nobody_leads_is_known_only_when_all_have_answered(said: Said, silent: str) -> None:
    tier = Tier(Site("test"))
    said.update(dict.fromkeys(MEMBERS, patroni("replica")))
    assert tier.leaders() == []
    said[silent] = None
    with pytest.raises(UnansweredError):
        tier._leaders()
    assert tier._leaders(but=silent) == [], "who may be down is not asked"


def test_the_one_leader_is_found_without_asking_who_is_down(said: Said) -> None:
    said.update({"alice": None, "dot": patroni("replica"), "nixie": patroni("primary")})
    assert Tier(Site("test")).leader(0, but="alice") == "nixie"
    with pytest.raises(AssertionError, match="alice"):
        Tier(Site("test")).leader(-1)


def test_two_who_say_that_they_lead_are_not_one_leader(said: Said) -> None:
    said.update({"alice": patroni("primary"), "dot": patroni("replica"), "nixie": patroni("primary")})
    assert Tier(Site("test")).leaders() == ["alice", "nixie"]
    with pytest.raises(AssertionError, match="one database member leads"):
        Tier(Site("test")).leader(-1)


def test_nobody_follows_a_leader_whose_timeline_is_not_known(said: Said) -> None:
    said.update(dict.fromkeys(MEMBERS, patroni("replica", replication_state="streaming")))
    assert Tier(Site("test")).followers("alice") == []
    said.update({host: patroni("replica", replication_state="streaming", timeline=4) for host in MEMBERS[1:]})
    said["alice"] = patroni("primary", timeline=4)
    assert Tier(Site("test")).followers("alice") == ["dot", "nixie"]


def test_a_silent_redis_is_no_replica(said: Said) -> None:
    said.update({"alice": "master\n12\n", "dot": "slave\n", "nixie": None})
    assert Tier(Site("test")).redis_master("data", 0, but="nixie") == "alice"
    with pytest.raises(AssertionError, match="nixie"):
        Tier(Site("test")).redis_master("data", -1)


def test_a_change_there_and_back_of_who_leads_is_seen(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    tier, timeline, reign = Tier(Site("test")), [4], ["aa"]
    monkeypatch.setattr(tier, "patroni", lambda host: {"role": "primary", "timeline": timeline[0]})
    monkeypatch.setattr(Site, "hosts", lambda self, group: ["alice"])

    def redis(host: str, instance: str, *command: str) -> str:
        info: Sequence[str] = ("# Replication", "role:master", f"master_replid:{reign[0]}", f"master_replid2:{0:040}")
        return "master\n" if command == ("ROLE",) else "\r\n".join(info)

    monkeypatch.setattr(tier, "_redis", redis)
    before = tier.leads()
    assert {what: who for what, (who, _) in before.items()} == {"database": "alice", "data": "alice", "cache": "alice"}
    timeline[0] += 1
    assert {what for what, now in tier.leads().items() if now != before[what]} == {"database"}
    timeline[0], reign[0] = 4, "bb"
    assert {what for what, now in tier.leads().items() if now != before[what]} == {"data", "cache"}
