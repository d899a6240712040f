# SPDX-License-Identifier: GPL-3.0-or-later
"""What visitors saw is judged alike in every story."""

from __future__ import annotations

import json

from tests.rehearsals.answers import HEAD, Answer, Books, longest_gap, parse, percentile, recovery, row


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
