# SPDX-License-Identifier: GPL-3.0-or-later
"""The suite ends when it is told to."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from bin import journals, suite
from bin.programs import ROOT, Outcome, stop_with_everything, stopped
from bin.suite import BY_HAND, LANES, SLOWEST, Tally, beside, lanes, scenarios


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


def test_scenarios_go_on_beside_what_waits_and_come_to_their_end(done: list[str]) -> None:
    with beside(Tally()) as image:
        assert image.result()
        while len(done) < 5:
            pass
    assert {*done} == {"image", "lint", "bad_input", "redis", "web"}


def test_every_scenario_is_run_but_those_that_are_run_by_hand_and_the_slow_ones_begin_first() -> None:
    there = {path.parent.name for path in ROOT.glob("molecule/*/molecule.yml")}
    assert {*BY_HAND} | {*SLOWEST} <= there, "one of that name is no more"
    assert {*scenarios()} == there - {*BY_HAND}
    assert scenarios()[: len(SLOWEST)] == [*SLOWEST]


def test_without_an_image_there_are_no_scenarios(done: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "host_image", lambda: Outcome(1, 0.0, ""))
    with beside(Tally()) as image:
        assert not image.result()
    assert done == ["lint"]


@pytest.mark.parametrize(
    ("wish", "removed"),
    [({}, ["all", "site", "site's hosts", "all"]), ({"UPSTAIRS_KEEP": "1"}, ["all", "site"])],
)
def test_the_sites_hosts_go_as_soon_as_nobody_visits_them_unless_they_are_kept(
    wish: dict[str, str], removed: list[str], done: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = list[str]()
    monkeypatch.setattr(os, "environ", wish)
    monkeypatch.setattr(suite, "TEST_LOCK", tmp_path / "lock")
    monkeypatch.setattr(suite, "clean", lambda: found.append("all"))
    monkeypatch.setattr(suite, "site", lambda _tally: found.append("site"))
    monkeypatch.setattr(
        suite,
        "remove_hosts",
        lambda *labels: found.append(
            "site's hosts" if labels == ("upstairs.lab=test", "upstairs.scenario=site") else "?"
        ),
    )
    with pytest.raises(SystemExit, match="0"):
        suite.test()
    assert found == removed
    assert "web" in done


@pytest.mark.parametrize(
    ("said", "come"),
    [
        ({}, {"UPSTAIRS_READS": "10", "UPSTAIRS_POSTS": "2"}),
        ({"UPSTAIRS_READS": "40"}, {"UPSTAIRS_READS": "40", "UPSTAIRS_POSTS": "2"}),
    ],
)
def test_fewer_visitors_come_to_a_busy_machine_unless_somebody_says_how_many(
    said: dict[str, str], come: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = dict[str, str]()
    # The program asks its own environment, and changes it.
    monkeypatch.setattr(os, "environ", dict(said))
    monkeypatch.setattr(suite, "stop_on_signals", lambda: None)
    monkeypatch.setattr(suite, "test", lambda: seen.update(os.environ))
    suite.main(["test"])
    assert seen == {"UPSTAIRS_LAB": "test", **come}


def test_a_scenario_that_fails_tells_what_its_hosts_complained_of_now_and_not_before(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "journal-redis-redis-1.log").write_text("of the run before\n")
    (tmp_path / "journal-redis_sentinel-one.log").write_text("of another scenario\n")
    monkeypatch.setattr(journals, "LOGS", tmp_path)

    def run(_name: str, argv: list[str], **_show: bool) -> Outcome:
        if "test" in argv:
            (tmp_path / "journal-redis-redis-2.log").write_text("Failed to set up user namespacing\n")
            return Outcome(2, 1.0, "fatal: [redis-2]: FAILED! =>\nmsg: See the journal\n")
        return Outcome(0, 1.0, "")

    monkeypatch.setattr(suite, "run", run)
    tally = Tally()
    assert not tally.add("scenario redis", suite.scenario("redis"))
    why = tally.failed["scenario redis"].why
    assert "msg: See the journal" in why
    assert "journal-redis-redis-2.log, errors only:\n    Failed to set up user namespacing" in why
    assert "of the run before" not in why
    assert "of another scenario" not in why
    assert (tmp_path / "journal-redis_sentinel-one.log").exists()


def test_the_last_lines_of_a_run_tell_in_short_what_failed(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally()
    said = "fatal: [redis-2]: FAILED! =>\n    msg: no memory\n" + "    more\n" * 100
    tally.add("scenario redis", Outcome(2, 1.0, said))
    capsys.readouterr()
    with pytest.raises(SystemExit, match="1"):
        tally.close(0)
    lines = capsys.readouterr().out.splitlines()
    begin = lines.index("scenario redis, in short:")
    assert "msg: no memory" in "".join(lines[begin:])
    assert "1 failed" in lines[-1]
    assert len(lines) - begin < 20
