# SPDX-License-Identifier: GPL-3.0-or-later
"""The suite ends when it is told to."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest

from bin import suite
from bin.programs import Outcome, stop_with_everything, stopped
from bin.suite import LANES, Tally, beside, lanes


def test_what_has_not_begun_never_begins_when_the_run_is_stopped() -> None:
    go_on, begun = threading.Event(), list[int]()

    def step(number: int) -> None:
        begun.append(number)
        go_on.wait(60)

    def submit_and_stop() -> None:
        with lanes() as pool:
            for number in range(LANES + 3):
                pool.submit(step, number)
            while len(begun) < LANES:
                pass
            # Those that have begun end with the programs that they run.
            threading.Timer(0.2, go_on.set).start()
            raise SystemExit

    with pytest.raises(SystemExit):
        submit_and_stop()
    assert begun == list(range(LANES))


def test_neither_does_what_would_take_the_place_of_something_that_was_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = list[str]()
    tally, step = Tally(), lambda: begun.append("step") or Outcome(0, 0.0, "")  # type: ignore[func-returns-value]
    monkeypatch.setattr("bin.programs._running", set())
    with pytest.raises(SystemExit):
        stop_with_everything(15, None)
    try:
        assert not tally.do("one", step)
    finally:
        stopped.clear()
    assert not begun
    assert tally.do("one", step)


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what was done, in a suite of one check and two scenarios."""
    found: list[str] = []

    def step(name: str) -> Outcome:
        found.append(name)
        return Outcome(0, 0.0, "")

    monkeypatch.setattr(suite, "host_image", lambda: step("image"))
    monkeypatch.setattr(suite, "checks", lambda: [("lint", lambda: step("lint"))])
    monkeypatch.setattr(suite, "pytest", lambda name, *_: step(name))
    monkeypatch.setattr(suite, "scenarios", lambda: ["redis", "web"])
    monkeypatch.setattr(suite, "scenario", step)
    return found


def test_scenarios_begin_when_the_site_is_made(done: list[str]) -> None:
    made: Future[None] = Future()
    with beside(Tally(), made) as image:
        assert image.result()
        while len(done) < 3:
            pass
        assert {*done} == {"image", "lint", "bad_input"}
        made.set_result(None)
    assert {*done[3:]} == {"redis", "web"}


def test_scenarios_are_run_also_where_no_site_could_be_made(done: list[str]) -> None:
    with beside(Tally(), Future()):
        pass
    assert {*done} == {"image", "lint", "bad_input", "redis", "web"}


class Awaited(Future[None]):
    """One that tells when somebody waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = threading.Event()

    def result(self, timeout: float | None = None) -> None:
        self.waits.set()
        return super().result(timeout)


def test_a_scenario_that_waits_for_the_site_does_not_begin_when_the_run_is_stopped(done: list[str]) -> None:
    made = Awaited()

    def stopped() -> None:
        with beside(Tally(), made):
            assert made.waits.wait(60)
            raise SystemExit

    with pytest.raises(SystemExit):
        stopped()
    assert not {"redis", "web"} & {*done}
