# SPDX-License-Identifier: GPL-3.0-or-later
"""Promises of config_files on the host, from the packed argument to the files."""

from __future__ import annotations

import grp
import json
import os
import pwd
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule

from plugins.action.config_files import pack, wire
from plugins.module_utils.fleet.ports import disk
from plugins.modules import config_files
from tests.unit.modules.conftest import Call

Run = Callable[..., dict[str, Any]]
REFUSES = ["sh", "-c", 'cat "$1"; echo "$1: line 1: bad" >&2; exit 1', "sh", "%s"]


@pytest.fixture
def run(call: Call, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs the module on entries as a task writes them."""
    warnings: list[str] = []
    # On a host a warning is a part of the result; in the controller's process, as here, it would be printed.
    monkeypatch.setattr(AnsibleModule, "warn", lambda _, warning: warnings.append(warning))
    me = {"owner": pwd.getpwuid(os.geteuid()).pw_name, "group": grp.getgrgid(os.getegid()).gr_name}

    def run(*entries: dict[str, Any], trees: list[dict[str, Any]] | None = None, check: bool = False) -> dict[str, Any]:
        files = [wire({**me, **entry}, entry.get("content", "")) for entry in entries]
        args = {"payload": pack(files, trees or []), "_ansible_check_mode": check, "_ansible_diff": True}
        told = call(config_files, args)
        told["warnings"] = warnings.copy()
        warnings.clear()
        return told

    return run


def seen(root: Path) -> dict[str, str]:
    """Return all that is below a directory, with modes and contents."""
    return {
        str(path.relative_to(root)): f"{stat.S_IMODE(path.lstat().st_mode):04o} "
        + (f"-> {path.readlink()}" if path.is_symlink() else path.read_text() if path.is_file() else "directory")
        for path in sorted(root.rglob("*"))
    }


def entries(root: Path) -> list[dict[str, Any]]:
    """Return one entry of each kind."""
    (root / "old").mkdir(exist_ok=True)
    return [
        {"path": f"{root}/etc/app.conf", "content": "port 1\n", "mode": "0640"},
        {"path": f"{root}/etc", "directory": True, "mode": "0750"},
        {"path": f"{root}/etc/link", "link": "app.conf"},
        {"path": f"{root}/old", "absent": True},
        {"path": f"{root}/etc/key", "content": "sesame-open", "secret": True, "mode": "0600"},
    ]


def test_everything_is_made_and_the_second_run_changes_nothing(run: Run, tmp_path: Path) -> None:
    asked = entries(tmp_path)
    first = run(*asked)
    assert [Path(path).name for path in first["changed_files"]] == ["etc", "app.conf", "link", "key", "old"]
    assert seen(tmp_path) == {
        "etc": "0750 directory",
        "etc/app.conf": "0640 port 1\n",
        "etc/key": "0600 sesame-open",
        "etc/link": "0777 -> app.conf",
    }
    second = run(*[entry for entry in asked if "absent" not in entry])
    assert (second["changed"], second["changed_files"], second["diff"]) == (False, [], [])


def test_check_mode_plans_the_same_and_writes_nothing(run: Run, tmp_path: Path) -> None:
    asked = entries(tmp_path)
    before = (seen(tmp_path), tmp_path.stat().st_mtime_ns)
    planned = run(*asked, check=True)
    assert (seen(tmp_path), tmp_path.stat().st_mtime_ns) == before
    done = run(*asked)
    assert (planned["plan"], planned["diff"]) == (done["plan"], done["diff"])


def test_one_refused_file_and_none_is_written(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    before = seen(tmp_path)
    told = run(
        {"path": f"{tmp_path}/new", "directory": True},
        {"path": f"{tmp_path}/a", "content": "fine", "validate": ["true", "%s"]},
        {"path": f"{tmp_path}/b", "content": "broken\n", "validate": REFUSES},
        {"path": f"{tmp_path}/c", "link": "a"},
    )
    assert told["failed"]
    assert seen(tmp_path) == before
    assert told["msg"].startswith(f"Nothing was written. {tmp_path}/b would be invalid (line 1: broken): `sh -c ")
    assert told["msg"].endswith(f"said: (exit 1) broken\n{tmp_path}/b: line 1: bad")
    assert [(refused["path"], refused["line"]) for refused in told["refused"]] == [(f"{tmp_path}/b", 1)]


def test_a_refused_tree_and_none_is_written(run: Run, tmp_path: Path) -> None:
    tree = tmp_path / "etc"
    tree.mkdir()
    (tree / "main").write_text("include part")
    asked = {"path": f"{tree}/part", "content": "broken\n"}
    told = run(asked, trees=[{"tree": str(tree), "command": ["sh", "-c", "! grep -Hn broken $0/part", "%s"]}])
    assert told["failed"]
    assert seen(tmp_path) == {"etc": "0755 directory", "etc/main": "0644 include part"}
    assert f"{tree}/part:1:broken" in told["msg"]
    assert (told["refused"][0]["path"], told["refused"][0]["line"]) == (f"{tree}/part", 1)


def test_a_tree_is_not_judged_when_nothing_in_it_changes(run: Run, tmp_path: Path) -> None:
    never = [{"tree": f"{tmp_path}/other", "command": ["false", "%s"]}]
    assert run({"path": f"{tmp_path}/a", "content": "x"}, trees=never)["changed"]


def test_a_secret_is_in_no_result_whatever_happens(run: Run, tmp_path: Path) -> None:
    secret = {"path": f"{tmp_path}/key", "content": "user sesame-open\n", "secret": True}
    (tmp_path / "key").write_text("user sesame-old")
    results = [
        run({**secret, "validate": REFUSES}),
        run({**secret, "validate": REFUSES}, check=True),
        run(secret, trees=[{"tree": str(tmp_path), "command": ["sh", "-c", "cat $0/key; exit 1", "%s"]}]),
        run({**secret, "owner": "nobody-here"}),
        run(secret, check=True),
        run(secret),
        run({"path": f"{tmp_path}/key", "absent": True}),
    ]
    assert [bool(told.get("failed")) for told in results] == [True, False, True, True, False, False, False]
    assert not any("sesame" in json.dumps(told) for told in results)


def test_no_content_is_repeated_as_an_argument(run: Run, tmp_path: Path) -> None:
    told = run({"path": f"{tmp_path}/a", "content": "word"})
    assert told["invocation"] == {"module_args": {"payload": "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"}}


def test_what_is_missing_stops_a_real_run_and_is_a_warning_in_check_mode(run: Run, tmp_path: Path) -> None:
    asked = {
        "path": f"{tmp_path}/no/such/a",
        "content": "x",
        "owner": "nobody-here",
        "group": "nobody-here",
        "validate": ["no-such-reader", "%s"],
    }
    real = run(asked)
    assert real["failed"]
    assert not list(tmp_path.iterdir())
    checked = run(asked, check=True)
    assert checked["changed"]
    for words in (
        "no user nobody-here",
        "no group nobody-here",
        "no-such-reader is not installed",
        f"{tmp_path}/no/such does not exist",
    ):
        assert words in real["msg"]
        assert any(words in missing for missing in checked["missing"])
        assert words in str(checked["warnings"])


def test_what_a_reader_refuses_in_check_mode_is_a_warning(run: Run, tmp_path: Path) -> None:
    told = run({"path": f"{tmp_path}/a", "content": "x", "validate": REFUSES}, check=True)
    assert told["changed"]
    assert "would be invalid" in str(told["warnings"])
    assert told["refused"][0]["line"] == 1


def test_a_reader_is_asked_only_about_what_changes(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    (tmp_path / "a").chmod(0o600)
    told = run({"path": f"{tmp_path}/a", "content": "x", "validate": REFUSES})
    assert told["plan"] == [f"{tmp_path}/a: mode 0600 -> 0644"]
    assert seen(tmp_path) == {"a": "0644 x"}


def test_a_run_that_breaks_off_says_what_is_in_place_and_the_next_one_finishes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [{"path": f"{tmp_path}/{name}", "content": name} for name in "abc"]
    whole = disk.Stage.install

    def breaks(stage: disk.Stage, change: Any) -> None:
        if change.path.endswith("b"):
            raise OSError(28, "No space left on device")
        whole(stage, change)

    with monkeypatch.context() as broken:
        broken.setattr(disk.Stage, "install", breaks)
        told = run(*asked)
    assert told["failed"]
    assert "No space left on device" in told["msg"]
    assert [line.split(":")[0] for line in told["in_place"]] == [f"{tmp_path}/a"]
    assert seen(tmp_path) == {"a": "0644 a"}
    assert run(*asked)["changed_files"] == [f"{tmp_path}/b", f"{tmp_path}/c"]
    assert seen(tmp_path) == {name: f"0644 {name}" for name in "abc"}


def test_bytes_that_are_no_text_arrive_unharmed(run: Run, tmp_path: Path) -> None:
    content = bytes(range(256))
    run({"path": f"{tmp_path}/a", "content": content.decode("utf-8", "surrogateescape")})
    assert (tmp_path / "a").read_bytes() == content
