# SPDX-License-Identifier: GPL-3.0-or-later
"""Promises about files on a real disk."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from plugins.module_utils.fleet.files import Change, Observed, Tree, Wanted
from plugins.module_utils.fleet.ports import disk

ME, MINE = os.geteuid(), os.getegid()


def wanted(path: Path, content: bytes = b"new\n", mode: int = 0o640, **more: object) -> Wanted:
    return Wanted(str(path), "file", content, uid=ME, gid=MINE, mode=mode, **more)  # type: ignore[arg-type]


def writing(item: Wanted, before: Observed | None = None) -> Change:
    return Change("write", item, before or Observed())


def put(change: Change) -> None:
    with disk.Stage() as stage:
        stage.put(change)
        stage.install(change)


def test_a_path_is_seen_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "file").chmod(0o4711)
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    seen = {name: disk.observe(wanted(tmp_path / name)) for name in ("file", "link", "pipe", "nothing", "file/below")}
    assert {name: found.kind for name, found in seen.items()} == {
        "file": "file",
        "link": "link",
        "pipe": "other",
        "nothing": "missing",
        "file/below": "missing",
    }
    assert (seen["file"].content, seen["file"].mode, seen["file"].uid) == (b"x", 0o4711, ME)
    assert seen["link"].target == "file"


def test_a_file_comes_into_place_whole_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    put(writing(wanted(path, mode=0o4750)))
    assert path.read_bytes() == b"new\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o4750
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_in_the_way_is_replaced_and_its_target_untouched(tmp_path: Path) -> None:
    target, path = tmp_path / "passwd", tmp_path / "a.conf"
    target.write_bytes(b"precious")
    path.symlink_to(target)
    put(writing(wanted(path), Observed("link", target=str(target))))
    assert not path.is_symlink()
    assert target.read_bytes() == b"precious"


def test_a_mode_is_never_set_through_a_link(tmp_path: Path) -> None:
    target, path = tmp_path / "passwd", tmp_path / "a.conf"
    target.write_bytes(b"precious")
    target.chmod(0o600)
    path.symlink_to(target)
    with pytest.raises(OSError, match="symbolic links"):
        disk.Stage().install(Change("adjust", wanted(path, mode=0o666), Observed("file")))
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_file_waits_where_no_include_glob_finds_it(tmp_path: Path) -> None:
    with disk.Stage() as stage:
        stage.put(writing(wanted(tmp_path / "a.conf")))
        staged = stage.staged[str(tmp_path / "a.conf")]
        assert staged.name == "a.conf"
        assert staged.stat().st_dev == tmp_path.stat().st_dev
        assert not list(tmp_path.glob("*.conf"))
        assert all(path.name.startswith(".") for path in tmp_path.iterdir())
    assert not list(tmp_path.iterdir())


def test_a_file_for_a_directory_that_is_still_to_come_waits_above_it(tmp_path: Path) -> None:
    with disk.Stage() as stage:
        stage.put(writing(wanted(tmp_path / "new" / "er" / "a.conf")))
        assert stage.staged[str(tmp_path / "new/er/a.conf")].is_relative_to(tmp_path)
        assert not (tmp_path / "new").exists()


def test_what_waits_is_removed_also_after_a_failure(tmp_path: Path) -> None:
    def fail() -> None:
        with disk.Stage() as stage:
            stage.put(writing(wanted(tmp_path / "a.conf", mode=0o000)))
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        fail()
    assert not list(tmp_path.iterdir())


def test_elsewhere_nothing_appears_beside_the_destination(tmp_path: Path) -> None:
    with disk.Stage(elsewhere=True) as stage:
        stage.put(writing(wanted(tmp_path / "a.conf")))
        assert not list(tmp_path.iterdir())
        places = list(stage.places.values())
    assert not any(place.exists() for place in places)


def test_only_old_leavings_of_a_killed_run_are_swept(tmp_path: Path) -> None:
    old, young = tmp_path / ".config_files-old", tmp_path / ".config_files-young"
    for path in (old, young):
        path.mkdir()
        (path / "secret").write_bytes(b"x")
    os.utime(old, (time.time() - 7200,) * 2)
    put(writing(wanted(tmp_path / "a.conf")))
    assert {path.name for path in tmp_path.iterdir()} == {young.name, "a.conf"}


def test_a_full_directory_is_replaced_only_on_demand(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.mkdir()
    (path / "kept").write_bytes(b"x")
    with pytest.raises(OSError, match="not empty"):
        put(writing(wanted(path), Observed("directory")))
    assert (path / "kept").read_bytes() == b"x"
    put(writing(wanted(path, recursive=True), Observed("directory")))
    assert path.read_bytes() == b"new\n"
    assert list(tmp_path.iterdir()) == [path]


def test_removing_a_link_to_a_directory_removes_the_link(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/x").write_bytes(b"x")
    (tmp_path / "l").symlink_to("d")
    gone = Wanted(str(tmp_path / "l"), "absent", recursive=True)
    disk.Stage().install(Change("remove", gone, disk.observe(gone)))
    assert {path.name for path in tmp_path.iterdir()} == {"d"}
    assert (tmp_path / "d/x").exists()


def test_a_reader_judges_the_staged_file_and_speaks_of_the_real_one(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    reader = ("sh", "-c", 'cat "$1"; echo "$1: line 2: bad word" >&2; exit 3', "sh", "%s")
    change = writing(wanted(path, b"good\nbda\n", validate=reader))
    with disk.Stage() as stage:
        stage.put(change)
        told = stage.judge(change, [])
    assert told is not None
    assert (told.path, told.line, told.text) == (str(path), 2, "bda")
    assert told.output == f"(exit 3) good\nbda\n{path}: line 2: bad word"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a tree with a file, a full-path link into itself, something to go and something that nobody may read."""
    root = tmp_path / "etc"
    (root / "conf.d").mkdir(parents=True)
    (root / "main").write_text("old main")
    (root / "conf.d/gone").write_text("gone")
    (root / "closed").mkdir(mode=0o000)
    (root / "by-full-path").symlink_to(root / "main")
    (root / "outside").symlink_to("/etc/hostname")
    return root


def test_a_tree_is_judged_as_it_will_be(tree: Path) -> None:
    gone = Wanted(str(tree / "conf.d/gone"), "absent")
    changes = [
        Change("make", Wanted(str(tree / "new"), "directory"), Observed()),
        writing(wanted(tree / "main", b"new main"), Observed("file")),
        writing(wanted(tree / "new/file", b"1")),
        Change("link", Wanted(str(tree / "to-new"), "link", target=str(tree / "new/file")), Observed()),
        Change("remove", gone, Observed("file")),
    ]
    script = 'cd "$1" && find . | sort && cat main by-full-path to-new && readlink outside && stat -c %a . && exit 9'
    with disk.Stage() as stage:
        told = stage.judge_tree(Tree(str(tree), ("sh", "-c", script, "sh", "%s")), changes, [])
        places = list(stage.trees)
    assert told is not None
    assert told.output.split() == [
        *(
            "(exit",
            "9)",
            ".",
            "./by-full-path",
            "./closed",
            "./conf.d",
            "./main",
            "./new",
            "./new/file",
            "./outside",
            "./to-new",
        ),
        *("new", "mainnew", "main1/etc/hostname", "700"),
    ]
    assert not any(place.exists() for place in places)
    assert (tree / "main").read_text() == "old main"
    assert (tree / "conf.d/gone").exists()


def test_a_tree_that_is_not_there_yet_is_judged_all_the_same(tmp_path: Path) -> None:
    change = writing(wanted(tmp_path / "etc/main"))
    with disk.Stage() as stage:
        assert stage.judge_tree(Tree(str(tmp_path / "etc"), ("cat", "%s/main")), [change], []) is None


def test_a_copy_with_closed_directories_leaves_nothing(tree: Path) -> None:
    copy = tree.parent / "copy"
    disk.copy_tree(tree, copy)
    (copy / "closed").chmod(0o000)
    disk.remove_tree(copy)
    assert not copy.exists()
