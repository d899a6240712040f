# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input is refused in words, on the controller, before the first host changes.

Each test is a slip in somebody's inventory: a copy of the lab's, with one thing wrong, given to site.yml itself.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bin.programs import ROOT, recaps


@dataclass(frozen=True)
class Slip:
    """One wrong thing: a file of the inventory, what to do with its text, and what the refusal must say."""

    name: str
    path: str
    change: Callable[[str], str]
    says: tuple[str, ...]
    tags: str


def add(text: str) -> Callable[[str], str]:
    return lambda before: before + text + "\n"


def swap(old: str, new: str) -> Callable[[str], str]:
    def changed(before: str) -> str:
        assert old in before, f"{old!r} is not in the inventory any more: this slip tests nothing"
        return before.replace(old, new)

    return changed


SLIPS = (
    Slip("a required variable is missing", "group_vars/web/web.yml", swap("web_address:", "web_adress:"),
         ("web_address", "missing"), "web"),
    Slip("an unknown environment name", "group_vars/app/app.yml", swap("  S3_BUCKET:", "  3_BUCKET:"),
         ("3_BUCKET", "S3_BUCKET"), "app"),
    Slip("TRUE for true", "group_vars/app/app.yml", swap("S3_ENABLED: true", 'S3_ENABLED: "TRUE"'),
         ("S3_ENABLED", "true"), "app"),
    Slip("a password with a new line", "group_vars/app/app.yml",
         swap('DB_PASS: "{{ lab_secrets.database }}"', 'DB_PASS: "two\\nlines"'), ("DB_PASS", "line"), "app"),
    Slip("one host with another environment", "host_vars/freud.yml",
         add("app_environment_extra: {A_NEW_NAME: here}"), ("A_NEW_NAME", "freud", "same environment"), "app"),
    Slip("two schedulers", "host_vars/freud.yml",
         add("sidekiq_units: [{name: all, queues: [default, push, ingress, mailers, pull, scheduler, fasp], concurrency: 2}]"),
         ("scheduler", "yakko", "freud"), "sidekiq"),
    Slip("a replica that names itself primary", "host_vars/nixie.yml", add("postgres_initial_primary: nixie"),
         ("alice", "nixie", "postgres_initial_primary"), "postgres"),
    Slip("a replica without a site", "host_vars/nixie.yml", add('postgres_site: ""'), ("nixie", "postgres_site"), "postgres"),
    Slip("a lag limit of nothing", "group_vars/app/haproxy.yml", add('haproxy_replica_max_lag: "0"'),
         ("haproxy_replica_max_lag",), "haproxy"),
    Slip("a failover that may lose nothing, asynchronously", "host_vars/dot.yml", add("postgres_maximum_lag_on_failover: 0"),
         ("dot", "postgres_maximum_lag_on_failover"), "postgres"),
    Slip("too few connections of PostgreSQL", "group_vars/postgres/postgres.yml",
         swap("postgres_max_connections: 100", "postgres_max_connections: 45"),
         ("too many", "50", "postgres_max_connections"), "postgres"),
    Slip("a switch that outlasts the clients' patience", "host_vars/nixie.yml", add("postgres_switch_within: 60"),
         ("postgres_switch_pooler_patience",), "postgres"),
    Slip("more threads than PgBouncer takes", "group_vars/web/web.yml", swap("web_threads: 10", "web_threads: 100"),
         ("too many", "pgbouncer_max_client_connections"), "pgbouncer"),
    Slip("an even number of voters", "hosts.yml", swap("    etcd:\n      hosts:\n        alice:\n", "    etcd:\n      hosts:\n"),
         ("etcd", "odd"), "etcd"),
    Slip("two places for the lock", "group_vars/all/connection.yml", swap('lock_directory: ""', "lock_directory: /var/lib/upstairs"),
         ("two locks", "lock_directory"), "base"),
    Slip("a lock that lies nowhere", "group_vars/all/connection.yml",
         lambda before: re.sub("(?m)^etcd_endpoints: .*$", "etcd_endpoints: []", before), ("lies nowhere", "lock_keeper"), "web"),
    Slip("a lock that a reboot forgets", "host_vars/alice.yml", add("base_lock_directory: /run/upstairs"),
         ("alice", "base_lock_directory"), "base"),
    Slip("an edge without a certificate", "host_vars/esme.yml", add("edge_certificates: []"),
         ("esme", "edge_certificates", "social.upstairs.test"), "edge"),
    Slip("a host in no site", "hosts.yml", swap("    basement:\n      hosts:\n        alice:\n", "    basement:\n      hosts:\n"),
         ("alice", "site"), "base"),
    Slip("a rule for a port that is none", "host_vars/alice.yml",
         add("base_firewall_rules_mine: [{name: mine, protocol: tcp, ports: [70000], from: []}]"),
         ("alice", "base_firewall_rules_mine", "70000"), "base"),
    Slip("an even number of Sentinels", "hosts.yml",
         swap("    redis_sentinel:\n      hosts:\n        alice:\n", "    redis_sentinel:\n      hosts:\n"),
         ("odd number",), "redis_sentinel"),
    Slip("two copies of Redis on the side that the Sentinels outvote", "hosts.yml",
         swap("    redis:\n      hosts:\n        alice:\n", "    redis:\n      hosts:\n        alice:\n        dot:\n"),
         ("no majority of the Sentinels is there",), "redis"),
    Slip("queued jobs that may be dropped", "group_vars/redis/redis.yml",
         swap("maxmemory_policy: noeviction", "maxmemory_policy: allkeys-lru"), ("drop queued jobs",), "redis"),
    Slip("more WAL than the disk holds", "host_vars/nixie.yml", add("pgbackrest_archive_queue_mib: 8000"),
         ("nixie", "MiB of WAL may pile up"), "pgbackrest"),
    Slip("a passphrase of a backup that can be guessed", "group_vars/all/pgbackrest.yml",
         swap('"{{ lab_secrets.backup_passphrase }}"', "short"), ("16 characters",), "pgbackrest"),
    Slip("Redis at a public address", "host_vars/alice.yml", add("redis_address: 203.0.113.5"), ("alice", "203.0.113.5"), "redis"),
)  # fmt: skip


def converge(inventory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["ansible-playbook", "-i", str(inventory), "site.yml", *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: slip.name.replace(" ", "-"))
def test_it_is_refused_in_words_before_anything_changes(slip: Slip, tmp_path: Path) -> None:
    inventory = tmp_path / "lab"
    shutil.copytree(ROOT / "inventories/lab", inventory)
    file = inventory / slip.path
    file.write_text(slip.change(file.read_text()))
    done = converge(inventory, "--tags", slip.tags)
    said = re.sub(r"\s+", " ", done.stdout + done.stderr)
    assert done.returncode != 0, "it was taken"
    for word in slip.says:
        assert word in said, f"the refusal does not say {word!r}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert ": converge]" not in done.stdout, "it was refused after the first play that changes hosts had begun"
    assert not [host for host, recap in recaps(done.stdout).items() if recap.changed]


def test_a_slip_for_the_last_role_stops_the_whole_run_at_its_beginning(tmp_path: Path) -> None:
    inventory = tmp_path / "lab"
    shutil.copytree(ROOT / "inventories/lab", inventory)
    file = inventory / "host_vars/esme.yml"
    file.write_text(file.read_text() + "edge_certificates: []\n")
    done = converge(inventory)
    assert done.returncode != 0
    assert ": converge]" not in done.stdout
