# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller says of the application's environment."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from plugins.filter.application import (
    FilterModule,
    environment_faults,
    environment_file,
    environment_prints,
    environments_differ,
    sidekiq_fleet_faults,
)
from tests.unit.module_utils.fleet.test_environment import PUBLIC, SECRETS

JUDGED = "__judged"


def prints(**more: object) -> dict[str, Any]:
    return {JUDGED: {"msg": environment_prints({**PUBLIC, **more}, SECRETS, {}, "4.7", True)}}


def test_every_filter_is_found_by_its_name() -> None:
    assert set(FilterModule().filters()) == {
        "environment_faults",
        "environment_file",
        "environment_prints",
        "environments_differ",
        "sidekiq_fleet_faults",
    }


def test_the_file_is_the_same_whatever_the_order() -> None:
    backwards = dict(reversed(list(PUBLIC.items())))
    assert environment_file(PUBLIC, SECRETS, {}, "4.7", True) == environment_file(backwards, SECRETS, {}, "4.7", True)


def test_no_file_is_written_of_what_was_refused() -> None:
    assert environment_faults({**PUBLIC, "S3_ENABLED": "TRUE"}, SECRETS, {}, "4.7", True)
    with pytest.raises(AnsibleFilterError, match="write true"):
        environment_file({**PUBLIC, "S3_ENABLED": "TRUE"}, SECRETS, {}, "4.7", True)


def test_hosts_that_differ_are_named_with_the_names_and_no_value() -> None:
    hosts = {"a": prints(), "b": prints(WEB_DOMAIN="secret.example.org")}
    assert environments_differ(["a", "b"], hosts, JUDGED) == ["b and a differ in WEB_DOMAIN."]
    assert "secret" not in json.dumps(hosts)


def test_hosts_that_are_not_in_this_run_are_not_compared() -> None:
    assert environments_differ(["a", "b"], {"a": prints(), "b": {}}, JUDGED) == []


def test_a_fleet_is_judged() -> None:
    assert sidekiq_fleet_faults({"a": [{"name": "x", "queues": ["default"]}]}, ["default", "pull"]) != []
