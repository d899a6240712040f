# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes run something else than what is on disk now."""

from __future__ import annotations

from plugins.module_utils.fleet.app_units import Disk, Process, parse_since, wanted_units, why_outdated
from plugins.module_utils.fleet.units import WantedUnit

UNIT = "/etc/systemd/system/web@.service"
HERE = "/srv/mastodon/releases/v2"


def test_a_process_of_this_release_that_has_read_everything_stays() -> None:
    assert why_outdated(Process(HERE, 100.5), Disk(HERE, {UNIT: 100.0, "/env": 99.0}), [UNIT]) == ""


def test_a_process_of_another_release_is_restarted() -> None:
    why = why_outdated(Process("/srv/mastodon/releases/v1", 100.0), Disk(HERE), [UNIT])
    assert why == "it runs v1 and v2 is current"


def test_a_process_of_a_release_that_was_removed_is_restarted() -> None:
    assert "(deleted)" in why_outdated(Process(f"{HERE} (deleted)", 100.0), Disk(HERE), [])


def test_what_was_written_after_the_start_was_not_read() -> None:
    assert why_outdated(Process(HERE, 100.0), Disk(HERE, {"/env": 100.1}), []) == "/env is newer than the process"
    assert why_outdated(Process(HERE, 100.0), Disk(HERE, {UNIT: 100.1}), [UNIT]) == f"{UNIT} is newer than the process"


def test_systemds_time_is_read_to_the_microsecond() -> None:
    assert parse_since("Fri 2026-11-20 11:02:36.171490 UTC") == 1795172556.17149
    assert parse_since("n/a") == parse_since("") == 0.0


def test_strangers_stop_before_anything_starts() -> None:
    assert wanted_units(["a", "b"], {"b": "why"}, ["old"]) == [
        WantedUnit("old", "stopped", enabled=False),
        WantedUnit("a", "started", enabled=True),
        WantedUnit("b", "restarted", enabled=True),
    ]
