# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person is told of a run, and that two runs do not meet."""

from __future__ import annotations

import fcntl
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bin import programs
from bin.programs import ROOT, Recap, brief, cause, one_at_a_time, only_one, recaps, run, start_host

RECAP = """
PLAY RECAP *********************************************************************
alice                      : ok=7    changed=2    unreachable=0    failed=0    skipped=0    rescued=0    ignored=0
\x1b[0;31mdot-1\x1b[0m                      : \x1b[0;32mok=2   \x1b[0m changed=0    \x1b[1;31munreachable=1   \x1b[0m failed=0    skipped=0
esme                       : ok=2    changed=0    unreachable=0    failed=1    skipped=0    rescued=0    ignored=0
"""


def test_a_recap_is_read_with_and_without_colours() -> None:
    assert recaps(RECAP) == {"alice": Recap(2, False), "dot-1": Recap(0, True), "esme": Recap(0, True)}


def test_what_is_no_recap_says_nothing() -> None:
    assert recaps("alice: ok=1\nTASK [changed=3]\n") == {}


REFUSED = "TASK [Ask]\nok: [a]\nfatal: [a]: FAILED! =>\n    msg: refused as wanted\nTASK [Ask again]\n"
DESTROYED = (
    "PLAY RECAP\n  ****\nb : ok=1 changed=0 unreachable=0 failed=1\n"
    "WARNING  redis \u279c verify: An error occurred during the test sequence action: 'verify'. Cleaning up.\n"
    "TASK [Remove the host]\nchanged: [b]\nPLAY RECAP\n"
)


def lines_of(why: str) -> list[str]:
    """Return the lines without the margin."""
    return [line.removeprefix("    ") for line in why.splitlines()]


def test_the_cause_is_where_the_last_failure_is_told() -> None:
    molecule = (
        "\x1b[2m\u2502\x1b[0m TASK [Ask]\nok: [a]\n\x1b[2;31m\u2502\x1b[0m \x1b[31mfatal: [a]: FAILED! => \x1b[0m\n"
        "\u2502     msg: refused as wanted\n\u2502 TASK [Ask again]\n\u2502 fatal: [b]: FAILED! =>\n\u2502     stderr: |-\n\u2502 \n"
        "\u2502       AssertionError: it waited\n\u2502 PLAY RECAP\n"
    )
    said = ["TASK [Ask again]", "fatal: [b]: FAILED! =>", "stderr: |-", "AssertionError: it waited"]
    assert lines_of(cause(molecule))[-4:] == said
    several = "1\n2\n3\n4\n5\nE   assert 1 == 2\nE    + 1\n"
    assert lines_of(cause(several)) == ["2", "3", "4", "5", "E   assert 1 == 2", "E    + 1"]
    # What a playbook said, which has empty lines.
    told = "E   AssertionError: fatal" + "\nE\nE   msg: why" * 30
    assert lines_of(cause(f"def test():\n{told}\nassert 0\n"))[1:-1] == told.splitlines()
    assert cause("one\ntwo\nthree\n", count=2) == "    two\n    three"
    assert cause("") == ""


def test_what_comes_after_a_failure_is_left_out() -> None:
    failed = "fatal: [b]: FAILED! =>\n    msg: no\n"
    assert lines_of(cause(REFUSED + failed + DESTROYED))[-3:] == [
        "TASK [Ask again]",
        "fatal: [b]: FAILED! =>",
        "msg: no",
    ]
    # Molecule says it also where no play was over.
    cut = DESTROYED.split("failed=1\n")[1]
    assert lines_of(cause(REFUSED + failed + cut))[-1] == "msg: no"
    # When the hosts cannot be removed, that is the last failure.
    assert lines_of(cause(REFUSED + failed + DESTROYED + "fatal: [b]: FAILED! =>\n    msg: busy\n"))[-1] == "msg: busy"


def test_of_a_long_failure_the_task_and_what_was_said_stay() -> None:
    given, more = "    cmd: |-\n" + "      given\n" * 100, "    stdout: |-\n" + "      more\n" * 100
    script = f"fatal: [b]: FAILED! =>\n{given}    msg: non-zero return code\n    rc: 1\n    stderr: |-\n      no such file\n{more}"
    shown = lines_of(cause(REFUSED + script + DESTROYED))
    assert len(shown) == 80
    assert shown[3:6] == ["TASK [Ask again]", "fatal: [b]: FAILED! =>", "..."]
    assert shown[10:14] == ["msg: non-zero return code", "rc: 1", "stderr: |-", "no such file"]
    # What Python said at the end of what a script printed, which is a part of its task's failure.
    frames = "    stdout: |-\n" + "      at a line\n" * 100 + "      AssertionError: it waited\n"
    shown = lines_of(cause(REFUSED + f"fatal: [b]: FAILED! =>\n    msg: non-zero\n{frames}" + DESTROYED))
    assert shown[3:6] == ["TASK [Ask again]", "fatal: [b]: FAILED! =>", "..."]
    assert shown[-1] == "AssertionError: it waited"
    # Of a result in which nothing was said, the beginning.
    shown = lines_of(cause(REFUSED + f"fatal: [b]: FAILED! =>\n{given}"))
    assert (len(shown), shown[3:6]) == (80, ["TASK [Ask again]", "fatal: [b]: FAILED! =>", "cmd: |-"])


def test_a_task_is_named_also_where_ansible_shows_its_place_between() -> None:
    place = "[ERROR]: Task failed: no\nOrigin: a.yml:3:5\n1 ---\n2\n3 - name: Ask again\n  ^ column 3\n"
    shown = lines_of(cause(REFUSED + place + "fatal: [b]: FAILED! =>\n    msg: no\n" + DESTROYED))
    assert shown == ["TASK [Ask again]", *map(str.strip, place.splitlines()[2:]), "fatal: [b]: FAILED! =>", "msg: no"]
    # Not so where something else failed after Ansible.
    assert lines_of(cause(REFUSED + "PLAY RECAP\n1\n2\n3\n4\nE   no\n"))[0] == "1"


def test_of_a_failed_test_the_summary_does_not_hide_the_reason() -> None:
    pytest_said = "    def test():\n>       assert 1 == 2\nE       assert 1 == 2\n\nx.py:1: AssertionError\n"
    summary = (
        "--- Captured stdout call ---\none\ntwo\n=== short test summary info ===\nFAILED x.py::test - assert 1 == 2\n"
    )
    shown = lines_of(cause(pytest_said + summary))
    assert shown[:3] == ["def test():", ">       assert 1 == 2", "E       assert 1 == 2"]
    assert shown[-1] == "FAILED x.py::test - assert 1 == 2"


WITH_OTHERS = (
    "=== FAILURES ===\n___ test_bad ___\n>       assert 1 == 2\n\x1b[31mE       assert 1 == 2\x1b[0m\n\n"
    "--- Captured stdout ---\nlast words\n"
    "=== PASSES ===\n___ test_good ___\nfatal: [a]: FAILED! =>\n    msg: refused as wanted\n" + "good\n" * 100
)
SLOWEST = "=== slowest durations ===\n9.00s call tests/x.py::test_good\n"
NAMES = (
    "=== short test summary info ===\nFAILED tests/x.py::test_bad - assert 1 == 2\nERROR tests/y.py::test_worse - no\n"
)


def test_what_is_told_of_tests_that_went_well_is_no_part_of_the_cause() -> None:
    shown = lines_of(cause(WITH_OTHERS + SLOWEST + NAMES))
    assert shown[-3:] == NAMES.splitlines()
    assert shown[-5:-3] == ["--- Captured stdout ---", "last words"]
    assert "E       assert 1 == 2" in shown
    assert lines_of(cause(WITH_OTHERS))[-1] == "last words"


def test_in_short_the_failed_tests_are_named_and_the_first_lines_of_the_cause_are_told() -> None:
    shown = lines_of(brief(WITH_OTHERS + NAMES))
    assert shown[:2] == ["FAILED tests/x.py::test_bad", "ERROR tests/y.py::test_worse"]
    assert "E       assert 1 == 2" in shown
    shown = lines_of(brief(REFUSED + "fatal: [b]: FAILED! =>\n    msg: no\n" + "more\n" * 100))
    assert len(shown) == 12
    assert shown[3:6] == ["TASK [Ask again]", "fatal: [b]: FAILED! =>", "msg: no"]


def test_a_host_has_booted_when_systemd_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    said = ["", "offline\n", "starting\n", "degraded\n", "running\n"]
    monkeypatch.setattr(programs, "must", lambda *_: "")
    monkeypatch.setattr(programs, "podman", lambda *words: subprocess.CompletedProcess(words, 1, said.pop(0), ""))
    monkeypatch.setattr(time, "sleep", lambda _: None)
    start_host("upstairs-lab-alice")
    assert said == ["running\n"]


def test_a_second_run_is_refused_and_told_who_holds_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    second = (
        "from pathlib import Path; from bin.programs import only_one\n"
        f"with only_one(Path({str(lock)!r}), 'make lab'): print('in')"
    )
    with only_one(lock, "make lab"):
        done = subprocess.run([sys.executable, "-c", second], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode != 0
        assert "make lab is already running (process " in done.stderr
    done = subprocess.run([sys.executable, "-c", second], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "in\n"


def test_who_may_wait_holds_the_lock_for_as_long_as_the_block_runs(tmp_path: Path) -> None:
    path = tmp_path / "labs" / "lock"
    with one_at_a_time(path), path.open() as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
    with path.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_all_that_a_program_says_is_kept_with_how_it_ended() -> None:
    outcome = run("unit-test", [sys.executable, "-c", "import sys; print('out'); sys.exit('err')"])
    assert outcome.status == 1
    assert set(outcome.output.splitlines()) == {"out", "err"}
    assert (ROOT / ".cache/logs/unit-test.log").read_text() == outcome.output


@pytest.mark.parametrize("arguments", [["bin.lab"], ["bin.lab", "upp"], ["bin.suite", "chekc"]])
def test_an_unknown_verb_is_answered_with_the_known_ones(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "usage: python -m" in done.stderr


def test_a_run_that_is_terminated_takes_along_all_that_it_started(tmp_path: Path) -> None:
    started = tmp_path / "started"
    child = f"import pathlib, time, os; pathlib.Path({str(started)!r}).write_text(str(os.getpid())); time.sleep(60)"
    parent = (
        "import sys; from bin.programs import run, stop_on_signals\n"
        f"stop_on_signals(); run('unit-test-stop', ['sh', '-c', '\"$0\" -c \"$1\" & wait', sys.executable, {child!r}])"
    )
    with subprocess.Popen([sys.executable, "-c", parent], cwd=ROOT) as process:
        deadline = time.monotonic() + 20
        while not (started.exists() and started.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.terminate()
        assert process.wait(20) == 128 + signal.SIGTERM
    child_stat = Path(f"/proc/{started.read_text()}/stat")
    deadline = time.monotonic() + 20
    while child_stat.exists() and child_stat.read_text().split()[2] != "Z":
        assert time.monotonic() < deadline, "the grandchild lives on"
        time.sleep(0.05)
