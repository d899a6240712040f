# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role haproxy writes: what a member is asked, and what follows whose answer."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.templates.conftest import Render, Roles

CONFIG = "etc/haproxy/haproxy.cfg.j2"
MEMBERS: dict[str, Any] = {
    "haproxy_members": [{"name": "one", "address": "192.0.2.1"}, {"name": "two", "address": "192.0.2.2"}]
}


def part(text: str, head: str) -> list[str]:
    """Return the lines of a section."""
    found = re.search(rf"^{head}\n((?: .*\n|\n)*)", text, re.MULTILINE)
    assert found, f"no section {head}"
    return [line.strip() for line in found[1].splitlines() if line.strip() and not line.strip().startswith("#")]


def test_a_primary_is_one_that_is_promoted_and_runs(render: Render) -> None:
    write = part(render("haproxy", CONFIG, **MEMBERS), "backend write")
    assert r'http-check expect string "\"role\": \"primary\""' in write
    assert r'http-check expect string "\"state\": \"running\""' in write


def test_a_replica_is_read_from_when_it_streams_and_keeps_up(render: Render) -> None:
    read = part(render("haproxy", CONFIG, haproxy_replica_max_lag="4MB", **MEMBERS), "backend read")
    assert "http-check send meth GET uri /replica?lag=4MB" in read
    assert r'http-check expect string "\"replication_state\": \"streaming\""' in read


@pytest.mark.parametrize("backend", ["direct", "fallback"])
def test_who_is_primary_is_asked_once_for_all(backend: str, render: Render) -> None:
    lines = part(render("haproxy", CONFIG, **MEMBERS), f"backend {backend}")
    assert [line.split()[-2:] for line in lines] == [["track", "write/one"], ["track", "write/two"]]


def test_no_number_of_waiting_connections_is_refused_unless_somebody_says_one(render: Render) -> None:
    assert "fe_conn" not in render("haproxy", CONFIG, **MEMBERS)
    assert "{ fe_conn gt 8 }" in render("haproxy", CONFIG, haproxy_max_waiting=8, **MEMBERS)


@pytest.mark.parametrize(("said", "meant"), [("5s", 5000), ("1500ms", 1500), ("2m", 120000)])
def test_the_script_counts_what_haproxy_does(said: str, meant: int, render: Render, roles: Roles) -> None:
    assert int(roles.value("haproxy", "__haproxy_patience", haproxy_wait_for_primary=said)) == meant
    assert f"PATIENCE = {meant} / 1000" in render("haproxy", "etc/haproxy/ways.lua.j2", haproxy_wait_for_primary=said)
