# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's programs complained of outlives the host."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bin import journals


def test_what_running_hosts_complained_of_is_kept_and_nobody_elses_file_is_touched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = {"upstairs-test-redis-1": "Failed to start\n", "upstairs-test-redis-2": ""}
    asked = list[tuple[str, ...]]()

    def listed(*arguments: str) -> list[str]:
        asked.append(arguments)
        return [*said]

    def podman(_exec: str, container: str, *_command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], 0, said[container], "")

    logs = tmp_path / "logs"
    monkeypatch.setattr(journals, "LOGS", logs)
    monkeypatch.setattr(journals, "listed", listed)
    monkeypatch.setattr(journals, "podman", podman)
    journals.keep("test", "redis")
    kept = logs / "journal-redis-redis-1.log"
    assert journals.journals("redis") == [kept]
    assert kept.read_text() == "Failed to start\n"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert {"label=upstairs.lab=test", "label=upstairs.scenario=redis"} <= set(asked[0])

    # As when Molecule has removed them and they are removed once more.
    said.clear()
    journals.keep("test", "redis")
    assert kept.read_text() == "Failed to start\n"
