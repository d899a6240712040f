# SPDX-License-Identifier: GPL-3.0-or-later
"""The example for production: a rack by hand and a cloud by API are one fleet."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from bin.programs import ROOT
from tests.inventories.hcloud_api import CLOUD, hcloud_api


def read(endpoint: str, token: str = "example") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["ansible-inventory", "-i", "inventories/example", "--list"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HCLOUD_TOKEN": token, "HCLOUD_ENDPOINT": endpoint},
    )


def members(tree: dict[str, Any], group: str) -> set[str]:
    entry = tree.get(group, {})
    return set(entry.get("hosts", [])).union(*(members(tree, child) for child in entry.get("children", [])))


def test_rack_and_cloud_are_one_fleet_with_the_groups_of_the_lab() -> None:
    with hcloud_api() as endpoint:
        done = read(endpoint)
    assert done.returncode == 0, done.stderr
    tree = json.loads(done.stdout)
    assert members(tree, "cloud") == set(CLOUD)
    assert members(tree, "basement") == {"alice", "yakko", "wakko", "dot"}
    lab = json.loads(
        subprocess.run(
            ["ansible-inventory", "-i", "inventories/lab", "--list"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
    for group in set(lab) - {"_meta", "all", "ungrouped", "object_store"}:
        assert members(tree, group) == members(lab, group), f"group {group} differs between example and lab"
    for host in CLOUD:
        variables = tree["_meta"]["hostvars"][host]
        # What an API said is marked as unsafe to template, so it is shown wrapped.
        assert "203.0.113." in str(variables["ansible_host"])
        assert "198.51.100." in str(variables["private_address"])


def test_a_cloud_that_does_not_answer_fails_instead_of_shrinking_the_fleet() -> None:
    with hcloud_api() as endpoint:
        refused = read(endpoint, token="expired")
    assert refused.returncode != 0
    assert "hcloud.yml" in refused.stderr
