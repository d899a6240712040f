# SPDX-License-Identifier: GPL-3.0-or-later
"""Promises about programs that are run."""

from __future__ import annotations

from plugins.module_utils.fleet.ports.commands import found, run


def test_there_is_no_shell_in_between() -> None:
    assert run(["echo", "$HOME;", "*"], 5).stdout == "$HOME; *\n"


def test_a_program_that_is_not_there_is_an_answer() -> None:
    answer = run(["no-such-program"], 5)
    assert (answer.rc, answer.output) == (None, "there is no program no-such-program")
    assert not found("no-such-program")


def test_a_program_that_does_not_end_is_ended() -> None:
    answer = run(["sh", "-c", "echo begun; exec sleep 60"], 0.3)
    assert answer.rc is None
    assert answer.output == "begun\n\nno answer within 0.3 s".replace("\n\n", "\n")


def test_the_environment_is_added_to_and_in_plain_english() -> None:
    answer = run(["sh", "-c", 'echo "$A $LC_ALL"; read x || echo closed'], 5, {"A": "b"})
    assert answer.stdout == "b C.UTF-8\nclosed\n"
