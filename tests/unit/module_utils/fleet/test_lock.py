# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may hold the fleet's lock."""

from __future__ import annotations

from dataclasses import replace

from plugins.module_utils.fleet.lock import (
    Claim,
    Plan,
    Refusal,
    Run,
    Seen,
    break_open,
    claim_of,
    free,
    hold,
    read,
    release,
)

RUN = Run("aaaa", "ada@desk", "desk/1", "100/7/boot")
MINE = Claim(RUN, "switch-primary", "a new disk", "2025-01-01 10:00:00 UTC")
# The same person's next run, on the same machine.
NEXT = replace(MINE, run=replace(RUN, id="bbbb", process="200/9/boot"), since="2025-01-01 11:00:00 UTC")


def test_a_free_lock_is_taken() -> None:
    assert hold(Seen(0), MINE, "") == Plan("take the lock for switch-primary", store=MINE)


def test_a_run_that_holds_the_lock_holds_it() -> None:
    plan = hold(Seen(5, MINE), replace(MINE, since="later"), "")
    assert isinstance(plan, Plan)
    assert not plan.changes


def test_a_second_run_is_refused_and_told_who_what_since_when() -> None:
    refusal = hold(Seen(5, MINE), NEXT, "")
    assert refusal == Refusal(
        "The fleet's lock is held: ada@desk does switch-primary (a new disk) since 2025-01-01 10:00:00 UTC, process 100, lock aaaa.",
        held=True,
    )


def test_the_next_run_of_a_dead_one_goes_on() -> None:
    plan = hold(Seen(5, MINE), NEXT, "aaaa")
    assert isinstance(plan, Plan)
    assert plan.store == NEXT
    assert "a run that died" in plan.said


def test_only_the_same_person_machine_and_operation_goes_on() -> None:
    for other in (
        replace(NEXT, operation="cut-dns"),
        replace(NEXT, run=replace(NEXT.run, owner="bob@desk")),
        replace(NEXT, run=replace(NEXT.run, machine="desk/2")),
    ):
        refusal = hold(Seen(5, MINE), other, "aaaa")
        assert isinstance(refusal, Refusal)
        assert "run that operation again" in refusal.why


def test_another_locks_death_is_no_permission() -> None:
    assert isinstance(hold(Seen(5, MINE), NEXT, "cccc"), Refusal)


def test_what_needs_no_lock_is_refused_while_another_run_holds_it() -> None:
    assert free(Seen(0), MINE) == Plan("nobody holds the lock")
    assert isinstance(free(Seen(5, MINE), MINE), Plan)
    refusal = free(Seen(5, MINE), NEXT)
    assert isinstance(refusal, Refusal)
    assert refusal.held
    assert "ada@desk does switch-primary" in refusal.why
    assert isinstance(free(Seen(5), MINE), Refusal)


def test_what_a_dead_run_of_the_same_operation_left_is_no_hindrance_where_the_lock_is_taken_later() -> None:
    plan = free(Seen(5, MINE), NEXT, "aaaa")
    assert isinstance(plan, Plan)
    assert not plan.changes
    for other in (replace(NEXT, operation=""), replace(NEXT, run=replace(NEXT.run, owner="bob@desk"))):
        refusal = free(Seen(5, MINE), other, "aaaa")
        assert isinstance(refusal, Refusal)
        assert "run that operation again" in refusal.why


def test_age_is_no_permission() -> None:
    assert isinstance(hold(Seen(5, replace(MINE, since="1999-12-31 23:59:59 UTC")), NEXT, ""), Refusal)


def test_a_record_that_cannot_be_read_is_a_lock() -> None:
    for text in ("", "{", "[]", '{"run": {}}', '{"run": 5}', '{"run": {"id": "a"}, "operation": "b"}'):
        seen = read(text, 9)
        assert seen == Seen(9)
        assert isinstance(hold(seen, MINE, ""), Refusal)
        assert isinstance(hold(seen, MINE, "revision-9"), Refusal)


def test_what_is_written_can_be_read() -> None:
    assert read(MINE.text(), 5) == Seen(5, MINE)
    assert claim_of(RUN.__dict__, MINE.operation, MINE.reason, MINE.since) == MINE


def test_only_ones_own_lock_is_released() -> None:
    assert release(Seen(5, MINE), RUN).remove
    assert not release(Seen(5, NEXT), RUN).changes
    assert not release(Seen(5), RUN).changes
    assert not release(Seen(0), RUN).changes


def test_a_lock_is_broken_by_its_name_and_no_other() -> None:
    assert break_open(Seen(5, MINE), "aaaa") == Plan(f"break the lock: {MINE.describe()}", remove=True)
    assert break_open(Seen(5), "revision-5") == Plan(
        "break the lock: a record that cannot be read, lock revision-5", remove=True
    )
    refusal = break_open(Seen(5, NEXT), "aaaa")
    assert isinstance(refusal, Refusal)
    assert "bbbb" in refusal.why
    assert break_open(Seen(0), "aaaa") == Plan("nobody holds the lock")
