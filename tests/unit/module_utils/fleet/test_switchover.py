# SPDX-License-Identifier: GPL-3.0-or-later
"""May the primary hand over, and to whom?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from plugins.module_utils.fleet.switchover import Observed, Plan, Transaction, Wish, make_plan, narrate, proven, table


def member(name: str, role: str, site: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "role": role, "timeline": 3, "tags": {"site": site}, **more}


def replica(received: int = 5000, **more: Any) -> dict[str, Any]:
    place = {"received_location": received, "replayed_location": received, "paused": False}
    return {"role": "replica", "state": "running", "replication_state": "streaming", "xlog": place, **more}


LEADER = {"role": "primary", "state": "running", "timeline": 3, "xlog": {"location": 5000}}
MEMBERS = [
    member("alice", "leader", "basement"),
    member("dot", "replica", "basement"),
    member("nixie", "replica", "cloud"),
]
WELL = Observed(
    expected=("alice", "dot", "nixie"),
    cluster={"members": MEMBERS},
    statuses={"alice": LEADER, "dot": replica(), "nixie": replica()},
    config={"synchronous_mode": False},
    etcd={"alice": True, "nixie": True, "freud": True},
    transactions=(),
)
WISH = Wish(to="nixie", max_lag=100, max_transaction=30)


def told(name: str, **word: Any) -> Observed:
    return replace(WELL, statuses={**WELL.statuses, name: word or None})


def tagged(**tags: Any) -> Observed:
    return replace(WELL, cluster={"members": [*MEMBERS[:2], {**MEMBERS[2], "tags": {"site": "cloud", **tags}}]})


def test_a_healthy_member_may_lead() -> None:
    plan = make_plan(WELL, WISH)
    assert (plan.leader, plan.target, plan.refusals, plan.warnings) == ("alice", "nixie", (), ())


def test_who_leads_already_is_not_switched_to() -> None:
    for wish in (replace(WISH, to="alice"), replace(WISH, to="", to_site="basement")):
        plan = make_plan(replace(WELL, transactions=None), wish)
        assert plan.done
        assert not plan.refusals
        assert narrate(plan, True)[-1] == "Nothing to do: alice leads."


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (told("nixie", **replica(4899)), "nixie is 101 bytes behind, 100 are allowed"),
        (told("nixie", **{**replica(), "xlog": {}}), "nixie has a lag that was not measured"),
        (told("alice", **{**LEADER, "xlog": {}}), "nixie has a lag that was not measured"),
        (
            told("nixie", **{**replica(), "xlog": {"received_location": 5000}}),
            "nixie has a lag that was not measured",
        ),
        (
            told("nixie", **{**replica(), "xlog": {"received_location": 5000, "replayed_location": 1}}),
            "nixie has 4999 bytes to replay, 100 are allowed",
        ),
        (
            told(
                "nixie", **{**replica(), "xlog": {"received_location": 5000, "replayed_location": 5000, "paused": True}}
            ),
            "nixie has paused its replay",
        ),
        (told("nixie"), "nixie does not answer"),
        (told("nixie", **replica(state="starting")), "nixie is not running: starting"),
        (
            told("nixie", **replica(replication_state="in archive recovery")),
            "nixie does not stream: in archive recovery",
        ),
        (tagged(nofailover=True), "nixie is tagged nofailover"),
        (tagged(failover_priority=0), "nixie is tagged failover_priority"),
        (replace(WELL, config={"synchronous_mode": True}), "nixie is no sync_standby, and the cluster is synchronous"),
        (
            replace(WELL, config={"synchronous_mode": "quorum"}),
            "nixie is no quorum_standby, and the cluster is synchronous",
        ),
        (
            replace(WELL, config={"synchronous_mode": "maybe"}),
            "synchronous_mode is maybe, and nobody knows who may lead",
        ),
        (replace(WELL, config=None), "Patroni does not say how the cluster is configured"),
        (replace(WELL, cluster={"members": MEMBERS, "pause": True}), "Patroni is paused"),
        (
            replace(WELL, cluster={"members": MEMBERS, "scheduled_switchover": {"at": "2025-01-01T04:00"}}),
            "a switchover is scheduled already, at 2025-01-01T04:00",
        ),
        (
            replace(WELL, etcd={"alice": True, "nixie": True, "freud": False}),
            "1 of 3 would be left and 2 must agree (not healthy: freud)",
        ),
        (replace(WELL, etcd={"alice": True}), "0 of 1 would be left"),
        (replace(WELL, etcd={}), "of 0 would be left"),
        (replace(WELL, pooler="no such socket"), "PgBouncer's console does not obey: no such socket"),
        (replace(WELL, transactions=None), "the transactions under way could not be measured"),
        (
            replace(WELL, transactions=[Transaction(7, "mastodon", "", 31), Transaction(8, "mastodon", "puma", 29)]),
            "transactions are older than 30 s: process 7 of mastodon (no name), 31 s",
        ),
        (replace(WELL, cluster=None), "Patroni does not say who its members are"),
        (told("alice", **replica()), "nobody says that it leads"),
        (told("dot", **LEADER), "alice and dot say that they lead"),
        (
            replace(told("dot", **LEADER), cluster={"members": [MEMBERS[0], MEMBERS[2]]}),
            "alice and dot say that they lead",
        ),
        (replace(WELL, cluster={"members": MEMBERS[:2]}), "nixie is not in the cluster"),
        (replace(WELL, expected=("alice", "dot")), "nixie is not in the inventory's list"),
        (replace(WELL, expected=("dot", "nixie")), "alice leads and is not in the inventory's list"),
        (
            replace(WELL, cluster={"members": [member("alice", "replica", "basement"), *MEMBERS[1:]]}),
            "alice says that it leads and does not hold the leader key",
        ),
    ],
)
def test_refusals(seen: Observed, why: str) -> None:
    (refusal,) = make_plan(seen, WISH).refusals[:1]
    assert why in refusal


@pytest.mark.parametrize(
    ("mode", "role"), [(True, "sync_standby"), ("on", "sync_standby"), ("quorum", "quorum_standby"), ("off", "replica")]
)
def test_who_confirms_commits_may_lead_a_synchronous_cluster(mode: Any, role: str) -> None:
    cluster = {"members": [*MEMBERS[:2], member("nixie", role, "cloud")]}
    assert make_plan(replace(WELL, config={"synchronous_mode": mode}, cluster=cluster), WISH).refusals == ()


def test_a_member_that_etcd_does_not_know_is_shown() -> None:
    plan = make_plan(replace(WELL, cluster={"members": [MEMBERS[0], MEMBERS[2]]}), WISH)
    assert plan.refusals == ()
    assert any(line.startswith("dot") and line.endswith("no: is not in the cluster") for line in table(plan))


def test_a_replica_on_another_timeline_may_not_lead() -> None:
    cluster = {"members": [*MEMBERS[:2], {**MEMBERS[2], "timeline": 2}]}
    assert make_plan(replace(WELL, cluster=cluster), WISH).refusals == (
        "nixie follows timeline 2, the leader writes 3",
    )


def test_what_is_wrong_with_another_member_is_shown_and_refuses_nothing() -> None:
    plan = make_plan(told("dot"), WISH)
    assert plan.refusals == ()
    assert any("no: does not answer" in line and line.startswith("dot") for line in table(plan))


def test_an_operator_must_say_where_to() -> None:
    for wish in (Wish(max_lag=100), replace(WISH, to_site="cloud")):
        assert "-e to=<alice|dot|nixie>" in make_plan(WELL, wish).refusals[0]
    assert make_plan(WELL, replace(WISH, to="franz")).refusals == ("franz is not a member: alice, dot, nixie are",)
    unknown = make_plan(WELL, replace(WISH, to="", to_site="moon"))
    assert unknown.refusals == ("no member is in the site moon: there are basement, cloud",)


def test_the_best_member_of_a_site_is_taken() -> None:
    cluster = {"members": [*MEMBERS, member("fritz", "replica", "cloud")]}
    words = {**WELL.statuses, "fritz": replica(4950), "nixie": replica(4940)}
    seen = replace(WELL, expected=(*WELL.expected, "fritz"), cluster=cluster, statuses=words)
    wish = replace(WISH, to="", to_site="cloud")
    assert make_plan(seen, wish).target == "fritz"
    assert make_plan(replace(seen, statuses={**seen.statuses, "fritz": None}), wish).target == "nixie"
    nobody = make_plan(replace(seen, statuses={**seen.statuses, "fritz": None, "nixie": None}), wish)
    assert nobody.refusals == ("cloud has nobody who could lead: fritz does not answer; nixie does not answer",)


def test_an_archive_that_fails_is_a_warning() -> None:
    plan = make_plan(replace(WELL, archiver="00000003 failed last"), WISH)
    assert (plan.refusals, plan.warnings) == ((), ("WAL is not archived: 00000003 failed last",))


def test_the_plan_can_be_read() -> None:
    lines = narrate(make_plan(WELL, WISH), True)
    assert lines[0].split() == ["member", "site", "role", "timeline", "lag", "tags", "may", "lead"]
    assert lines[3].split() == ["nixie", "cloud", "replica", "3", "0", "B", "-", "yes"]
    assert "3. let Patroni hand over from alice to nixie" in lines
    assert not any("PgBouncer" in line for line in narrate(make_plan(WELL, WISH), False))
    unmeasured = narrate(make_plan(told("nixie", **{**replica(), "xlog": {}}), WISH), True)
    assert "not measured" in unmeasured[3]
    assert unmeasured[-1] == "Refused: nixie has a lag that was not measured."


PLAN = make_plan(WELL, WISH)
AFTER = {"alice": replica(6000), "dot": replica(6000), "nixie": {**LEADER, "timeline": 4, "xlog": {"location": 6000}}}


def cluster_after(**timelines: int) -> dict[str, Any]:
    rows = [{**one, "role": "replica", "timeline": timelines.get(one["name"], 4)} for one in MEMBERS]
    return {"members": [*rows[:2], {**rows[2], "role": "leader"}]}


def test_the_proof() -> None:
    assert proven(PLAN, 3, cluster_after(), AFTER, 100) == []


def test_what_is_no_proof() -> None:
    def missing(cluster: Any = None, before: int = 3, plan: Plan = PLAN, **words: Any) -> list[str]:
        return proven(plan, before, cluster or cluster_after(), {**AFTER, **words}, 100)

    assert proven(PLAN, 3, None, AFTER, 100) == ["Patroni does not say who its members are"]
    assert missing(alice=LEADER) == ["nobody alone says that it leads, not nixie"]
    assert missing(before=4) == ["nixie writes timeline 4, as before"]
    assert missing(cluster_after(alice=3)) == ["alice follows timeline 3, the leader writes 4"]
    assert missing(alice={**replica(), "xlog": {}}) == ["alice has a lag that was not measured"]
    assert missing(dot=None) == ["dot does not answer"]
    # It was lost before already.
    assert missing(plan=make_plan(told("dot"), WISH), dot=None) == []


@pytest.mark.parametrize(
    "seen",
    [
        replace(
            WELL,
            cluster={
                "members": [MEMBERS[0], member("dot", "replica", "basement", tags={"nofailover": True}), MEMBERS[2]]
            },
        ),
        told("dot", **{**replica(), "xlog": {"received_location": 5000, "replayed_location": 5000, "paused": True}}),
        replace(
            WELL,
            config={"synchronous_mode": True},
            cluster={"members": [*MEMBERS[:2], member("nixie", "sync_standby", "cloud")]},
        ),
    ],
)
def test_who_only_could_not_lead_is_asked_for_in_the_proof_too(seen: Observed) -> None:
    plan = make_plan(seen, WISH)
    assert plan.refusals == ()
    assert [bool(row.unfit) for row in plan.rows if row.name == "dot"] == [True]
    assert proven(plan, 3, cluster_after(), AFTER, 100) == []
    assert proven(plan, 3, cluster_after(), {**AFTER, "dot": None}, 100) == ["dot does not answer"]


def test_who_has_left_the_cluster_is_no_proof() -> None:
    gone = {"members": [one for one in cluster_after()["members"] if one["name"] != "dot"]}
    assert proven(PLAN, 3, gone, AFTER, 100) == ["dot is not in the cluster"]
