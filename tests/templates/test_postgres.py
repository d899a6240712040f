# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role postgres writes: who founds, who may come, and that no password breaks the file."""

from __future__ import annotations

from typing import Any

import yaml

from tests.templates.conftest import Render

CONFIG = "etc/patroni/config.yml.j2"
HOST: dict[str, Any] = {
    "postgres_members": [{"name": "host-1", "address": "192.0.2.1"}, {"name": "host-2", "address": "2001:db8::2"}],
    "postgres_initial_primary": "host-1",
    "postgres_site": "basement",
    "postgres_etcd_endpoints": ["192.0.2.1:2379"],
    "postgres_superuser_password": "password",
    "postgres_replication_password": "password",
    "postgres_rewind_password": "password",
    "postgres_rest_password": "password",
}


def config(render: Render, **changed: Any) -> dict[str, Any]:
    found = yaml.safe_load(render("postgres", CONFIG, **{**HOST, **changed}))
    assert isinstance(found, dict)
    return found


def test_only_the_initial_primary_can_found_a_database(render: Render) -> None:
    assert "bootstrap" in config(render)
    assert "bootstrap" not in config(render, postgres_initial_primary="host-2")


def test_the_database_sorts_by_postgres_own_collation_and_checks_its_pages(render: Render) -> None:
    initdb = config(render)["bootstrap"]["initdb"]
    assert {"locale-provider": "builtin"} in initdb
    assert "data-checksums" in initdb


def test_a_dead_replica_cannot_fill_the_disk(render: Render) -> None:
    parameters = config(render)["bootstrap"]["dcs"]["postgresql"]["parameters"]
    assert parameters["max_slot_wal_keep_size"] == "10GB"


def test_an_awkward_password_arrives_whole(render: Render) -> None:
    password = 'it\'s "quoted", $HOME \\ # no comment\nand: a second line'
    found = config(render, postgres_superuser_password=password)
    assert found["postgresql"]["authentication"]["superuser"]["password"] == password


def test_the_doors_are_the_members_and_those_that_were_named(render: Render) -> None:
    hba = [{"database": "site", "user": 'a"b', "from": ["192.0.2.0/24", "2001:db8::/64"]}]
    assert config(render, postgres_hba=hba)["postgresql"]["pg_hba"] == [
        "local all postgres peer",
        'host replication "replicator" 192.0.2.1/32 scram-sha-256',
        'host "postgres" "rewinder" 192.0.2.1/32 scram-sha-256',
        'host replication "replicator" 2001:db8::2/128 scram-sha-256',
        'host "postgres" "rewinder" 2001:db8::2/128 scram-sha-256',
        'host "site" "a""b" 192.0.2.0/24 scram-sha-256',
        'host "site" "a""b" 2001:db8::/64 scram-sha-256',
    ]


def test_the_site_is_a_tag_beside_the_hosts_own(render: Render) -> None:
    assert config(render, postgres_tags={"nofailover": True})["tags"] == {"site": "basement", "nofailover": True}


def test_memory_is_this_machines_matter(render: Render) -> None:
    parameters = config(render, postgres_host_parameters={"shared_buffers": "4GB"})["postgresql"]["parameters"]
    assert parameters == {"shared_buffers": "4GB", "unix_socket_directories": "/run/postgresql"}


def test_archiving_can_be_turned_on_without_a_restart(render: Render) -> None:
    parameters = config(render)["bootstrap"]["dcs"]["postgresql"]["parameters"]
    assert {name: parameters[f"archive_{name}"] for name in ("mode", "command", "timeout")} == {
        "mode": "on",
        "command": "/bin/true",
        "timeout": 0,
    }
    assert config(render)["postgresql"]["recovery_conf"] == {}


def test_what_is_archived_can_be_fetched_back(render: Render) -> None:
    said = {
        "postgres_archive_command": "push %p",
        "postgres_restore_command": "get %f '%p'",
        "postgres_archive_timeout": 30,
    }
    found = config(render, **said)
    parameters = found["bootstrap"]["dcs"]["postgresql"]["parameters"]
    assert (parameters["archive_command"], parameters["archive_timeout"]) == ("push %p", 30)
    assert found["postgresql"]["recovery_conf"] == {
        "restore_command": "/usr/local/libexec/check-wal-timeline %f && { get %f '%p'; }"
    }


def test_the_number_of_synchronous_replicas_is_shared(render: Render) -> None:
    dcs = config(render, postgres_synchronous_mode="synchronous", postgres_synchronous_node_count=2)["bootstrap"]["dcs"]
    assert dcs["synchronous_node_count"] == 2
    assert "synchronous_mode_strict" not in dcs
