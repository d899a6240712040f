# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom an instance of Redis follows when it starts."""

from __future__ import annotations

import os
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest

from bin.programs import ROOT

loader = SourceFileLoader("redis_follow", str(ROOT / "roles/redis/files/usr/local/libexec/redis-follow"))
spec = spec_from_loader("redis_follow", loader)
assert spec is not None
follow = module_from_spec(spec)
loader.exec_module(follow)

ME, NIXIE, DOT = "10.0.0.1:6379", "10.0.0.3:6379", "10.0.0.2:6379"
SITE: dict[str, Any] = {"me": ME, "initial": ME, "persistent": True, "sentinels": ["s1", "s2", "s3"]}
SITE |= {
    "members": ["10.0.0.1:6379", "10.0.0.2:6379", "10.0.0.3:6379"],
    "name": "data",
    "password": "x",
    "own_password": "y",
}
NEVER = ("", "")


def decided(
    opinions: list[tuple[int, str]], last: tuple[str, str], *, data: bool = True, by: str = "", **site: Any
) -> tuple[str, str]:
    answer: tuple[str, str] = follow.decide(SITE | site, opinions, last, data, by)
    return answer


def test_on_a_new_site_the_inventory_is_believed() -> None:
    assert decided([], NEVER, data=False) == (ME, "inventory")


def test_a_lone_master_needs_nobody() -> None:
    assert decided([], (ME, "inventory"), sentinels=[]) == (ME, "inventory")


def test_a_former_master_follows_whom_a_majority_names() -> None:
    assert decided([(3, NIXIE), (3, NIXIE)], (ME, "sentinels")) == (NIXIE, "sentinels")


def test_the_latest_election_counts() -> None:
    assert decided([(2, ME), (2, ME), (3, NIXIE)], (ME, "sentinels"))[0] == NIXIE


def test_one_sentinel_of_three_is_not_believed() -> None:
    with pytest.raises(follow.Stop, match="1 of 3 Sentinels"):
        decided([(3, NIXIE)], (ME, "sentinels"))


def test_a_cache_may_guess() -> None:
    assert decided([], (DOT, "sentinels"), persistent=False) == (DOT, "sentinels")


def test_a_person_may_decide_what_nobody_else_can() -> None:
    assert decided([], (ME, "sentinels"), by=DOT)[0] == DOT
    assert decided([(3, NIXIE), (3, NIXIE)], (ME, "sentinels"), by=DOT)[0] == NIXIE


def test_a_master_whose_data_is_gone_does_not_empty_its_replicas() -> None:
    with pytest.raises(follow.Stop, match="would empty its replicas"):
        decided([(0, ME), (0, ME)], (ME, "sentinels"), data=False)
    assert decided([(0, ME), (0, ME)], NEVER, data=False, persistent=False)[0] == ME


def test_a_new_host_in_an_old_fleet_follows() -> None:
    assert decided([(5, NIXIE), (5, NIXIE), (5, NIXIE)], NEVER, data=False)[0] == NIXIE


def test_a_minority_without_a_memory_is_a_refusal_and_no_word_of_the_inventory() -> None:
    with pytest.raises(follow.Stop, match="1 of 3 Sentinels"):
        decided([(3, NIXIE)], NEVER)
    with pytest.raises(follow.Stop, match="1 of 3 Sentinels"):
        decided([(3, NIXIE)], (ME, "inventory"))
    assert decided([(3, NIXIE)], NEVER, persistent=False)[0] == NIXIE


@pytest.mark.parametrize("typed", ["10.0.0.9:6379", "10.0.0.2", "nixie:6379", "10.0.0.2:6380"])
def test_a_person_decides_for_a_member_and_nobody_else(typed: str) -> None:
    with pytest.raises(follow.Stop, match=r"is none of 10\.0\.0\.1:6379"):
        decided([], (ME, "sentinels"), by=typed)


def sentinel_says(address: str, epoch: int = 1) -> str:
    host, _, port = address.partition(":")
    return f"name\ndata\nip\n{host}\nport\n{port}\nconfig-epoch\n{epoch}\n"


REFUSED = "Could not connect to Redis at s1: Connection refused\n"
UNKNOWN = "ERR No such master with that name\n"


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    naps: list[float] = []
    monkeypatch.setattr(follow.time, "monotonic", lambda: float(len(naps)))
    monkeypatch.setattr(follow.time, "sleep", naps.append)
    return naps


@pytest.mark.parametrize(
    ("answers", "new", "waits"),
    [
        ([REFUSED, UNKNOWN, REFUSED], True, False),
        ([REFUSED, "", REFUSED], True, True),
        ([REFUSED, UNKNOWN, sentinel_says(NIXIE)], True, True),
        ([REFUSED, REFUSED, REFUSED], False, True),
        ([sentinel_says(NIXIE), sentinel_says(NIXIE), ""], False, False),
    ],
)
def test_who_is_not_there_yet_is_not_waited_for_and_everybody_else_is(
    answers: list[str], new: bool, waits: bool, waited: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = dict(zip(SITE["sentinels"], answers, strict=True))
    monkeypatch.setattr(follow, "cli", lambda address, *_: said[address])
    follow.ask(SITE, 5, new)
    assert bool(waited) is waits


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let nothing be outside of a directory of its own."""
    monkeypatch.setattr(follow, "REMEMBERED", tmp_path / "memory")
    monkeypatch.setattr(follow, "Path", lambda *parts: tmp_path.joinpath(*(str(part).lstrip("/") for part in parts)))
    (tmp_path / "run/redis-data").mkdir(parents=True)
    return tmp_path


def started(monkeypatch: pytest.MonkeyPatch, said: dict[str, str]) -> int:
    monkeypatch.setattr(follow, "cli", lambda address, *_: said.get(address, REFUSED))
    result: int = follow.start(SITE | {"patience": 0}, "data", follow.REMEMBERED / "data")
    return result


@pytest.mark.parametrize(
    "info", ["role:master\r\n", "role:slave\r\ndb0:keys=3,expires=0\r\n", "role:slave\r\nloading:1\r\n"]
)
def test_the_inventorys_master_without_data_never_empties_the_others(
    info: str, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(follow.Stop, match=f"{NIXIE} is master or has data"):
        started(monkeypatch, {NIXIE: info})
    assert not (disk / "memory/data").exists()


def test_an_empty_site_begins(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert started(monkeypatch, {NIXIE: "role:slave\r\nloading:0\r\n"}) == 0
    assert (disk / "memory/data").read_text() == f"{ME} inventory\n"
    assert (disk / "run/redis-data/role.conf").read_text() == "# master\n"


def test_what_the_sentinels_say_is_remembered_without_a_restart(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started(monkeypatch, {})
    memory = disk / "memory/data"
    monkeypatch.setattr(follow, "cli", lambda address, *_: sentinel_says(NIXIE) if address == "s1" else "")
    follow.remember(SITE, memory)
    assert memory.read_text() == f"{ME} inventory\n"
    monkeypatch.setattr(follow, "cli", lambda address, *_: "" if address == "s1" else sentinel_says(ME))
    follow.remember(SITE, memory)
    assert memory.read_text() == f"{ME} sentinels\n"
    with pytest.raises(follow.Stop, match="0 of 3 Sentinels"):
        started(monkeypatch, {})


def test_a_start_and_the_timer_may_write_at_the_same_moment(tmp_path: Path) -> None:
    file, writers = tmp_path / "data", []
    for who in range(4):
        if (pid := os.fork()) == 0:
            try:
                for _ in range(300):
                    follow.write(file, f"{who}\n" * 1000)
                os._exit(0)
            finally:
                os._exit(1)
        writers.append(pid)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in writers] == [0] * 4
    assert len({*file.read_text().split()}) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
