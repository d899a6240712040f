# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections: what is asked for, what is granted, and a sum that a person can follow."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import given
from hypothesis import strategies as st

from plugins.filter.budget import app_connections, connection_budget

WEB = {"instances": 2, "workers": 4, "threads": 5}
UNITS = [{"name": "main", "concurrency": 5}, {"name": "push", "concurrency": 20, "db_pool": 25}]


def demands(*figures: int) -> list[dict[str, Any]]:
    return [{"name": f"host-{number}", "connections": figure} for number, figure in enumerate(figures)]


def test_the_table_is_a_sum_that_can_be_followed() -> None:
    assert connection_budget(demands(36, 108), 130)["table"].splitlines() == [
        "host-0     36",
        "host-1    108",
        "-------------",
        "together  144",
        "granted   130",
        "too many   14",
    ]


def test_what_is_left_is_said_too() -> None:
    assert connection_budget(demands(36), 40)["table"].splitlines()[-1].split() == ["left", "4"]


@given(st.lists(st.integers(0, 10**6)), st.integers(0, 10**7))
def test_it_fits_exactly_as_long_as_the_sum_does(figures: list[int], limit: int) -> None:
    budget = connection_budget(demands(*figures), limit)
    assert budget["sum"] == sum(figures)
    assert budget["fits"] == (sum(figures) <= limit)


@pytest.mark.parametrize("figure", [-1, "many", True, 1.5, None])
def test_a_demand_that_is_no_number_is_an_error_and_not_a_zero(figure: object) -> None:
    with pytest.raises(AnsibleFilterError, match=r"web: .* is no number of connections"):
        connection_budget([{"name": "web", "connections": figure}], 10)


@pytest.mark.parametrize("demand", [7, "web", {"name": "web"}, {"connections": 1}])
def test_what_is_no_demand_is_an_error(demand: object) -> None:
    with pytest.raises(AnsibleFilterError, match="a demand of connections is"):
        connection_budget([demand], 10)


def test_a_thread_holds_a_connection_for_writes_and_one_for_reads() -> None:
    host = {"web": WEB, "sidekiq": UNITS, "streaming": {"processes": 2, "pool": 10}}
    assert app_connections(host, both=True) == [
        {"name": "web", "connections": 80},
        {"name": "sidekiq main", "connections": 10},
        {"name": "sidekiq push", "connections": 50},
        {"name": "streaming", "connections": 20},
    ]
    assert sum(demand["connections"] for demand in app_connections(host, both=False)) == 40 + 5 + 25 + 20


def test_a_puma_without_workers_is_one_process() -> None:
    assert app_connections({"web": {**WEB, "workers": 0}}, both=False) == [{"name": "web", "connections": 10}]


def test_a_host_is_counted_for_what_it_has() -> None:
    assert app_connections({"web": {}, "sidekiq": [], "streaming": {}}, both=True) == []
