# SPDX-License-Identifier: GPL-3.0-or-later
"""What a story broke is mended, whatever else cannot be."""

from __future__ import annotations

import subprocess

import pytest

from tests.rehearsals.faults import Faults
from tests.visitors import Site


def test_one_that_cannot_be_mended_does_not_keep_the_others() -> None:
    faults, mended = Faults(Site("test")), list[str]()
    broken = [True]

    def stuck() -> None:
        assert not broken, "it does not boot"
        mended.append("stuck")

    faults.also("first", lambda: mended.append("first"))
    faults.also("stuck", stuck)
    faults.also("last", lambda: mended.append("last"))
    with pytest.raises(ExceptionGroup, match="not everything is mended") as raised:
        faults.mend()
    assert mended == ["last", "first"]
    (error,) = raised.value.exceptions
    assert "it does not boot" in str(error)
    assert error.__notes__ == ["while mending: stuck"]

    broken.clear()
    faults.mend()
    assert mended == ["last", "first", "stuck"], "it is tried again, and the others are not"
    faults.mend()
    assert len(mended) == 3


@pytest.mark.parametrize(("said", "found"), [(["", "", "yes"], "yes"), (["yes", "no"], "yes"), ([""] * 3, "")])
def test_a_question_without_an_answer_is_asked_again_but_not_for_ever(
    said: list[str], found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        Faults, "on", lambda self, host, *words, stdin="": subprocess.CompletedProcess(words, 0, said.pop(0), "")
    )
    assert Faults(Site("test")).asked("alice", "date").stdout == found
    said[:] = [""]
    monkeypatch.setattr(
        Faults, "on", lambda self, host, *words, stdin="": subprocess.CompletedProcess(words, 1, said.pop(0), "")
    )
    assert Faults(Site("test")).asked("alice", "date").returncode == 1, "what failed has answered"


def test_only_what_is_named_is_mended_and_a_wrong_name_is_no_success() -> None:
    faults, mended = Faults(Site("test")), list[str]()
    faults.also("a", lambda: mended.append("a"))
    faults.also("b", lambda: mended.append("b"))
    faults.mend("a")
    assert mended == ["a"]
    with pytest.raises(ExceptionGroup):
        faults.mend("a")
