# SPDX-License-Identifier: GPL-3.0-or-later
"""What visitors saw is judged alike in every story."""

from __future__ import annotations

import json

import pytest

from tests.rehearsals.answers import (
    HEAD,
    NEVER,
    Answer,
    Books,
    Window,
    longest_gap,
    parse,
    percentile,
    recovery,
    row,
    unexcused,
    well,
)


def answer(sent: float, took: float = 0.1, status: int = 200, uuid: str | None = None) -> Answer:
    return Answer(sent=sent, took=took, status=status, uuid=uuid)


def test_a_gap_is_between_good_answers_and_bad_ones_do_not_fill_it() -> None:
    answers = [answer(0), answer(5, status=500), answer(1), answer(8)]
    assert longest_gap(answers) == 7
    assert longest_gap(answers[:1]) == longest_gap([]) == 0


def test_a_gap_counts_when_answers_came_and_not_when_they_were_asked_for() -> None:
    assert longest_gap([answer(0, took=1), answer(1, took=4)]) == 4


def test_recovery_lasts_until_the_last_bad_or_slow_answer() -> None:
    before, bad, slow, later = answer(1, status=502), answer(11, status=502), answer(12, took=3), answer(20)
    assert recovery([before, later], fault=10) == 0
    assert recovery([before, bad, later], fault=10) == bad.done - 10
    assert recovery([bad, slow, later], fault=10) == 5


def test_an_answer_under_way_at_the_fault_belongs_to_it() -> None:
    assert recovery([answer(9, took=3)], fault=10) == 2


def test_a_line_that_is_being_written_is_not_read_yet() -> None:
    line = json.dumps(vars(answer(1, uuid="a")))
    assert parse(line + "\n" + line[:10]) == [answer(1, uuid="a")]
    assert parse("") == []


CALM = [answer(sent, uuid=uuid) for sent in (10, 11, 12, 13, 14) for uuid in (None, "a")]


def test_it_is_well_when_reads_and_posts_are_answered_all_the_time() -> None:
    assert well(CALM, begin=10, end=15)


@pytest.mark.parametrize("posts", [True, False])
def test_it_is_not_well_while_posts_or_reads_hang(posts: bool) -> None:
    others = [a for a in CALM if bool(a.uuid) != posts]
    assert not well(others, begin=10, end=15)
    stopped = [a for a in CALM if bool(a.uuid) == posts and a.sent < 12]
    assert not well([*others, *stopped], begin=10, end=15)


def test_it_is_not_well_when_somebody_was_told_so() -> None:
    assert not well([*CALM, answer(12, status=502)], begin=10, end=15)
    waited = answer(1, took=11, status=504)
    assert not well([*CALM, waited], begin=10, end=15)
    assert well([*CALM, answer(5, status=502)], begin=10, end=15)


def test_good_answers_to_older_requests_prove_nothing() -> None:
    late = [answer(a.sent - 10, took=10, uuid=a.uuid) for a in CALM]
    assert not well(late, begin=10, end=15)
    assert not well([], begin=10, end=15)


def test_a_loss_is_excused_only_where_it_could_have_been_written_in_the_window() -> None:
    window = Window(10, 20)
    early, over, across, inside, after = (
        answer(sent, took=took, uuid=uuid)
        for uuid, sent, took in (("a", 8, 1), ("b", 9, 2), ("c", 9, 30), ("d", 19, 9), ("e", 21, 1))
    )
    lost = unexcused([early, over, across, inside, after, answer(1)], "abcde", window)
    assert lost == [early, after]
    assert unexcused([early, after], "", window) == []
    assert unexcused([inside], "d", NEVER) == [inside]


def test_percentiles_are_of_what_came() -> None:
    answers = [answer(0, took=took) for took in (4, 1, 3, 2)]
    assert percentile(answers, 0.5) == 3
    assert percentile(answers, 0.99) == 4
    assert percentile([], 0.5) == 0


def test_the_row_has_a_cell_for_each_column() -> None:
    books = Books(frozenset({"a"}), frozenset(), frozenset({"b", "c"}))
    full = row("a story", [answer(0, uuid="a"), answer(2, status=500), answer(3)], books, fault=1)
    assert full == "| a story | 3 | 1 | 3.00 s | 0.00 s | 1 | 0 | 2 | 1.1 s |"
    assert {line.count("|") for line in [*HEAD.splitlines(), full, row("x", [], None)]} == {10}


def test_what_cannot_recover_by_itself_is_measured_from_the_mending() -> None:
    bad = answer(11, status=502)
    assert row("x", [bad], None, fault=10, mended=10.5).endswith("| 0.6 s after it was mended |")
    assert row("x", [bad], None, fault=10, mended=20).endswith("| 0.0 s after it was mended |")


def test_books_say_what_is_wrong() -> None:
    assert str(Books(frozenset(), frozenset(), frozenset())) == "all is well"
    assert str(Books(frozenset("a"), frozenset(), frozenset("b"))) == "1 lost: ['a']; 1 without a job: ['b']"
