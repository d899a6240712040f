# SPDX-License-Identifier: GPL-3.0-or-later
"""What Redis and its Sentinels say of themselves, and when it is well."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plugins.module_utils.fleet.redis import (
    Copy,
    Member,
    Opinion,
    careless,
    complaints,
    copy_of,
    lag,
    may_leave,
    opinion_of,
    parse_info,
    parse_pairs,
    restart_refusal,
    returned,
)

MEMBERS = [Member("alice", "10.0.0.1"), Member("dot", "10.0.0.2"), Member("nixie", "10.0.0.3")]
MASTER = Copy("master", offset=500)
REPLICA = Copy("slave", offset=480, follows="10.0.0.1:6379", link_up=True)
WELL: dict[str, Copy | None] = {"alice": MASTER, "dot": REPLICA, "nixie": REPLICA}
AGREED = Opinion("10.0.0.1:6379", flags=("master",), others=1)
WATCHED: dict[str, Opinion | None] = {"s1": AGREED, "s2": AGREED}


def judged(
    copies: dict[str, Copy | None] | None = None, opinions: dict[str, Opinion | None] | None = None
) -> list[str]:
    return complaints(MEMBERS, 6379, WELL | (copies or {}), WATCHED | (opinions or {}), 100)


def test_one_is_master_and_all_say_so() -> None:
    assert judged() == []


@pytest.mark.parametrize(
    ("copies", "said"),
    [
        ({"dot": MASTER}, "alice and dot all say that they are master"),
        ({"alice": None}, "nobody says that it is master (alice did not answer)"),
        ({"dot": None}, "dot does not answer"),
        ({"dot": replace(REPLICA, link_up=False)}, "dot has no link to the master"),
        ({"dot": replace(REPLICA, link_up=False, syncing=True)}, "dot copies the whole data set"),
        ({"dot": replace(REPLICA, follows="10.0.0.3:6379")}, "dot follows 10.0.0.3:6379, the master is 10.0.0.1:6379"),
        ({"dot": replace(REPLICA, offset=None)}, "dot has a lag that could not be measured"),
        ({"dot": replace(REPLICA, offset=399)}, "dot is 101 bytes behind, 100 are allowed"),
        ({"dot": replace(REPLICA, loading=True)}, "dot loads its data"),
    ],
)
def test_a_copy_that_is_not_well_is_named(copies: dict[str, Copy | None], said: str) -> None:
    assert judged(copies) == [said]


@pytest.mark.parametrize(
    ("opinion", "said"),
    [
        (None, "Sentinel s2 does not answer, or does not watch this instance"),
        (
            replace(AGREED, address="10.0.0.2:6379"),
            "Sentinel s2 says that 10.0.0.2:6379 is master, 10.0.0.1:6379 says so itself",
        ),
        (replace(AGREED, flags=("master", "s_down")), "Sentinel s2 says of the master: s_down"),
        (replace(AGREED, quorum=False, quorum_said="NOQUORUM 1"), "Sentinel s2 could not fail over: NOQUORUM 1"),
    ],
)
def test_a_sentinel_that_sees_it_otherwise_is_named(opinion: Opinion | None, said: str) -> None:
    assert judged(opinions={"s2": opinion}) == [said]


def test_a_sentinel_that_remembers_one_who_is_gone_is_named_with_the_remedy() -> None:
    assert "SENTINEL RESET" in judged(opinions={"s2": replace(AGREED, others=2)})[0]


def test_a_lag_without_a_link_is_not_measured() -> None:
    assert lag(MASTER, REPLICA) == 20
    assert lag(MASTER, replace(REPLICA, link_up=False)) is None


def test_what_redis_says_is_read() -> None:
    text = "# Replication\r\nrole:slave\r\nmaster_host:10.0.0.1\r\nmaster_port:6379\r\nmaster_link_status:up\r\n"
    text += "slave_repl_offset:480\r\nslave_priority:0\r\nloading:0\r\naof_current_size:0\r\n"
    assert copy_of(parse_info(text)) == replace(REPLICA, priority=0)
    assert copy_of(parse_info("role:slave\r\nslave_repl_offset:-1")).offset is None


def test_what_sentinel_says_is_read() -> None:
    flat = [
        "name",
        "data",
        "ip",
        "10.0.0.1",
        "port",
        "6379",
        "flags",
        "master",
        "num-other-sentinels",
        "1",
        "config-epoch",
        "4",
    ]
    assert opinion_of(parse_pairs(flat), "OK 2 usable") == replace(AGREED, epoch=4, quorum_said="OK 2 usable")
    assert not opinion_of(parse_pairs(flat), "NOQUORUM").quorum


def test_a_replica_may_leave_while_another_follows() -> None:
    assert may_leave("dot", MEMBERS, 6379, WELL, 1, 100) == []


def test_a_master_may_not_leave_and_is_told_the_playbook() -> None:
    assert "playbooks/switch-redis.yml" in may_leave("alice", MEMBERS, 6379, WELL, 1, 100)[0]


def test_who_is_out_already_counts() -> None:
    assert (
        "only nobody would be left to follow alice"
        in may_leave("dot", MEMBERS, 6379, WELL | {"nixie": None}, 0, 100)[0]
    )
    assert may_leave("dot", MEMBERS, 6379, WELL, 2, 100) != []


def test_nobody_leaves_while_nobody_or_everybody_is_master() -> None:
    assert may_leave("dot", MEMBERS, 6379, WELL | {"alice": None}, 0, 100) != []
    assert may_leave("dot", MEMBERS, 6379, WELL | {"nixie": MASTER}, 0, 100) != []


@pytest.mark.parametrize(
    "nixie",
    [
        replace(REPLICA, link_up=False),
        replace(REPLICA, follows="10.0.0.2:6379"),
        replace(REPLICA, offset=399),
        replace(REPLICA, offset=None),
        replace(REPLICA, loading=True),
        replace(REPLICA, loading=None),
    ],
)
def test_a_replica_that_is_not_well_is_none_that_could_stay(nixie: Copy) -> None:
    assert "only nobody would be left" in may_leave("dot", MEMBERS, 6379, WELL | {"nixie": nixie}, 0, 100)[0]


def test_what_redis_does_not_say_was_not_measured() -> None:
    said = copy_of(parse_info("role:master\r\nmaster_repl_offset:5\r\n"))
    assert (said.priority, said.loading, said.disk_bytes, said.counted) == (None, None, None, None)
    assert "does not say whether" in judged({"dot": replace(REPLICA, loading=None)})[0]


def test_who_would_take_writes_alone_is_named_with_the_cure() -> None:
    counted = {name: replace(copy, counted=1) for name, copy in WELL.items() if copy}
    assert careless(MEMBERS, counted, 1) == []
    assert careless(MEMBERS, WELL, 0) == []
    found = careless(MEMBERS, counted | {"alice": MASTER}, 1)
    assert len(found) == 1
    assert "alice has min-replicas-to-write 0" in found[0]
    assert "playbooks/switch-redis.yml" in found[0]


def test_a_replica_is_back_with_its_link_and_a_master_with_its_data() -> None:
    assert returned(REPLICA)
    assert returned(MASTER)
    for copy in (None, replace(REPLICA, link_up=False), replace(MASTER, loading=True), replace(MASTER, loading=None)):
        assert not returned(copy)


def test_a_master_is_restarted_when_its_replicas_are_back() -> None:
    assert restart_refusal(replace(MASTER, followers=1), 1) == ""
    assert restart_refusal(MASTER, 0) == ""
    assert restart_refusal(REPLICA, 1) == ""
    assert restart_refusal(None, 1) == ""
    assert "0 replicas follow it and 1 must" in restart_refusal(replace(MASTER, followers=0), 1)
    assert "unknown number" in restart_refusal(MASTER, 1)
