# SPDX-License-Identifier: GPL-3.0-or-later
"""A site is well again when those who come now say so, not those who came before."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.rehearsals.answers import Answer
from tests.rehearsals.crowd import Crowd
from tests.visitors import Site

# When somebody begins to ask.
BEGUN = 100.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which goes on only while somebody waits."""
    now = [BEGUN]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr("tests.rehearsals.crowd.time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    return now


def visited(monkeypatch: pytest.MonkeyPatch, clock: list[float], answers: list[Answer]) -> Crowd:
    """Return a crowd that has been answered so, each answer from its time on."""
    monkeypatch.setattr(Crowd, "answers", property(lambda self: [a for a in answers if a.done <= clock[0]]))
    return Crowd(Site("test"), "story")


def every_half_second(begin: float, end: float, took: float = 0.1, status: int = 200) -> list[Answer]:
    times = [begin + step / 2 for step in range(int((end - begin) * 2))]
    return [Answer(sent, took, status, uuid=uuid) for sent in times for uuid in (None, "a")]


def test_it_takes_the_calm_seconds_from_now_on(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    visited(monkeypatch, clock, every_half_second(80, 130)).until_well(30)
    assert clock[0] == BEGUN + 5


def test_good_answers_to_those_who_came_before_count_for_nothing(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    late = every_half_second(90, BEGUN, took=9)
    with pytest.raises(AssertionError, match="reads or posts are not answered"):
        visited(monkeypatch, clock, every_half_second(80, BEGUN) + late).until_well(30)


def test_a_bad_answer_to_one_who_came_before_keeps_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    straggler = Answer(95, 8, 504, uuid="b")
    visited(monkeypatch, clock, [*every_half_second(80, 130), straggler]).until_well(30)
    assert clock[0] == BEGUN + 5


def test_it_waits_until_it_is_calm_and_says_what_was_bad(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    bad, good = every_half_second(95, 110, status=502), every_half_second(110, 140)
    visited(monkeypatch, clock, bad + good).until_well(30)
    assert 114 < clock[0] < 116
    clock[0] = BEGUN
    with pytest.raises(AssertionError, match="status=502"):
        visited(monkeypatch, clock, bad + good).until_well(8)
