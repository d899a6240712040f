# SPDX-License-Identifier: GPL-3.0-or-later
"""A module that an earlier run has packed is sent again only if it would be packed the same way now."""

from __future__ import annotations

import base64
import io
import os
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from plugins.callback.built_once import OWN, WEEK, Roots, key, known, lend

FILES = {"ansible/legacy/split.py": "import fleet\n", "ansible/module_utils/fleet/names.py": "NAMES = 1\n"}


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    for name, content in FILES.items():
        path = tmp_path / "plugins" / name
        path.parent.mkdir(parents=True)
        path.write_text(content)
    places = ("ansible/legacy/", "ansible/module_utils/")
    return Roots([(prefix, tmp_path / "plugins" / prefix) for prefix in places])


@pytest.fixture
def holders() -> Iterator[list[int]]:
    held: list[int] = []
    yield held
    for holder in held:
        os.close(holder)


class Runs:
    """Runs of Ansible, one after the other: each gets a directory, and lets it go at its end."""

    def __init__(self, home: Path, roots: Roots) -> None:
        self.home, self.roots = home, roots

    def begin(self, name: str = "key") -> tuple[Path, int]:
        return lend(self.home, name, self.roots)

    def whole(self, name: str = "key") -> Path:
        directory, holder = self.begin(name)
        os.close(holder)
        return directory


@pytest.fixture
def runs(tmp_path: Path, roots: Roots) -> Runs:
    return Runs(tmp_path / "modules", roots)


def pack(directory: Path, files: dict[str, str] = FILES) -> Path:
    """Keep a module as Ansible does: a zip in an object, with packages that are nothing but a name, beside its lock."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as written:
        for name, content in {**files, OWN[0]: "__version__ = '2'\n", "ansible/legacy/__init__.py": ""}.items():
            written.writestr(name, content)
    packed = directory / "ansible.legacy.split-ZIP_DEFLATED-none"
    packed.write_bytes(pickle.dumps(SimpleNamespace(zip_data=base64.b64encode(archive.getvalue()))))
    packed.with_name(f"{packed.name}.lock").touch()
    return packed


def source(roots: Roots) -> Path:
    return roots.places[1][1] / "fleet" / "names.py"


def test_the_next_run_has_what_this_one_packed(runs: Runs) -> None:
    first = runs.whole()
    packed = pack(first)
    assert [runs.whole(), runs.whole()] == [first, first]
    assert packed.exists()


def test_whoever_changes_what_is_imported_has_it_packed_anew(runs: Runs, roots: Roots) -> None:
    first = runs.whole()
    pack(first)
    runs.whole()
    source(roots).write_text("NAMES = 2\n")
    assert runs.whole() != first
    assert not first.exists()


def test_also_where_size_and_time_are_put_back(runs: Runs, roots: Roots) -> None:
    first, then = runs.whole(), source(roots).stat()
    pack(first)
    runs.whole()
    source(roots).write_text("NAMES = 2\n")
    os.utime(source(roots), ns=(then.st_atime_ns, then.st_mtime_ns))
    assert runs.whole() != first


def test_what_changed_before_anybody_looked_is_compared_by_its_content(runs: Runs, roots: Roots) -> None:
    first = runs.whole()
    pack(first)
    source(roots).write_text("NAMES = 2\n")
    assert runs.whole() != first


@pytest.mark.parametrize("broken", ["gone", "of nobody", "no object", "half a note"])
def test_what_cannot_be_looked_at_is_packed_anew(runs: Runs, roots: Roots, broken: str) -> None:
    first = runs.whole()
    packed = pack(first, {**FILES, **({"elsewhere/x.py": "x\n"} if broken == "of nobody" else {})})
    if broken == "no object":
        packed.write_bytes(b"half")
    if broken != "of nobody":
        known(packed, roots) if broken in ("gone", "half a note") else None
    if broken == "gone":
        source(roots).unlink()
    if broken == "half a note":
        packed.with_name(f"{packed.name}.sources").write_text('{"/nowhere": [1, 2, 3, 4]}')
    assert runs.whole() != first


def test_a_run_that_goes_on_keeps_what_it_has(runs: Runs, roots: Roots, holders: list[int]) -> None:
    first, holder = runs.begin()
    holders.append(holder)
    packed = pack(first)
    source(roots).write_text("NAMES = 2\n")
    assert runs.whole() != first
    assert packed.exists()


def test_one_module_more_may_hide_another(roots: Roots) -> None:
    before = key(roots, ["a"])
    assert key(roots, ["a"]) == before
    (roots.places[0][1] / "stat.py").touch()
    assert len({before, key(roots, ["a"]), key(roots, ["b"])}) == 3


def test_what_nobody_used_for_a_week_is_removed_and_nothing_else(runs: Runs, holders: list[int]) -> None:
    old, young = runs.whole("old"), runs.whole("young")
    used, holder = runs.begin("used")
    holders.append(holder)
    for directory in (old, used):
        os.utime(directory, (0, directory.stat().st_mtime - WEEK - 60))
    runs.whole()
    assert [directory.exists() for directory in (old, young, used)] == [False, True, True]


def test_where_others_can_write_nothing_is_kept(runs: Runs) -> None:
    runs.home.mkdir()
    runs.home.chmod(0o770)
    with pytest.raises(PermissionError, match="not the user's alone"):
        runs.whole()
