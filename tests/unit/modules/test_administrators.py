# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module administrators reads from a host."""

from __future__ import annotations

from pathlib import Path

from plugins.modules.administrators import closed_accounts, comes_from

SHADOW = """\
root:*:20000:0:99999:7:::
ada:*:20000:0:99999:7:::
bob:!:20000:0:99999:7::1:
kris:*:20000:0:99999:7::30000:
broken:*
"""


def process(proc: Path, number: int, parent: int, **environment: str) -> None:
    (proc / str(number)).mkdir()
    text = "\0".join(f"{name}={value}" for name, value in environment.items())
    (proc / str(number) / "environ").write_text(text + "\0")
    (proc / str(number) / "stat").write_text(f"{number} (a (name) 7) S {parent} 1 1")


def test_an_account_is_closed_once_its_day_is_over() -> None:
    assert closed_accounts(SHADOW, today=20500) == {"bob"}
    assert closed_accounts(SHADOW, today=30000) == {"bob", "kris"}


def test_the_session_is_found_above_sudo(tmp_path: Path) -> None:
    process(tmp_path, 30, parent=20)
    process(tmp_path, 20, parent=10, HOME="/root")
    process(tmp_path, 10, parent=1, SSH_CONNECTION="192.0.2.7 50000 192.0.2.1 22")
    assert comes_from(30, tmp_path) == "192.0.2.7"


def test_without_a_session_nobody_comes_from_anywhere(tmp_path: Path) -> None:
    process(tmp_path, 30, parent=1)
    assert comes_from(30, tmp_path) is None
    assert comes_from(31, tmp_path) is None
