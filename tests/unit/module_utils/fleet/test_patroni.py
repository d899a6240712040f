# SPDX-License-Identifier: GPL-3.0-or-later
"""Patroni's dynamic configuration, and when its cluster is well."""

from __future__ import annotations

from typing import Any

from plugins.module_utils.fleet.patroni import complaints, describe_config, plan_config


def settings(**parameters: Any) -> dict[str, Any]:
    return {"ttl": 30, "postgresql": {"use_slots": True, "parameters": parameters}}


def test_words_and_numbers_that_postgres_reads_alike_are_alike() -> None:
    assert (
        plan_config(settings(max_connections="100", hot_standby=True), settings(max_connections=100, hot_standby="on"))
        == {}
    )


def test_only_what_differs_is_sent() -> None:
    assert plan_config(settings(work_mem="4MB"), {**settings(work_mem="8MB"), "ttl": 20}) == {
        "ttl": 20,
        "postgresql": {"parameters": {"work_mem": "8MB"}},
    }


def test_a_parameter_that_nobody_asks_for_is_removed() -> None:
    patch = plan_config(settings(work_mem="4MB"), settings())
    assert patch == {"postgresql": {"parameters": {"work_mem": None}}}
    assert describe_config(patch, settings(work_mem="4MB")) == ["remove postgresql.parameters.work_mem (was 4MB)"]


def test_what_an_operator_set_elsewhere_stays() -> None:
    assert plan_config({**settings(), "pause": True, "standby_cluster": {"host": "192.0.2.1"}}, settings()) == {}


def test_an_empty_configuration_gets_everything() -> None:
    assert plan_config({}, settings(work_mem="4MB")) == settings(work_mem="4MB")


LEADER: dict[str, Any] = {"role": "primary", "state": "running", "timeline": 3, "xlog": {"location": 5000}}
REPLICA: dict[str, Any] = {
    "role": "replica",
    "state": "running",
    "replication_state": "streaming",
    "xlog": {"received_location": 4900},
}
CLUSTER: dict[str, Any] = {
    "members": [{"name": "alice", "role": "leader", "timeline": 3}, {"name": "nixie", "role": "replica", "timeline": 3}]
}


def judged(alice: Any = LEADER, nixie: Any = REPLICA, cluster: Any = CLUSTER, max_lag: int = 100) -> list[str]:
    return complaints(cluster, {"alice": alice, "nixie": nixie}, ["alice", "nixie"], max_lag)


def test_one_leads_and_the_other_streams() -> None:
    assert judged() == []


def test_a_lag_that_was_not_measured_is_not_zero() -> None:
    assert judged(nixie={**REPLICA, "xlog": {}}) == ["nixie has a lag that was not measured"]
    assert judged(alice={**LEADER, "xlog": {"location": 0}}) == ["nixie has a lag that was not measured"]


def test_a_lag_has_a_bound() -> None:
    assert judged(max_lag=99) == ["nixie is 100 bytes behind, 99 are allowed"]


def test_a_replica_that_only_restores_is_not_well() -> None:
    assert judged(nixie={**REPLICA, "replication_state": "in archive recovery"}) == [
        "nixie does not stream: in archive recovery"
    ]


def test_a_replica_of_an_older_timeline_is_not_well() -> None:
    assert judged(alice={**LEADER, "timeline": 4}) == ["nixie follows timeline 3, the leader writes 4"]


def test_two_that_say_that_they_lead_are_one_too_many() -> None:
    assert judged(nixie=LEADER) == ["alice, nixie all say that they lead"]


def test_nobody_leads() -> None:
    assert judged(alice=REPLICA) == ["nobody says that it leads"]


def test_a_leader_without_the_key_is_not_well() -> None:
    cluster = {"members": [{"name": "alice", "role": "replica"}, {"name": "nixie", "role": "replica", "timeline": 3}]}
    assert judged(cluster=cluster) == ["alice says that it leads and does not hold the leader key"]


def test_silence_is_a_complaint() -> None:
    assert judged(nixie=None) == ["nixie does not answer"]
    assert judged(cluster=None) == ["Patroni does not say who its members are"]


def test_members_and_inventory_must_be_the_same() -> None:
    cluster = {"members": [CLUSTER["members"][0], {"name": "fritz", "role": "replica"}]}
    found = complaints(cluster, {"alice": LEADER, "fritz": None}, ["alice", "nixie"], 100)
    assert found == [
        "nixie is not a member of the cluster",
        "fritz is a member and not in the inventory's list",
        "fritz does not answer",
    ]
