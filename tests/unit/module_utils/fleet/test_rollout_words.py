# SPDX-License-Identifier: GPL-3.0-or-later
"""A roll as people read it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from plugins.module_utils.fleet.rollout import PHASES, Host, Kernel, Record, Rules, make_plan
from plugins.module_utils.fleet.rollout_words import narrate, report, stopped

NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
HOSTS = (
    Host("alice", "basement", ("web", "postgres"), Kernel("pending", "6.12.94", "6.12.107"), leads=("postgres",)),
    Host("dot", "basement", ("web", "postgres"), Kernel("pending", "6.12.94", "6.12.107")),
    Host("esme", "basement", ("web",), Kernel("current", "6.12.107")),
)
RULES = Rules(order=("web", "postgres"))


def test_a_plan_is_a_table_in_the_order_of_the_turns() -> None:
    assert narrate(make_plan(HOSTS, RULES, NOW), ["no Alertmanager is named, so nobody is asked"]) == [
        "turn  wave  host   site      verdict  why here                           kernel             roles",
        "1     1     dot    basement  yes      postgres                           6.12.94->6.12.107  web,postgres",
        "2     1     alice  basement  yes      leads postgres: after a hand-over  6.12.94->6.12.107  web,postgres",
        "-     -     esme   basement  stay     has the newest kernel              6.12.107           web",
        "Note: no Alertmanager is named, so nobody is asked.",
        "One after the other: dot, alice.",
    ]


def test_a_plan_that_is_refused_says_why_and_that_nothing_is_begun() -> None:
    lines = narrate(make_plan((replace(HOSTS[0], out="it cannot be reached"), *HOSTS[1:]), RULES, NOW), [])
    assert "Refused: alice: it is out: it cannot be reached." in lines
    assert lines[-1].startswith("Nothing is begun.")
    assert not any(line.startswith("One after the other") for line in lines)


def test_a_long_reason_stands_below_the_table_and_is_said_once() -> None:
    why = "linux-image-amd64 is held: no new kernel comes. apt-mark unhold linux-image-amd64 lets it"
    held = replace(HOSTS[1], kernel=Kernel("held", "6.12.94", "6.12.107", reasons=(why,)))
    lines = narrate(make_plan((HOSTS[0], held, HOSTS[2]), RULES, NOW), [])
    assert max(map(len, lines[:4])) < 110
    assert "  held: see below  " in lines[2]
    assert [line for line in lines if why in line] == [f"dot: held; {why}."]
    ill = replace(held, kernel=replace(held.kernel, state="blocked"))
    said = narrate(make_plan((HOSTS[0], ill, HOSTS[2]), RULES, NOW), [])
    assert [line.split(":")[0] for line in said if why in line] == ["Refused"]


def test_nothing_to_do_is_said() -> None:
    assert narrate(make_plan(HOSTS[2:], RULES, NOW), [])[-1] == "Nothing to do."


def test_a_host_that_was_begun_goes_on_to_the_kernel_that_it_was_begun_for() -> None:
    begun = replace(HOSTS[1], record=Record("booted", "6.12.100"))
    lines = narrate(make_plan((HOSTS[0], begun, HOSTS[2]), RULES, NOW), [])
    assert "goes on  begun: booted  " in lines[1]
    assert "6.12.94->6.12.100" in lines[1]


def test_a_flavour_that_stays_the_same_is_said_once() -> None:
    host = replace(HOSTS[0], kernel=Kernel("pending", "6.12.94+deb13-amd64", "6.12.107+deb13-amd64"))
    assert "  6.12.94->6.12.107+deb13-amd64  " in narrate(make_plan((host,), RULES, NOW), [])[1]
    other = replace(HOSTS[0], kernel=Kernel("pending", "6.12.94+deb13-amd64", "6.12.107+deb13-cloud-amd64"))
    assert "  6.12.94+deb13-amd64->6.12.107+deb13-cloud-amd64  " in narrate(make_plan((other,), RULES, NOW), [])[1]


@pytest.mark.parametrize(
    ("phase", "true", "false"),
    [
        ("silenced", "its alerts may be silent", "out of service"),
        ("drained", "it is out of service", "nothing was changed"),
        ("rebooting", "may be down", "nothing was changed"),
        ("booted", "nothing that it runs is proven", "may be down"),
        ("verified", "it runs the new kernel", "the old one is still its default"),
        ("rejoined", "may be in service again", "it is out of service"),
    ],
)
def test_who_stands_before_a_host_that_stopped_reads_what_is_true_and_what_to_type(
    phase: str, true: str, false: str
) -> None:
    record = Record("failed", failed_in=phase, why="no answer.", target="6.12.107", before="6.12.94")
    known, still, *commands = stopped("dot", record, ["alice"], "ansible-playbook -i x playbooks/update-kernels.yml")
    assert f"dot came to `{phase}` on its way to 6.12.107 (from 6.12.94): no answer." in known
    assert true in still
    assert false not in still
    assert "Not touched: alice." in still
    assert [line.partition(": ")[2].strip() for line in commands] == [
        "ansible-playbook -i x playbooks/update-kernels.yml",
        "ansible-playbook -i x playbooks/update-kernels.yml -e go_back=dot",
        "ansible-playbook -i x playbooks/update-kernels.yml -e give_up=dot",
    ]


@pytest.mark.parametrize("phase", [*PHASES, ""])
def test_every_phase_has_something_that_is_still_true(phase: str) -> None:
    still = stopped("dot", Record(phase), [], "x")[1]
    assert not still.startswith("Still true: .")


def test_a_report_gives_each_phase_its_seconds_and_names_who_is_left() -> None:
    history = [{"phase": "planned", "at": 100.0}, {"phase": "rebooting", "at": 130.0}, {"phase": "done", "at": 190.0}]
    records = {"dot": {"phase": "done", "history": history}, "esme": {"phase": "failed", "history": history[:2]}}
    assert report(records, ["dot", "esme", "alice"]) == [
        "dot: done after 90 s (planned 30 s, rebooting 60 s)",
        "esme: rebooting after 30 s (planned 30 s)",
        "alice: nothing is recorded",
        "Left over: esme, alice.",
    ]


def test_a_turn_that_failed_before_anything_was_changed_leaves_the_lock_to_others() -> None:
    gated = Record("failed", failed_in="gated", target="6.12.107", before="6.12.94", why="InstanceDown")
    lines = stopped("dot", gated, ["alice"], "roll")
    assert lines[1] == (
        "Still true: nothing was changed on it, and everybody serves. Not touched: alice. The fleet's lock is free."
    )
    assert lines[-1] == "Again, when that is put right:     roll"
    assert not any("go_back" in line for line in lines)
    assert "stays until" in stopped("dot", replace(gated, failed_in="silenced"), ["alice"], "roll")[1]
