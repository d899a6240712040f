# SPDX-License-Identifier: GPL-3.0-or-later
"""Promises of kernel_metrics as a task sees it."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plugins.modules import kernel_metrics
from tests.unit.modules.conftest import Call

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(call: Call, tmp_path: Path) -> Run:
    def run(check: bool = False, **params: Any) -> dict[str, Any]:
        given = {"metrics": f"{tmp_path}/upstairs-kernel.prom", **params, "_ansible_check_mode": check}
        return call(kernel_metrics, given)

    return run


def test_it_is_written_for_everybody_to_read_and_again_only_if_something_is_new(run: Run, tmp_path: Path) -> None:
    told = run(state="pending", result="failed")
    assert told["changed"]
    [file] = tmp_path.iterdir()
    assert file.read_text() == told["diff"]["after"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert not run(state="pending")["changed"]
    assert run(state="current")["changed"]


def test_check_mode_writes_nothing(run: Run, tmp_path: Path) -> None:
    assert run(check=True, state="pending")["changed"]
    assert list(tmp_path.iterdir()) == []


def test_where_nobody_collects_metrics_is_said(run: Run, tmp_path: Path) -> None:
    told = run(state="current", metrics=f"{tmp_path}/missing/kernel.prom")
    assert "nobody collects metrics here" in told["msg"]
