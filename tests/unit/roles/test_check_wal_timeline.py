# SPDX-License-Identifier: GPL-3.0-or-later
"""A replica asks the archive for no segment of a timeline that had ended in it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[3] / "roles/postgres/files/usr/local/libexec/check-wal-timeline"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory that knows timeline 9: 8 ended in segment 24, 7 exactly at the end of segment 21 of another log, 10 is 0x0A."""
    (tmp_path / "pg_wal").mkdir()
    histories = {
        "00000008": "7\t2/22000000\tno recovery target specified\n",
        "00000009": "7\t2/22000000\tno recovery target specified\n\n8\t3/24172700\tno recovery target specified\n",
    }
    for name, text in histories.items():
        (tmp_path / "pg_wal" / f"{name}.history").write_text(text)
    return tmp_path


def asked(data: Path, name: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", PROGRAM, name], cwd=data, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "name",
    [
        "000000080000000300000023",  # before the one in which it ended
        "0000000800000002000000FF",
        "000000070000000200000021",  # ended exactly behind it
        "000000090000000300000024",  # the newest timeline's own
        "000000090000000400000000",
        "0000000A0000000300000024",  # of one that this directory does not know yet
        "0000000A.history",
        "000000080000000300000024.partial",
        "000000080000000300000023.00000028.backup",
    ],
)
def test_what_is_on_the_way_to_the_newest_timeline_is_fetched(data: Path, name: str) -> None:
    done = asked(data, name)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "name",
    [
        "000000080000000300000024",  # it ended in this one
        "000000080000000300000025",
        "000000080000000A00000000",
        "000000070000000200000022",  # ended exactly before it
    ],
)
def test_what_a_timeline_wrote_after_its_end_is_not(data: Path, name: str) -> None:
    done = asked(data, name)
    assert done.returncode == 1
    assert f"{name}: its timeline ended at" in done.stderr


def test_without_a_history_everything_is_fetched(tmp_path: Path) -> None:
    (tmp_path / "pg_wal").mkdir()
    assert asked(tmp_path, "000000010000000000000001").returncode == 0


def test_an_abandoned_timeline_does_not_count(data: Path) -> None:
    # Timeline 10 left 8 later than the abandoned 9 did.
    (data / "pg_wal" / "0000000A.history").write_text("8\t3/30000000\tno recovery target specified\n")
    assert asked(data, "000000080000000300000025").returncode == 0
    assert asked(data, "000000080000000300000030").returncode == 1


def test_a_place_early_in_a_log_is_read_too(data: Path) -> None:
    (data / "pg_wal" / "0000000A.history").write_text("9\tA/1F00\tno recovery target specified\n")
    assert asked(data, "000000090000000A00000000").returncode == 1
    assert asked(data, "0000000900000009000000FF").returncode == 0
