# SPDX-License-Identifier: GPL-3.0-or-later
"""Promises of the planner behind systemd_units."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.module_utils.fleet.units import Step, Unit, UnitPlan, WantedUnit, fallen, parse_show, plan

UP = Unit("a.service", load="loaded", active="active", sub="running", file="enabled", type="simple", can_reload=True)
DOWN = replace(UP, active="inactive", sub="dead", file="disabled")


def plan_one(unit: Unit, **wanted: object) -> UnitPlan:
    return plan({unit.name: unit}, [WantedUnit(unit.name, **wanted)])  # type: ignore[arg-type]


def verbs(unit: Unit, **wanted: object) -> list[str]:
    return [step.verb for step in plan_one(unit, **wanted).steps]


def done(unit: Unit, step: Step) -> Unit:
    """Return a unit after a step, as systemd would."""
    match step.verb:
        case "start" | "restart" | "reload":
            return replace(unit, active="active", sub="running", stale=False)
        case "stop":
            return replace(unit, active="inactive", sub="dead")
        case "enable":
            return replace(unit, file="enabled")
        case "disable":
            return replace(unit, file="disabled")
        case "mask":
            return replace(unit, file="masked", load="masked")
        case "unmask":
            return replace(unit, file="disabled", load="loaded")
        case _:
            return replace(unit, stale=False)


units = st.builds(
    Unit,
    st.just("a.service"),
    load=st.sampled_from(["loaded", "masked"]),
    active=st.sampled_from(["active", "inactive", "failed", "activating", "deactivating"]),
    sub=st.sampled_from(["running", "dead", "auto-restart"]),
    file=st.sampled_from(["enabled", "disabled", "static", "indirect", "alias"]),
    stale=st.booleans(),
)
lasting = st.builds(
    WantedUnit,
    st.just("a.service"),
    state=st.sampled_from([None, "started", "stopped"]),
    enabled=st.sampled_from([None, True, False]),
    masked=st.sampled_from([None, True, False]),
)


@given(units, lasting)
def test_a_plan_that_was_carried_out_leaves_nothing_to_do(unit: Unit, wanted: WantedUnit) -> None:
    made = plan({unit.name: unit}, [wanted])
    if made.refusals:
        return
    for step in made.steps:
        unit = done(unit, step)
    # An unmasked unit shows only then whether it is enabled: the second look may find that out, the third may not.
    for step in plan({unit.name: unit}, [wanted]).steps if wanted.masked is False else ():
        unit = done(unit, step)
    assert plan({unit.name: unit}, [wanted]) == UnitPlan()


def test_started_and_enabled_is_left_alone() -> None:
    assert plan_one(UP, state="started", enabled=True) == UnitPlan()


def test_a_stopped_unit_is_enabled_then_started() -> None:
    assert verbs(DOWN, state="started", enabled=True) == ["enable", "start"]


def test_a_restart_or_a_reload_starts_what_is_stopped() -> None:
    assert verbs(DOWN, state="restarted") == ["start"]
    assert verbs(DOWN, state="reloaded") == ["start"]
    assert verbs(UP, state="restarted") == ["restart"]
    assert verbs(UP, state="reloaded") == ["reload"]


def test_changed_unit_files_are_read_before_anything_else() -> None:
    assert verbs(replace(DOWN, stale=True), state="started", enabled=True) == ["daemon-reload", "enable", "start"]


def test_a_unit_file_that_systemd_could_not_read_is_read_again_when_the_unit_is_needed() -> None:
    bad = replace(DOWN, load="bad-setting", load_error="Unit file is bad")
    assert verbs(bad, state="started") == ["daemon-reload", "start"]
    assert verbs(bad, state="stopped") == []
    assert bad.describe() == "unreadable to systemd: Unit file is bad"


def test_a_unit_between_two_automatic_starts_is_stopped_first() -> None:
    assert verbs(replace(UP, active="activating", sub="auto-restart"), state="started") == ["restart"]


def test_masks_are_lifted_before_the_start() -> None:
    masked = replace(DOWN, load="masked", file="masked")
    assert verbs(masked, masked=False, state="started") == ["unmask", "start"]
    assert verbs(DOWN, masked=True, state="stopped") == ["mask"]
    assert verbs(masked, masked=True) == []


def test_what_can_never_work_is_refused_in_words() -> None:
    refused = {
        "is masked": plan_one(replace(DOWN, load="masked", file="masked"), state="started"),
        "has no [Install] section": plan_one(replace(UP, file="static"), enabled=True),
        "cannot reload": plan_one(replace(UP, can_reload=False), state="reloaded"),
        "masked and enabled or running at once": plan_one(DOWN, masked=True, state="started"),
    }
    for words, made in refused.items():
        assert [words in refusal for refusal in made.refusals] == [True]


def test_a_unit_nobody_knows_is_missing_and_planned_all_the_same() -> None:
    made = plan_one(Unit("a.service"), state="started", enabled=True)
    assert made.missing == ("a.service",)
    assert [step.verb for step in made.steps] == ["enable", "start"]


def test_a_unit_nobody_knows_may_be_masked() -> None:
    assert plan_one(Unit("a.service"), masked=True).missing == ()


def test_a_unit_that_died_or_was_started_again_by_systemd_has_fallen() -> None:
    start = [Step("start", "a.service")]
    assert fallen({"a.service": DOWN}, {"a.service": UP}, start) == []
    for after in (
        replace(UP, active="failed"),
        DOWN,
        replace(UP, restarts=1),
        replace(UP, active="activating", sub="auto-restart"),
    ):
        assert fallen({"a.service": DOWN}, {"a.service": after}, start) == ["a.service"]


def test_restarts_from_before_a_reload_do_not_count() -> None:
    before = replace(UP, restarts=3)
    assert fallen({"a.service": before}, {"a.service": before}, [Step("reload", "a.service")]) == []
    assert fallen({"a.service": before}, {"a.service": replace(UP, restarts=4)}, [Step("reload", "a.service")]) == [
        "a.service"
    ]


def test_a_oneshot_that_has_ended_well_has_not_fallen() -> None:
    ended = replace(DOWN, type="oneshot")
    assert fallen({"a.service": DOWN}, {"a.service": ended}, [Step("start", "a.service")]) == []
    failed = replace(ended, active="failed", result="exit-code")
    assert fallen({"a.service": DOWN}, {"a.service": failed}, [Step("start", "a.service")]) == ["a.service"]


def test_blocks_are_told_apart_by_the_order_of_the_question() -> None:
    output = "LoadState=loaded\nActiveState=active\nNeedDaemonReload=yes\nNRestarts=2\n\nLoadState=not-found\nNRestarts=[not set]\n"
    units = parse_show(output, ["a.service", "b.timer"])
    assert (units["a.service"].running, units["a.service"].stale, units["a.service"].restarts) == (True, True, 2)
    assert units["b.timer"].missing


def test_an_answer_about_another_number_of_units_is_no_answer() -> None:
    with pytest.raises(ValueError, match="about 1 units, asked about 2"):
        parse_show("LoadState=loaded\n", ["a.service", "b.service"])
