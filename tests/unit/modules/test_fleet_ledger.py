# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger's hands, with an etcd that is played."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.fleet.ports import etcd
from plugins.module_utils.fleet.ports.rest import Answer
from plugins.modules import fleet_ledger
from tests.unit.modules.conftest import Call

Run = Callable[..., dict[str, Any]]


class PlayedEtcd:
    """An etcd behind its JSON gateway. It can lose the answer to a change, before or after it is made."""

    def __init__(self) -> None:
        self.held: dict[str, tuple[str, int]] = {}
        self.revision = 10
        self.lose = ""
        self.meanwhile: Callable[[], None] = lambda: None

    def put(self, key: str, text: str) -> None:
        self.revision += 1
        self.held[key] = (text, self.revision)

    def ask(self, url: str, body: Mapping[str, Any], timeout: float) -> Answer:
        if url.endswith("/range"):
            start, end = (base64.b64decode(body.get(part, "")).decode() for part in ("key", "range_end"))
            found = {k: v for k, v in self.held.items() if (start <= k < end if end else k == start)}
            kvs = [{"key": pack(k), "value": pack(text), "mod_revision": str(at)} for k, (text, at) in found.items()]
            return Answer(200, json.dumps({"kvs": kvs}))
        self.meanwhile()
        if self.lose == "before":
            return Answer(0, "timed out")
        done = self._change(body)
        return Answer(0, "timed out") if self.lose == "after" else Answer(200, json.dumps({"succeeded": done}))

    def _change(self, body: Mapping[str, Any]) -> bool:
        [compare], [change] = body["compare"], body["success"]
        key = base64.b64decode(compare["key"]).decode()
        if str(self.held.get(key, ("", 0))[1]) != compare["mod_revision"]:
            return False
        if "request_put" in change:
            self.put(key, base64.b64decode(change["request_put"]["value"]).decode())
        else:
            del self.held[key]
        return True


def pack(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> PlayedEtcd:
    there = PlayedEtcd()
    monkeypatch.setattr(etcd, "ask", there.ask)
    return there


@pytest.fixture
def run(call: Call) -> Run:
    def run(check: bool = False, **params: Any) -> dict[str, Any]:
        arguments = {"endpoints": ["192.0.2.1:2379"], "name": "dns_split/media", **params, "_ansible_check_mode": check}
        return call(fleet_ledger, arguments)

    return run


def test_what_is_stored_is_read_again_with_its_revision(run: Run, played: PlayedEtcd) -> None:
    assert run(state="read")["revision"] == 0
    stored = run(state="stored", value={"phase": "cut"}, revision=0)
    assert stored["changed"]
    assert stored["diff"]["after"] == '{"phase": "cut"}\n'
    read = run(state="read")
    assert (read["value"], read["revision"]) == ({"phase": "cut"}, stored["revision"])
    assert run(state="removed", revision=stored["revision"])["changed"]
    assert played.held == {}


def test_check_mode_stores_nothing_and_refuses_the_same(run: Run, played: PlayedEtcd) -> None:
    assert run(check=True, state="stored", value={}, revision=0)["changed"]
    assert played.held == {}
    assert run(check=True, state="stored", value={}, revision=4)["raced"]


def test_who_is_late_is_told_and_stores_nothing(run: Run, played: PlayedEtcd) -> None:
    played.meanwhile = lambda: played.put("/upstairs/ledger/dns_split/media", '{"phase": "theirs"}')
    told = run(state="stored", value={"phase": "mine"}, revision=0)
    assert told["raced"]
    assert run(state="read")["value"] == {"phase": "theirs"}


def test_an_answer_that_is_lost_after_the_change_is_looked_up(run: Run, played: PlayedEtcd) -> None:
    played.lose = "after"
    told = run(state="stored", value={"phase": "mine"}, revision=0)
    assert told["changed"]
    assert told["revision"] == 11


def test_an_answer_that_is_lost_before_the_change_is_a_failure(run: Run, played: PlayedEtcd) -> None:
    played.lose = "before"
    told = run(state="stored", value={"phase": "mine"}, revision=0)
    assert told["failed"]
    assert not told["raced"]
    assert "no majority" in told["msg"]


def test_a_change_that_a_member_made_and_did_not_tell_is_no_race_when_the_next_member_knows_it(
    run: Run, played: PlayedEtcd, monkeypatch: pytest.MonkeyPatch
) -> None:
    def first_is_silent(url: str, body: Mapping[str, Any], timeout: float) -> Answer:
        answer = played.ask(url, body, timeout)
        return Answer(0, "timed out") if "192.0.2.1:" in url and url.endswith("/txn") else answer

    monkeypatch.setattr(etcd, "ask", first_is_silent)
    told = run(state="stored", value={"phase": "mine"}, revision=0, endpoints=["192.0.2.1:2379", "192.0.2.2:2379"])
    assert told.get("changed"), told
    assert told["revision"] == 11


def test_who_is_late_and_hears_of_it_only_from_the_next_member_is_told_too(
    run: Run, played: PlayedEtcd, monkeypatch: pytest.MonkeyPatch
) -> None:
    played.meanwhile = lambda: played.put("/upstairs/ledger/dns_split/media", '{"phase": "theirs"}')

    def first_is_down(url: str, body: Mapping[str, Any], timeout: float) -> Answer:
        return Answer(0, "refused") if "192.0.2.1:" in url else played.ask(url, body, timeout)

    monkeypatch.setattr(etcd, "ask", first_is_down)
    told = run(state="stored", value={"phase": "mine"}, revision=0, endpoints=["192.0.2.1:2379", "192.0.2.2:2379"])
    assert told["raced"]


def test_the_records_of_one_operation_are_listed(run: Run, played: PlayedEtcd) -> None:
    played.put("/upstairs/ledger/dns_split/media", '{"phase": "cut"}')
    played.put("/upstairs/ledger/dns_split/db", "scribble")
    played.put("/upstairs/ledger/dns_split1/x", "{}")
    played.put("/upstairs/lock", "{}")
    listed = run(state="listed", name="dns_split")["records"]
    assert list(listed) == ["dns_split/db", "dns_split/media"]
    assert not listed["dns_split/db"]["readable"]
    assert len(run(state="listed", name="")["records"]) == 3


def test_a_record_that_cannot_be_read_is_told_from_none(run: Run, played: PlayedEtcd) -> None:
    played.put("/upstairs/ledger/dns_split/media", "scribble")
    assert not run(state="read")["readable"]


def test_a_witness_keeps_them_as_etcd_does(run: Run, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    place: dict[str, Any] = {"endpoints": [], "directory": str(tmp_path)}
    stored = run(**place, state="stored", value={"phase": "drained"}, revision=0)
    assert (stored["changed"], stored["revision"]) == (True, 1)
    assert not run(**place, state="stored", value={"phase": "drained"}, revision=1)["changed"]
    assert run(**place, state="stored", value={"phase": "armed"}, revision=0)["raced"]
    assert list(run(**place, state="listed", name="dns_split")["records"]) == ["dns_split/media"]
    assert run(check=True, **place, state="removed", revision=1)["changed"]
    assert run(**place, state="read")["value"] == {"phase": "drained"}
    assert run(**place, state="removed", revision=1)["changed"]
    assert run(**place, state="read")["revision"] == 0


def test_a_witness_that_cannot_be_used_is_named_with_what_to_do(run: Run, tmp_path: Path) -> None:
    told = run(endpoints=[], directory=f"{tmp_path}/missing", state="read")
    assert told["failed"]
    assert not told["raced"]
    assert f"{tmp_path}/missing of this witness cannot be used" in told["msg"]
    assert "--tags base" in told["msg"]


@pytest.mark.parametrize("both", [True, False])
def test_there_is_one_place(run: Run, played: PlayedEtcd, tmp_path: Path, both: bool) -> None:
    tmp_path.chmod(0o700)
    endpoints, directory = (["192.0.2.1:2379"], str(tmp_path)) if both else ([], "")
    told = run(endpoints=endpoints, directory=directory, state="stored", value={"phase": "cut"}, revision=0)
    assert told["failed"]
    assert "lock_directory" in told["msg"]
    assert played.held == {}
    assert list(tmp_path.iterdir()) == []
