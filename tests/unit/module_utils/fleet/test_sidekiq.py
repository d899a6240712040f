# SPDX-License-Identifier: GPL-3.0-or-later
"""Sidekiq's processes are one fleet: each queue is served, and one process alone schedules."""

from __future__ import annotations

import pytest

from plugins.module_utils.fleet.sidekiq import Title, fleet_faults, read_title

QUEUES = ["default", "pull", "scheduler"]


def unit(name: str, *queues: str) -> dict[str, object]:
    return {"name": name, "queues": list(queues), "concurrency": 5}


def test_a_whole_fleet_is_let_through() -> None:
    assert (
        fleet_faults({"a": [unit("main", "default,8", "scheduler")], "b": [unit("main", "default,8", "pull")]}, QUEUES)
        == []
    )


def test_two_schedulers_are_refused_with_where_they_are() -> None:
    faults = fleet_faults({"a": [unit("x", *QUEUES)], "b": [unit("y", "scheduler,1")]}, QUEUES)
    assert len(faults) == 1
    assert "x on a; y on b" in faults[0]


def test_two_schedulers_on_one_host_are_two() -> None:
    assert "x on a; y on a" in fleet_faults({"a": [unit("x", *QUEUES), unit("y", "scheduler")]}, QUEUES)[0]


def test_a_queue_that_nobody_serves_is_named() -> None:
    assert fleet_faults({"a": [unit("x", "default")]}, QUEUES) == [
        f"no process in the fleet serves the queue {queue}; add it to a unit in sidekiq_units"
        for queue in ("pull", "scheduler")
    ]


@pytest.mark.parametrize(
    ("units", "said"),
    [
        ([unit("x", *QUEUES, "pusch")], "x on a serves pusch, which is no queue"),
        ([unit("x", *QUEUES), unit("x", "pull")], "a has two units named x"),
        ([unit("X/../y", *QUEUES)], "cannot name a unit"),
        ([unit("x", "default,high", "pull", "scheduler")], "the weight 'high'"),
    ],
)
def test_what_would_serve_nobody_is_refused(units: list[dict[str, object]], said: str) -> None:
    assert said in "; ".join(fleet_faults({"a": units}, QUEUES))


def test_a_process_says_how_busy_it_is() -> None:
    assert read_title("sidekiq 7.3.2 tiny-mastodon [3 of 5 busy] ") == Title(3, quiet=False)
    assert read_title("sidekiq 7.3.2 tiny-mastodon [0 of 5 busy] stopping ") == Title(0, quiet=True)
    assert read_title("/usr/bin/ruby /usr/bin/bundle exec sidekiq") is None
