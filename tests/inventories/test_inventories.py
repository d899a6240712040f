# SPDX-License-Identifier: GPL-3.0-or-later
"""Every inventory parses, has every group, and puts each host into exactly one site."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from plugins.module_utils.fleet.ports.dns_provider import marker_name, marker_text

ROOT = Path(__file__).resolve().parents[2]
SITES = ("basement", "cloud")
GROUPS = {
    *SITES,
    *(
        "base",
        "etcd",
        "postgres",
        "redis",
        "redis_sentinel",
        "media_origin",
        "app",
        "web",
        "sidekiq",
        "streaming",
        "edge",
    ),
    *("nameserver", "object_store", "scratch", "restic", "watch"),
}
INVENTORIES = [name for name in ("lab", "example") if (ROOT / "inventories" / name / "hosts.yml").is_file()]


@cache
def parsed(inventory: str) -> dict[str, Any]:
    """Return what Ansible makes of the hosts of an inventory; a warning of its is a failure."""
    command = [
        str(Path(sys.executable).with_name("ansible-inventory")),
        "--list",
        "-i",
        f"inventories/{inventory}/hosts.yml",
    ]
    environment = {
        **os.environ,
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
    }
    # The hosts alone: what the variables are worth is for the roles to judge, and secrets are not here.
    result = subprocess.run(
        [*command, "--limit", "all"], cwd=ROOT, env=environment, check=False, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def members(inventory: str, group: str) -> set[str]:
    body = parsed(inventory).get(group, {})
    return set(body.get("hosts", [])).union(*(members(inventory, child) for child in body.get("children", [])))


def written(inventory: str) -> str:
    return (ROOT / "inventories" / inventory / "hosts.yml").read_text()


@pytest.mark.parametrize("inventory", INVENTORIES)
def test_every_group_is_there(inventory: str) -> None:
    # Ansible's own list leaves out groups without hosts, so the file is asked.
    missing = sorted(group for group in GROUPS if f"{group}:" not in written(inventory))
    assert not missing, (
        f"inventories/{inventory}/hosts.yml lacks {missing}: every inventory has every group, empty if need be"
    )


@pytest.mark.parametrize("inventory", INVENTORIES)
def test_no_group_is_unknown(inventory: str) -> None:
    unknown = sorted(set(parsed(inventory)) - GROUPS - {"_meta", "all", "ungrouped"})
    assert not unknown, (
        f"inventories/{inventory}: {unknown} are no groups of the design: add them to inventories/README.md and here"
    )


@pytest.mark.parametrize("inventory", INVENTORIES)
def test_each_host_is_in_exactly_one_site(inventory: str) -> None:
    for host in members(inventory, "all"):
        sites = [site for site in SITES if host in members(inventory, site)]
        assert len(sites) == 1, f"inventories/{inventory}: {host} is in {sites or 'no site'}: exactly one of {SITES}"


@pytest.mark.parametrize("inventory", INVENTORIES)
def test_every_host_is_one_of_ours(inventory: str) -> None:
    outside = members(inventory, "all") - members(inventory, "base")
    assert not outside, f"inventories/{inventory}: {sorted(outside)} are not in the group base: nobody closes them"


@pytest.mark.parametrize("inventory", INVENTORIES)
def test_processes_of_the_app_run_where_the_app_is(inventory: str) -> None:
    for group in ("web", "sidekiq", "streaming"):
        assert members(inventory, group) <= members(inventory, "app")


def test_the_lab_is_large_enough_to_prove_something() -> None:
    for group, least in {"web": 2, "edge": 2, "postgres": 2, "basement": 1, "cloud": 1, "nameserver": 2}.items():
        assert len(members("lab", group)) >= least, f"inventories/lab: {group} has fewer than {least} hosts"


@pytest.mark.parametrize("inventory", INVENTORIES)
def test_votes_are_odd(inventory: str) -> None:
    votes = len(members(inventory, "etcd"))
    assert votes % 2 == 1, (
        f"inventories/{inventory}: {votes} hosts in etcd: an even number survives no more than one less"
    )


def variables(path: str) -> Any:
    return yaml.safe_load((ROOT / "inventories" / path).read_text())


def test_the_names_of_the_example_are_planted_with_the_mark_of_the_split_that_moves_them() -> None:
    # Templates and all: what both files write in the same way is the same name.
    moved = variables("example/group_vars/all/dns_split.yml")
    assert "dns_split_adopt" not in moved, "what protects names that nobody owns is switched off for every day"
    planted = [
        (record["name"], record["type"], record["values"], record.get("managed"))
        for zone in variables("example/group_vars/nameserver/nameserver.yml")["nameserver_zones"]
        for record in zone["records"]
    ]
    for split in moved["dns_split_splits"]:
        for side in (split[role] for role in ("read", "write") if role in split):
            mark = (marker_name(side["name"]), "TXT", [marker_text(f"upstairs/{split['id']}")], "seed")
            assert side.get("elsewhere") or mark in planted, f"{side['name']} is planted, and nobody's"
