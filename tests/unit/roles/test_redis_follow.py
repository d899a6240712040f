# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom an instance of Redis follows when it starts."""

from __future__ import annotations

from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
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
