# SPDX-License-Identifier: GPL-3.0-or-later
"""Promises of listening_sockets as a task sees it, on the tables of a made-up host."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plugins.modules import listening_sockets
from tests.unit.modules.conftest import Call

Run = Callable[..., dict[str, Any]]
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def write(root: Path, table: str, *lines: str) -> None:
    place = root / "proc/net" / table
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(HEAD + "".join(f"   0: {line} 00000000:00000000\n" for line in lines))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host with SSH, a Redis that only it reaches, a name server, and somebody who asks one."""
    write(tmp_path, "tcp", "00000000:0016 00000000:0000 0A", "0100007F:18EB 00000000:0000 0A")
    write(tmp_path, "udp", "0B012C0A:0035 00000000:0000 07", "00000000:9C40 00000000:0000 07")
    local = tmp_path / "proc/sys/net/ipv4"
    local.mkdir(parents=True)
    (local / "ip_local_port_range").write_text("32768\t60999\n")
    return tmp_path


@pytest.fixture
def run(call: Call, root: Path) -> Run:
    return lambda **params: call(listening_sockets, {"root": str(root), **params})


def test_it_tells_where_others_reach_somebody(run: Run) -> None:
    told = run()
    assert told["sockets"] == ["0.0.0.0:22", "udp/10.44.1.11:53"]
    assert not told["changed"]


def test_what_it_told_is_what_it_expects(run: Run) -> None:
    assert "failed" not in run(expected=run()["sockets"])


def test_it_fails_and_names_what_is_missing_and_what_is_new(run: Run, root: Path) -> None:
    before = run()["sockets"]
    write(root, "tcp", "00000000:1F90 00000000:0000 0A")
    write(root, "tcp6", "00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A")
    told = run(expected=before)
    assert told["failed"]
    assert (told["missing"], told["extra"]) == (["0.0.0.0:22"], ["[::]:443", "0.0.0.0:8080"])
    assert "nobody listens any more on 0.0.0.0:22" in told["msg"]
    assert "failed" not in run(expected=before, ignored=["*:22", "*:443", "*:8080"])


def test_nothing_expected_is_something(run: Run) -> None:
    assert run(expected=[])["extra"] == ["0.0.0.0:22", "udp/10.44.1.11:53"]


def test_it_gives_them_time(run: Run, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = run()["sockets"]
    write(root, "tcp")
    monkeypatch.setattr("time.sleep", lambda _: write(root, "tcp", "00000000:0016 00000000:0000 0A"))
    assert "failed" not in run(expected=before, within=30)
    write(root, "tcp")
    assert run(expected=before)["failed"]


@pytest.mark.parametrize("lost", ["proc/net/tcp", "proc/net/udp", "proc/sys/net/ipv4/ip_local_port_range"])
def test_a_host_that_cannot_be_read_is_no_host_that_is_silent(run: Run, root: Path, lost: str) -> None:
    (root / lost).unlink()
    told = run(expected=[])
    assert told["failed"]
    assert "Nobody knows" in told["msg"]
