# SPDX-License-Identifier: GPL-3.0-or-later
"""Promises of the records on a witness: as etcd's, by real processes that are at it together or are killed in the middle."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from plugins.module_utils.fleet.ports.witness import Witness
from plugins.module_utils.fleet.store import Record, Unanswered, Unclear
from tests.children import let_go, start

KEY = "/upstairs/lock"

# Counts up, by compare-and-swap, as often as it is told to; whoever was quicker makes it look again.
COUNT = """
import sys
from plugins.module_utils.fleet.ports.witness import Witness
place, left = Witness(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
while left:
    seen = place.read("/count")
    left -= place.swap("/count", seen.revision, str(int(seen.text or 0) + 1))
"""

# Stores or removes, and dies at its n-th call of the system, by a signal that nobody can handle.
DIE = """
import os, signal, sys
from plugins.module_utils.fleet.ports import witness
place, at, text = witness.Witness(sys.argv[1]), int(sys.argv[2]), sys.argv[3] or None
calls = 0
def dying(what):
    def call(*given, **named):
        global calls
        calls += 1
        if calls == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return what(*given, **named)
    return call
class Killed:
    def __getattr__(self, name):
        there = getattr(os, name)
        return dying(there) if name in ("open", "fdopen", "fsync", "rename", "unlink", "close", "scandir") else there
seen = place.read("/key")
witness.os = Killed()
assert place.swap("/key", seen.revision, text)
print(calls)
"""


@pytest.fixture
def place(tmp_path: Path) -> Witness:
    directory = tmp_path / "upstairs"
    directory.mkdir(mode=0o700)
    return Witness(str(directory), patience=0.2)


def test_what_is_stored_is_read_again_and_removed_by_who_saw_it(place: Witness) -> None:
    assert place.read(KEY) == Record("", 0)
    assert place.swap(KEY, 0, '{"a": "ä@/."}')
    seen = place.read(KEY)
    assert seen == Record('{"a": "ä@/."}', 1)
    assert not place.swap(KEY, 0, "another's")
    assert not place.swap(KEY, 7, None)
    assert place.read(KEY) == seen
    assert place.swap(KEY, 1, None)
    assert place.read(KEY) == Record("", 0)


def test_a_revision_is_never_used_twice_also_not_by_another_key_and_not_after_a_removal(place: Witness) -> None:
    assert place.swap(KEY, 0, "one")
    assert place.swap("/other", 0, "two")
    assert place.swap(KEY, 1, None)
    assert place.swap(KEY, 0, "three")
    assert place.read(KEY).revision == 4
    assert not place.swap(KEY, 1, "by who saw the first")
    assert place.read("/other").revision == 2


def test_the_last_change_counts_also_when_it_was_a_removal(place: Witness) -> None:
    assert place.swap(KEY, 0, "one")
    assert place.swap(KEY, 1, None)
    assert place.swap("/other", 0, "three")
    assert place.swap("/other", 3, None)
    assert place.swap(KEY, 0, "five")
    assert place.read(KEY).revision == 5


def test_what_is_not_there_can_be_removed_as_in_etcd(place: Witness) -> None:
    assert place.swap(KEY, 0, None)
    assert list(Path(place.directory).iterdir()) == []


def test_keys_are_found_by_how_they_begin(place: Witness) -> None:
    for key in ("/ledger/roll/alice", "/ledger/roll/dot", "/ledger/rolls/x", "/lock"):
        assert place.swap(key, 0, key)
    assert list(place.read_all("/ledger/roll/")) == ["/ledger/roll/alice", "/ledger/roll/dot"]
    assert len(place.read_all("/ledger/")) == 3


def test_root_alone_reads_it(place: Witness) -> None:
    before = os.umask(0)
    try:
        assert place.swap(KEY, 0, "text")
    finally:
        os.umask(before)
    [file] = Path(place.directory).iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o750, 0o701, 0o770])
def test_a_directory_that_others_reach_is_believed_by_nobody(place: Witness, mode: int) -> None:
    Path(place.directory).chmod(mode)
    with pytest.raises(Unanswered, match="whoever else reaches it"):
        place.read(KEY)


def test_a_directory_that_is_not_there_is_not_empty(place: Witness) -> None:
    Path(place.directory).rmdir()
    with pytest.raises(Unanswered, match="No such file"):
        place.read(KEY)
    with pytest.raises(Unanswered):
        place.swap(KEY, 0, "text")


def test_a_link_to_a_directory_is_not_followed(place: Witness, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(place.directory)
    with pytest.raises(Unanswered):
        Witness(str(tmp_path / "link")).read(KEY)


def test_a_record_that_cannot_be_read_is_one_all_the_same(place: Witness) -> None:
    assert place.swap(KEY, 0, "text")
    [file] = Path(place.directory).iterdir()
    file.write_bytes(b"\xff\x00 half of a rec")
    assert place.read(KEY).revision == 1
    assert not place.swap(KEY, 0, "mine")
    assert place.swap(KEY, 1, None)


def test_whatever_else_lies_there_is_no_record(place: Witness) -> None:
    for name in (".new", "README", "%2Fupstairs%2Flock@", "%2Fupstairs%2Flock@x", "%2Fupstairs%2Flock@0", "@3"):
        (Path(place.directory) / name).write_text("{}")
    assert place.read_all("") == {}
    assert place.swap(KEY, 0, "text")
    assert place.read_all("") == {KEY: Record("text", 1)}


def test_who_waits_in_vain_says_so_and_changes_nothing(place: Witness) -> None:
    held = os.open(place.directory, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises(Unanswered, match=r"another process of this host has been at .* for 0.2 s"):
        place.swap(KEY, 0, "text")
    os.close(held)
    assert place.read(KEY) == Record("", 0)


def test_readers_do_not_wait_for_each_other(place: Witness) -> None:
    held = os.open(place.directory, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_SH)
    assert place.read(KEY) == Record("", 0)
    os.close(held)


def test_a_full_disk_is_no_race_and_leaves_what_there_was(place: Witness, monkeypatch: pytest.MonkeyPatch) -> None:
    assert place.swap(KEY, 0, "old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unanswered, match="No space left") as caught:
        place.swap(KEY, 1, "new")
    assert not isinstance(caught.value, Unclear)
    assert place.read(KEY) == Record("old", 1)


def test_a_change_that_may_not_be_on_the_disk_is_unclear(place: Witness, monkeypatch: pytest.MonkeyPatch) -> None:
    really: Callable[[int], None] = os.fsync

    def failing(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(5, "Input/output error")
        really(descriptor)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(Unclear, match="may not be on the disk"):
        place.swap(KEY, 0, "text")
    assert place.read(KEY) == Record("text", 1)


def test_processes_that_are_at_it_together_lose_nothing(place: Witness) -> None:
    each, children = 40, [start(COUNT, place.directory, "40") for _ in range(4)]
    let_go(children)
    for child in children:
        child.communicate(timeout=120)
        assert child.returncode == 0
    assert place.read("/count") == Record(str(4 * each), 4 * each)


@pytest.mark.parametrize("text", ["new" * 1000, ""], ids=["store", "remove"])
def test_killed_anywhere_in_a_change_there_is_the_old_record_or_the_new_one(tmp_path: Path, text: str) -> None:
    outcomes, at, over = set(), 0, False
    while not over:
        at += 1
        directory = tmp_path / str(at)
        directory.mkdir(mode=0o700)
        place = Witness(str(directory), patience=0.2)
        assert place.swap("/key", 0, "old" * 1000)
        child = start(DIE, str(directory), str(at), text)
        said, _ = child.communicate(timeout=60)
        over = child.returncode == 0
        assert over or child.returncode == -signal.SIGKILL, said
        now = place.read("/key")
        assert now in (Record("old" * 1000, 1), Record(text, 2 if text else 0))
        outcomes.add(now)
        # The next one goes on from what there is, and what lay about is in nobody's way.
        assert place.swap("/key", now.revision, "next")
        assert place.read("/key").text == "next"
        assert not [file.name for file in directory.iterdir() if file.name == ".new"]
        assert len(list(directory.iterdir())) == 1
    assert at > 5
    assert len(outcomes) == 2
