# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a roll as a playbook asks for it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from plugins.modules import rollout_plan


def kernel(state: str = "pending") -> dict[str, Any]:
    target = {"release": "6.12.107", "version": "6.12.107-1"} if state == "pending" else {}
    return {"state": state, "reasons": [], "running": {"release": "6.12.94"}, "target": target}


def seen(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "site": "cloud", "roles": ["web"], "kernel": kernel(), **more}


def record(**value: Any) -> dict[str, Any]:
    return {"value": value, "revision": 7, "readable": True}


def ask(capsys: pytest.CaptureFixture[str], **arguments: Any) -> dict[str, Any]:
    with patch_module_args({"order": ["web", "postgres"], **arguments}), pytest.raises(SystemExit):
        rollout_plan.main()
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


HOSTS = [seen("wakko"), seen("yakko"), seen("freud", kernel=kernel("current"))]


def test_the_plan_has_an_order_waves_and_the_kernels_before_and_after(capsys: pytest.CaptureFixture[str]) -> None:
    plan = ask(capsys, hosts=HOSTS, canary="yakko", waves=[1])
    assert plan["changed"]
    assert plan["order"] == ["yakko", "wakko"]
    assert plan["waves"] == {"yakko": 1, "wakko": 2}
    assert plan["diff"]["before"] == "yakko: 6.12.94\nwakko: 6.12.94\n"
    assert plan["diff"]["after"] == "yakko: 6.12.107\nwakko: 6.12.107\n"


def test_a_host_that_nobody_could_ask_refuses_the_plan_and_nothing_would_change(
    capsys: pytest.CaptureFixture[str],
) -> None:
    plan = ask(capsys, hosts=[*HOSTS, seen("dot", kernel={}, out="it cannot be reached")])
    assert not plan["changed"]
    assert any("dot: it is out: it cannot be reached" in refusal for refusal in plan["refusals"])


def test_a_turn_is_admitted_when_those_before_it_are_done(capsys: pytest.CaptureFixture[str]) -> None:
    turn = {"hosts": HOSTS, "turns": ["yakko", "wakko"], "turn": "wakko", "state": "admitted"}
    done, begun = record(phase="done", target="6.12.107"), record(phase="booted")
    assert ask(capsys, **turn, records={"yakko": done})["refusals"] == []
    assert ask(capsys, **turn, records={"yakko": begun})["refusals"][0] == "yakko is not done: booted"
    assert ask(capsys, **turn)["refusals"] == ["yakko is not done: nothing is recorded of it"]


def test_a_host_is_ready_for_its_reboot_when_its_record_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    turn = {"hosts": HOSTS, "turns": ["yakko"], "turn": "yakko", "state": "ready"}
    assert ask(capsys, **turn, records={"yakko": record(phase="armed")})["refusals"] == []
    assert ask(capsys, **turn, records={"yakko": record(phase="failed", why="/boot is full")})["refusals"] == [
        "it is not ready: /boot is full"
    ]


def test_a_turn_that_did_not_come_to_its_end_is_told_with_the_three_commands(
    capsys: pytest.CaptureFixture[str],
) -> None:
    turn = {"hosts": HOSTS, "turns": ["yakko", "wakko"], "turn": "yakko", "state": "ended", "command": "roll"}
    said = ask(capsys, **turn, records={"yakko": record(phase="rebooting", target="6.12.107")})["refusals"]
    assert "Not touched: wakko." in said[1]
    assert said[2:] == [
        "Go on, when that is put right:     roll",
        "Go back to the kernel it had:      roll -e go_back=yakko",
        "Give it up, and leave it as it is: roll -e give_up=yakko",
    ]
    assert ask(capsys, **turn, records={"yakko": record(phase="done")})["refusals"] == []
    assert ask(capsys, **turn, records={"yakko": record(phase="failed", failed_in="gated")})["untouched"]
    assert not ask(capsys, **turn, records={"yakko": record(phase="failed", failed_in="drained")})["untouched"]


def test_a_report_says_how_it_went(capsys: pytest.CaptureFixture[str]) -> None:
    history = [{"phase": "planned", "at": 1.0}, {"phase": "done", "at": 61.0}]
    done = {"yakko": record(phase="done", history=history)}
    said = ask(capsys, hosts=HOSTS, records=done, turns=["yakko"], state="reported")["plan"]
    assert said == ["yakko: done after 60 s (planned 60 s)", "Nothing is left over."]


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"max_out": {"others": 0}}, "max_out of others is 0: at least 1"),
        ({"waves": [1, 0]}, "a wave of 0: at least 1"),
        ({"window": ["at night"]}, "'at night' is no window"),
    ],
)
def test_rules_that_make_no_sense_are_refused(
    capsys: pytest.CaptureFixture[str], rule: dict[str, Any], says: str
) -> None:
    answer = ask(capsys, hosts=HOSTS, **rule)
    assert answer["failed"]
    assert says in answer["msg"]


def test_a_kernel_that_did_not_come_up_elsewhere_is_not_booted_here(capsys: pytest.CaptureFixture[str]) -> None:
    plan = ask(capsys, hosts=HOSTS, denied=["6.12.107-1"])
    assert plan["order"] == []
    assert any("6.12.107-1 did not come up on another host" in line for line in plan["plan"])


def test_who_goes_back_is_begun_with_again_wherever_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    hosts = [seen("wakko"), seen("yakko", kernel=kernel("current"))]
    done = {"yakko": record(phase="done", target="6.12.94", before="6.12.90")}
    plan = ask(capsys, hosts=hosts, go_back="yakko", only=["yakko"], records=done)
    assert plan["order"] == ["yakko"]
    assert plan["diff"]["after"] == "yakko: 6.12.90\n"


@pytest.mark.parametrize("what", ["go_back", "give_up"])
def test_there_is_nothing_to_undo_of_a_host_without_a_record(capsys: pytest.CaptureFixture[str], what: str) -> None:
    assert "yakko: nothing is recorded of it" in ask(capsys, hosts=HOSTS, **{what: "yakko"})["refusals"][0]


def test_a_host_is_given_up_and_nothing_else_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    plan = ask(capsys, hosts=HOSTS, give_up="yakko", records={"yakko": record(phase="failed")})
    assert (plan["order"], plan["refusals"]) == ([], [])
