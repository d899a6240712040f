# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets a new kernel when: the order, its refusals, and the admission of one host."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.module_utils.fleet.etcd import quorum
from plugins.module_utils.fleet.rollout import (
    PHASES,
    UNTOUCHED,
    Host,
    Kernel,
    Plan,
    Record,
    Rules,
    admission,
    make_plan,
    rank,
)

NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
ORDER = ("edge", "streaming", "web", "sidekiq", "nameserver", "redis", "postgres", "etcd")
PENDING = Kernel("pending", "6.12.94", "6.12.107", "6.12.107-1")
CURRENT = Kernel("current", "6.12.107")
RULES = Rules(order=ORDER, majority=("etcd",), alone=("streaming",))


def host(name: str, *roles: str, site: str = "cloud", **more: object) -> Host:
    return replace(Host(name, site, roles, PENDING), **more)  # type: ignore[arg-type]


# The lab: three hosts with data, of which one leads; three of the application; two edges; one that serves nobody.
LAB = (
    host("alice", "redis", "postgres", "etcd", site="basement", leads=("postgres",)),
    host("yakko", "web", "sidekiq", site="basement"),
    host("wakko", "streaming", "web", "sidekiq", site="basement"),
    host("dot", "nameserver", "postgres", site="basement"),
    host("nixie", "redis", "postgres", "etcd", leads=("redis",)),
    host("freud", "web", "sidekiq", "redis", "etcd"),
    host("franz", "nameserver"),
    host("esme", "edge"),
    host("slappy", "edge"),
)


def changed(name: str, **more: object) -> tuple[Host, ...]:
    return tuple(replace(one, **more) if one.name == name else one for one in LAB)  # type: ignore[arg-type]


def refusals(hosts: Sequence[Host], rules: Rules = RULES) -> str:
    return "\n".join(make_plan(hosts, rules, NOW).refusals)


def test_the_lab_goes_from_the_edges_inwards_and_leaders_last() -> None:
    plan = make_plan(LAB, RULES, NOW)
    assert not plan.refusals
    assert plan.order == ("esme", "slappy", "wakko", "yakko", "franz", "dot", "freud", "nixie", "alice")


def test_the_canary_goes_first_and_alone() -> None:
    plan = make_plan(LAB, replace(RULES, canary="yakko", waves=(1, 3)), NOW)
    assert plan.order[0] == "yakko"
    assert [row.wave for row in plan.rows] == [1, 2, 2, 2, 3, 3, 3, 3, 3]


def test_a_leader_is_no_canary() -> None:
    assert "no leader is a canary" in refusals(LAB, replace(RULES, canary="alice"))


def test_the_host_that_runs_the_roll_comes_last_of_all() -> None:
    assert make_plan(LAB, replace(RULES, controller="esme"), NOW).order[-1] == "esme"


def test_hosts_with_nothing_to_do_stay_and_say_why() -> None:
    plan = make_plan(changed("esme", kernel=Kernel("held", "6.1", reasons=("linux-image-amd64 is held",))), RULES, NOW)
    assert not plan.refusals
    row = next(row for row in plan.rows if row.host.name == "esme")
    assert (row.action, row.why, row.wave) == ("stay", "held; linux-image-amd64 is held", 0)
    assert "esme" not in plan.order


def test_a_patch_in_memory_is_no_new_kernel() -> None:
    assert "esme" in make_plan(changed("esme", kernel=replace(PENDING, state="patched_live_pending")), RULES, NOW).order


@pytest.mark.parametrize("state", ["blocked", "unknown", "a state of tomorrow"])
def test_a_host_of_which_nothing_good_is_known_stops_the_roll(state: str) -> None:
    assert f"esme: its kernel is {state}: no initrd" in refusals(
        changed("esme", kernel=Kernel(state, reasons=("no initrd",)))
    )


def test_a_host_that_was_not_asked_stops_the_roll_and_may_be_left_out() -> None:
    silent = changed("esme", kernel=Kernel(), out="it cannot be reached")
    assert "esme: it is out: it cannot be reached" in refusals(silent)
    # Its site has one out already; the basement's hosts have their own.
    assert "slappy" in refusals(silent, replace(RULES, only=("slappy",)))
    assert not refusals(silent, replace(RULES, only=("yakko", "dot")))


def test_a_host_that_is_out_already_counts_against_its_role_and_its_site() -> None:
    left = changed("esme", left={"edge": "its flag is raised"})
    said = refusals(left)
    assert "slappy: edge: it is the last healthy one: esme (edge: its flag is raised)" in said
    assert "freud: cloud: esme (edge: its flag is raised) is out, and 1 may be" in said
    assert "esme: somebody took it out of service (edge)" in said
    assert "yakko" not in said


def test_more_may_be_out_where_the_inventory_says_so() -> None:
    sick = changed("freud", sick={"web": "Puma does not answer"})
    assert "yakko: web: freud (web: Puma does not answer) is out, and 1 may be" in refusals(
        sick, replace(RULES, only=("yakko",))
    )
    assert not refusals(sick, replace(RULES, only=("yakko",), max_out={"web": 2}))


def test_the_only_member_of_a_role_goes_only_where_the_inventory_accepts_that() -> None:
    assert "wakko: streaming: it is the last healthy one and there is no other" in refusals(
        LAB, replace(RULES, alone=())
    )
    assert not refusals(LAB)


def test_the_last_healthy_host_of_a_site_stays() -> None:
    hosts = (host("a", "web", site="rack"), host("b", "web", site="cloud"), host("c", "web", site="cloud"))
    assert "a: site rack: it is the last healthy one and there is no other" in refusals(hosts)
    assert not refusals(hosts, replace(RULES, alone=("rack",)))


@pytest.mark.parametrize(
    ("members", "sick", "may"), [(2, 0, False), (3, 0, True), (3, 1, False), (5, 1, True), (5, 2, False)]
)
def test_who_decides_by_majority_keeps_it(members: int, sick: int, may: bool) -> None:
    hosts = [host(f"m{n}", "etcd", sick={"etcd": "silent"} if n < sick else {}) for n in range(members)]
    asked = hosts[-1].name
    said = refusals(hosts, replace(RULES, only=(asked,), max_out={"": 3}))
    assert (not said) is may, said
    if not may:
        assert f"{asked}: etcd: without it" in said


def test_what_was_begun_comes_first_and_is_no_reason_against_the_others() -> None:
    begun = changed("dot", record=Record("drained", "6.12.107"), left={"postgres": "tagged"})
    plan = make_plan(begun, RULES, NOW)
    assert not plan.refusals
    assert plan.order[0] == "dot"
    assert plan.rows[0].action == "resume"


def test_what_was_begun_is_not_left_out_and_there_is_one_of_it() -> None:
    begun = changed("dot", record=Record("failed", failed_in="booted"))
    assert "dot was begun and comes first" in refusals(begun, replace(RULES, only=("esme",)))
    twice = tuple(replace(one, record=Record("armed")) if one.name in ("dot", "esme") else one for one in LAB)
    assert "more than one host was begun and not ended: dot (armed), esme (armed)" in refusals(twice)


@pytest.mark.parametrize("phase", UNTOUCHED)
def test_a_turn_that_failed_before_anything_was_changed_is_planned_anew_and_holds_nobody_up(phase: str) -> None:
    plan = make_plan(changed("dot", record=Record("failed", "6.12.107", failed_in=phase)), RULES, NOW)
    assert next(row.action for row in plan.rows if row.host.name == "dot") == "roll"
    assert not plan.refusals


def test_a_record_that_cannot_be_read_is_not_nothing() -> None:
    assert "esme: its record in the ledger cannot be read" in refusals(changed("esme", record=Record(readable=False)))


def test_a_host_is_booted_once_for_a_kernel() -> None:
    again = changed("esme", record=Record("done", "6.12.107"))
    assert "esme: it was booted into 6.12.107 before" in refusals(again)
    assert not refusals(again, replace(RULES, force=True))
    assert not refusals(changed("esme", record=Record("done", "6.12.94")))


def test_hosts_that_do_not_exist_are_named() -> None:
    assert "pinky is no host of this inventory" in refusals(LAB, replace(RULES, only=("pinky",)))


def test_a_roll_is_not_begun_after_its_hours() -> None:
    assert "it is Wed 03:00 UTC" in refusals(LAB, replace(RULES, window=("04:00-05:00",)))
    done = tuple(replace(one, kernel=CURRENT) for one in LAB)
    assert not refusals(done, replace(RULES, window=("04:00-05:00",)))


def admitted(hosts: Sequence[Host], name: str, *before: str, under_way: bool = False, rules: Rules = RULES) -> str:
    return "\n".join(admission(hosts, name, before, rules, NOW, under_way=under_way))


def test_a_host_is_admitted_when_all_before_it_are_done_and_well() -> None:
    done = changed("esme", record=Record("done", "6.12.107"), kernel=CURRENT)
    assert not admitted(done, "slappy", "esme")


@pytest.mark.parametrize("phase", [*PHASES[:-1], "failed", ""])
def test_a_host_before_it_that_is_not_done_stops_the_next(phase: str) -> None:
    assert "esme is not done" in admitted(changed("esme", record=Record(phase)), "slappy", "esme")


def test_a_host_before_it_that_fell_out_again_stops_the_next() -> None:
    fallen = changed("esme", record=Record("done"), out="it cannot be reached")
    assert "esme was done, and is out now: it cannot be reached" in admitted(fallen, "slappy", "esme")


def test_a_host_that_another_run_began_stops_the_next() -> None:
    assert "dot was begun and not ended" in admitted(changed("dot", record=Record("armed")), "yakko")


def test_the_others_are_judged_again_before_the_reboot() -> None:
    ready = changed("yakko", record=Record("armed", "6.12.107"), left={"web": "stopped"})
    assert not admitted(ready, "yakko", under_way=True)
    lost = tuple(replace(one, sick={"web": "silent"}) if one.name in ("wakko", "freud") else one for one in ready)
    assert "web: it is the last healthy one" in admitted(lost, "yakko", under_way=True)


@pytest.mark.parametrize("record", [Record(), Record("failed", failed_in="armed", why="/boot is full"), Record("done")])
def test_a_host_that_is_not_ready_is_not_rebooted(record: Record) -> None:
    assert "it is not ready" in admitted(changed("yakko", record=record), "yakko", under_way=True)


def test_one_that_is_under_way_is_not_stopped_by_the_clock() -> None:
    late = replace(RULES, window=("04:00-05:00",))
    assert "it is Wed 03:00 UTC" in admitted(LAB, "yakko", rules=late)
    assert not admitted(changed("yakko", record=Record("armed")), "yakko", under_way=True, rules=late)


def test_a_host_that_is_unknown_is_not_admitted() -> None:
    assert "pinky is not in the inventory" in admitted(LAB, "pinky")


@st.composite
def fleets(draw: st.DrawFn) -> tuple[tuple[Host, ...], Rules]:
    names = [f"h{number:02}" for number in range(draw(st.integers(1, 12)))]
    roles = {name: tuple(sorted(draw(st.sets(st.sampled_from(ORDER), max_size=4)), key=ORDER.index)) for name in names}
    leads: dict[str, list[str]] = {name: [] for name in names}
    for role in ("redis", "postgres"):
        if members := [name for name in names if role in roles[name]]:
            leads[draw(st.sampled_from(members))].append(role)
    hosts = []
    for name in names:
        sick = {role: "sick" for role in roles[name] if draw(st.integers(0, 9)) == 0}
        state = draw(st.sampled_from(["pending"] * 6 + ["current", "held", "unknown"]))
        hosts.append(
            Host(
                name,
                draw(st.sampled_from(["rack", "cloud"])),
                roles[name],
                replace(PENDING, state=state),
                out=draw(st.sampled_from([""] * 12 + ["unreachable"])),
                sick=sick,
                leads=tuple(leads[name]),
            )
        )
    only = tuple(name for name in names if draw(st.booleans())) if draw(st.booleans()) else ()
    rules = replace(RULES, alone=(), only=only, max_out={"": draw(st.integers(1, 3))})
    return tuple(hosts), rules


def may_begin(plan: Plan) -> bool:
    return not plan.refusals


@given(fleets())
def test_at_no_moment_of_a_plan_is_a_role_without_a_healthy_member(drawn: tuple[tuple[Host, ...], Rules]) -> None:
    hosts, rules = drawn
    plan = make_plan(hosts, rules, NOW)
    for turn in plan.order if may_begin(plan) else ():
        mine = next(one for one in hosts if one.name == turn)
        for role in mine.roles:
            members = [one for one in hosts if role in one.roles]
            left = [one for one in members if one.name != turn and not one.absent(role)]
            assert left, f"{turn} takes the last {role}"
            assert len(members) - len(left) <= rules.most(role)
            if role in rules.majority:
                assert len(left) >= quorum(len(members))
        assert [one for one in hosts if one.site == mine.site and one.name != turn and not one.absent()]


@given(fleets())
def test_a_leader_comes_after_all_others_of_its_role(drawn: tuple[tuple[Host, ...], Rules]) -> None:
    hosts, rules = drawn
    turns = {name: turn for turn, name in enumerate(make_plan(hosts, rules, NOW).order)}
    for leader in (one for one in hosts if one.leads and one.name in turns):
        for role in leader.leads:
            for other in (one for one in hosts if role in one.roles and one.name in turns and one is not leader):
                # Two that each lead something of the other's cannot both be last: the database's leader is.
                later = rank(other, ORDER) > rank(leader, ORDER) or (
                    other.leads and rank(other, ORDER) == rank(leader, ORDER)
                )
                assert turns[other.name] < turns[leader.name] or (other.leads and later)


@given(fleets(), st.randoms())
def test_a_plan_is_the_same_whoever_asks(drawn: tuple[tuple[Host, ...], Rules], dice: object) -> None:
    hosts, rules = drawn
    other = list(hosts)
    dice.shuffle(other)  # type: ignore[attr-defined]
    first, second = make_plan(hosts, rules, NOW), make_plan(other, rules, NOW)
    assert first.order == second.order
    assert bool(first.refusals) == bool(second.refusals)


@given(fleets())
def test_every_host_is_in_the_plan_once(drawn: tuple[tuple[Host, ...], Rules]) -> None:
    hosts, rules = drawn
    assert sorted(row.host.name for row in make_plan(hosts, rules, NOW).rows) == sorted(one.name for one in hosts)


def large(count: int) -> list[Host]:
    kinds = [("edge",), ("web", "sidekiq"), ("redis", "nameserver"), ("postgres",), ("etcd",)]
    hosts = [host(f"n{number:04}", *kinds[number % 5], site=f"site{number % 7}") for number in range(count)]
    hosts[3] = replace(hosts[3], leads=("postgres",))
    # One was begun: then every other host is judged as if that one were back.
    hosts[0] = replace(hosts[0], record=Record("drained", "6.12.107"))
    return hosts


def test_five_hundred_hosts_are_planned_within_a_second() -> None:
    hosts = large(500)
    # Of its own: what others do on this machine meanwhile is not its fault.
    begun = time.process_time()
    plan = make_plan(hosts, RULES, NOW)
    assert len(plan.order) == 500
    assert time.process_time() - begun < 1
