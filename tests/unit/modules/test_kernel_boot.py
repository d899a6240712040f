# SPDX-License-Identifier: GPL-3.0-or-later
"""A kernel is booted once and kept only when it runs, on a tree whose GRUB is played by the rules of its own script."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.fleet import grub
from plugins.module_utils.fleet.kernel_boot import SETTINGS_FILE, keep, lacks_settings
from plugins.module_utils.fleet.ports.commands import Answer
from plugins.module_utils.fleet.ports.kernel_host import Host
from plugins.modules import kernel_boot, kernel_info
from tests.kernel_tree import BOOT_ID, NEW, NEXT_BOOT_ID, OLD, KernelTree, entry_of, grub_cfg
from tests.unit.modules.conftest import Call

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def tree(tmp_path: Path) -> KernelTree:
    return KernelTree(tmp_path).make()


@pytest.fixture
def run(tree: KernelTree, call: Call) -> Run:
    def run(state: str, release: str | None = NEW, check: bool = False, **params: Any) -> dict[str, Any]:
        arguments = {"root": str(tree.root), "state": state, "release": release, **params, "_ansible_check_mode": check}
        return call(kernel_boot, arguments)

    return run


def variables(tree: KernelTree) -> dict[str, str]:
    return grub.read_environment((tree.root / "boot/grub/grubenv").read_bytes())


def reset(tree: KernelTree, boot_id: str = NEXT_BOOT_ID, comes_up: bool = True) -> str:
    """Boot as GRUB does: what is for once is taken out of the block first. A kernel that does not come up is followed by the default."""
    host = Host(tree.root)
    menu, held = grub.read_menu(host.grub_files()[0]), variables(tree)
    entry = grub.booted(menu, held)
    if held.get("next_entry"):
        host.write_grubenv(grub.write_environment({**held, "next_entry": ""}))
    if not comes_up:
        entry = grub.booted(menu, variables(tree))
    assert entry is not None
    tree.boot(entry.release, boot_id)
    return entry.release


def state(tree: KernelTree, call: Call) -> dict[str, Any]:
    kernel: dict[str, Any] = call(kernel_info, {"root": str(tree.root)})["kernel"]
    return kernel


def test_a_kernel_is_booted_once_and_then_kept(run: Run, tree: KernelTree, call: Call) -> None:
    armed = run("armed")
    assert armed["changed"]
    assert (armed["loader"]["will_boot"], armed["loader"]["one_shot"]) == (NEW, "available")
    assert variables(tree)["saved_entry"] == entry_of(OLD)
    assert reset(tree) == NEW
    assert state(tree, call)["state"] == "current"
    assert run("blessed")["changed"]
    assert variables(tree) == {"saved_entry": entry_of(NEW)}
    assert reset(tree, BOOT_ID) == NEW


def test_until_it_is_kept_the_old_one_is_the_default(run: Run, tree: KernelTree) -> None:
    run("armed")
    assert reset(tree) == NEW
    assert reset(tree, BOOT_ID) == OLD


def test_one_that_does_not_come_up_is_followed_by_the_old_one_and_not_tried_again(
    run: Run, tree: KernelTree, call: Call
) -> None:
    run("armed")
    assert reset(tree, comes_up=False) == OLD
    seen = state(tree, call)
    assert (seen["state"], seen["booted_fallback"]) == ("blocked", True)
    assert "did not come up" in seen["reasons"][0]
    assert "did not come up" in run("armed")["msg"]
    assert "does not run" in run("blessed")["msg"]


def test_who_disarms_after_a_fall_keeps_the_old_one_and_may_try_again(run: Run, tree: KernelTree, call: Call) -> None:
    run("armed")
    reset(tree, comes_up=False)
    assert run("disarmed", "")["changed"]
    assert variables(tree)["saved_entry"] == entry_of(OLD)
    assert reset(tree, BOOT_ID) == OLD
    assert state(tree, call)["state"] == "pending"
    assert run("armed")["changed"]


def test_after_a_fall_another_kernel_may_be_armed(run: Run, tree: KernelTree) -> None:
    other = "6.12.120+deb13-cloud-amd64"
    run("armed")
    reset(tree, comes_up=False)
    tree.releases = [other, NEW, OLD]
    tree.write("boot/grub/grub.cfg", grub_cfg(tree.releases, "${saved_entry}", "panic=30"))
    assert run("armed", other)["changed"]
    assert reset(tree, BOOT_ID) == other


@pytest.mark.parametrize("before", [{}, {"saved_entry": entry_of(NEW)}, {"saved_entry": "0", "theirs": "x"}])
def test_who_disarms_before_the_boot_leaves_all_as_it_was(run: Run, tree: KernelTree, before: dict[str, str]) -> None:
    tree.environment(before)
    run("armed")
    assert variables(tree) != before
    assert run("disarmed", "")["changed"]
    assert variables(tree) == before
    assert not run("disarmed", "")["changed"]


def test_what_was_before_is_remembered_through_a_second_arming(run: Run, tree: KernelTree) -> None:
    tree.environment({"saved_entry": "0"})
    run("armed")
    run("armed", fallback="6.12.94+deb13-cloud-amd64")
    run("disarmed", "")
    assert variables(tree) == {"saved_entry": "0"}


def test_what_somebody_else_wants_once_is_left_alone(run: Run, tree: KernelTree) -> None:
    tree.environment({"saved_entry": "0", "next_entry": "uefi-firmware"})
    assert not run("disarmed", "")["changed"]
    tree.boot(NEW, NEXT_BOOT_ID)
    run("blessed")
    assert variables(tree)["next_entry"] == "uefi-firmware"


def test_a_second_time_changes_nothing(run: Run, tree: KernelTree) -> None:
    run("armed")
    assert run("armed") == run("armed") | {"changed": False, "plan": []}
    reset(tree)
    run("blessed")
    assert not run("blessed")["changed"]


def test_a_kernel_that_is_installed_and_not_armed_is_not_booted(run: Run, tree: KernelTree) -> None:
    assert reset(tree) == NEW
    tree.boot(OLD, BOOT_ID)
    assert run("pinned", None)["changed"]
    assert reset(tree) == OLD
    assert not run("pinned", None)["changed"]


def test_what_is_pinned_is_moved_by_a_blessing_only(run: Run, tree: KernelTree) -> None:
    run("pinned", None)
    run("armed")
    run("disarmed", "")
    assert variables(tree) == {"saved_entry": entry_of(OLD)}
    run("armed")
    reset(tree)
    run("blessed")
    assert variables(tree) == {"saved_entry": entry_of(NEW)}


def test_what_is_armed_stays_armed_when_the_running_one_is_pinned(run: Run, tree: KernelTree) -> None:
    run("armed")
    assert not run("pinned", None)["changed"]
    tree.environment({"next_entry": entry_of(NEW)})
    assert run("pinned", None)["changed"]
    assert reset(tree) == NEW
    assert reset(tree, BOOT_ID) == OLD


def test_only_what_runs_is_pinned(run: Run) -> None:
    assert "does not run" in run("pinned", NEW)["msg"]


def test_pinning_is_refused_where_arming_is(run: Run, tree: KernelTree) -> None:
    tree.write("sys/dev/block/8:1/dm/uuid", "LVM-x\n")
    assert "cannot write to LVM" in run("pinned", None)["msg"]
    (tree.root / "boot/grub/grub.cfg").unlink()
    assert "only GRUB" in run("pinned", None)["msg"]


def test_grub_is_made_to_look_at_what_is_pinned(run: Run, tree: KernelTree) -> None:
    tree.write("boot/grub/grub.cfg", grub_cfg([NEW, OLD], "0", "panic=30"))
    assert "not what was saved" in run("pinned", None)["msg"]


@pytest.mark.parametrize("verb", ["pinned", "armed", "blessed", "disarmed"])
def test_check_mode_says_the_same_and_writes_nothing(run: Run, tree: KernelTree, verb: str) -> None:
    if verb in ("blessed", "disarmed"):
        run("armed")
    if verb == "blessed":
        reset(tree)
    before = {path: path.read_bytes() for path in tree.root.rglob("*") if path.is_file()}
    release = None if verb == "pinned" else NEW
    planned = run(verb, release, check=True)
    assert {path: path.read_bytes() for path in tree.root.rglob("*") if path.is_file()} == before
    done = run(verb, release)
    assert planned["changed"]
    assert (planned["plan"], planned["diff"]) == (done["plan"], done["diff"])


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    ("spoil", "release", "words"),
    [
        (lambda tree: tree.write("sys/dev/block/8:1/dm/uuid", "LVM-x\n"), NEW, "cannot write to LVM"),
        (lambda tree: None, OLD, "cannot be its own way back"),
        (lambda tree: None, "6.1.0-1-amd64", "no entry for 6.1.0-1-amd64"),
        (
            lambda tree: tree.write("boot/grub/grub.cfg", grub_cfg([NEW], "${saved_entry}", "panic=30")),
            NEW,
            f"no entry for {OLD}",
        ),
        (lambda tree: tree.write("boot/grub/grubenv", "scribble"), NEW, "no environment block"),
        (lambda tree: tree.environment({"x": "y" * 700}), NEW, "more than the 1024"),
        (lambda tree: (tree.root / "boot/grub/grub.cfg").unlink(), NEW, "only GRUB"),
        (lambda tree: tree.write("proc/sys/kernel/random/boot_id", ""), NEW, "says nothing"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(
    run: Run, tree: KernelTree, spoil: Callable[[KernelTree], object], release: str, words: str, check: bool
) -> None:
    spoil(tree)
    before = {path: path.read_bytes() for path in tree.root.rglob("*") if path.is_file()}
    told = run("armed", release, check=check)
    assert told.get("failed"), told
    assert words in told["msg"]
    assert {path: path.read_bytes() for path in tree.root.rglob("*") if path.is_file()} == before


def test_a_block_that_does_not_hold_what_was_written_is_a_failure(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Host, "write_grubenv", lambda self, block: None)
    assert "does not hold what was written" in run("armed")["msg"]


def test_a_missing_block_is_made(run: Run, tree: KernelTree) -> None:
    (tree.root / "boot/grub/grubenv").unlink()
    assert run("armed")["changed"]
    assert reset(tree) == NEW


def test_both_kernels_are_kept_from_being_removed(run: Run, tree: KernelTree) -> None:
    run("armed")
    text = (tree.root / "etc/apt/apt.conf.d/60upstairs-kernels").read_text()
    assert text == keep(OLD, NEW)
    assert r'"^linux-image-6\.12\.94\+deb13-cloud-amd64$";' in text


@pytest.mark.parametrize(
    ("default", "options", "words"),
    [
        ("0", "panic=30", "not what was saved"),
        ("1>2", "panic=30", "not what was saved"),
        ("${saved_entry}", "quiet", "stand still after a panic"),
        ("${saved_entry}", "panic=30 panic=0", "stand still after a panic"),
        ("${saved_entry}", "panic=10", ""),
    ],
)
def test_what_a_menu_lacks(default: str, options: str, words: str) -> None:
    said = lacks_settings(grub.read_menu(grub_cfg([NEW, OLD], default, options)), NEW)
    assert bool(said) == bool(words)
    assert words in said


def test_below_another_root_nobody_writes_the_menu(run: Run, tree: KernelTree) -> None:
    tree.write("boot/grub/grub.cfg", grub_cfg([NEW, OLD], "0", "panic=30"))
    assert "there is nobody to write grub.cfg" in run("armed")["msg"]


class TestOnARealHost:
    """The tree is taken for the real root, and update-grub is played."""

    @pytest.fixture(autouse=True)
    def played(self, tree: KernelTree, monkeypatch: pytest.MonkeyPatch) -> None:
        tree.write("boot/grub/grub.cfg", grub_cfg([NEW, OLD], "0", "quiet"))
        self.obeys = True
        self.answer = Answer(0)
        self.calls: list[list[str]] = []

        def run(argv: list[str], within: float) -> Answer:
            self.calls.append(argv)
            settings = (tree.root / SETTINGS_FILE).read_text()
            assert "GRUB_DEFAULT=saved\n" in settings
            assert "panic=30" in settings
            if self.obeys:
                tree.write("boot/grub/grub.cfg", grub_cfg([NEW, OLD], "${saved_entry}", "quiet panic=30"))
            return self.answer

        monkeypatch.setattr(Host, "real", True)
        monkeypatch.setattr(kernel_boot, "run", run)

    def test_grub_is_made_to_look_at_what_is_saved(self, run: Run, tree: KernelTree) -> None:
        told = run("armed")
        assert told["changed"]
        assert "run update-grub, because" in told["plan"][0]
        assert self.calls == [["update-grub"]]
        assert reset(tree) == NEW
        run("blessed")
        assert len(self.calls) == 1

    def test_check_mode_does_not_run_it(self, run: Run, tree: KernelTree) -> None:
        assert run("armed", check=True)["changed"]
        assert self.calls == []
        assert not (tree.root / SETTINGS_FILE).exists()

    def test_a_setting_that_somebody_overrides_is_told(self, run: Run, tree: KernelTree) -> None:
        self.obeys = False
        assert "what speaks against it in /etc/default/grub.d?" in run("armed")["msg"]
        assert variables(tree) == {}

    def test_an_update_that_fails_is_told(self, run: Run, tree: KernelTree) -> None:
        self.answer = Answer(1, stderr="/usr/sbin/grub-probe: error")
        assert "update-grub failed: /usr/sbin/grub-probe: error" in run("armed")["msg"]
        assert variables(tree) == {}


def test_a_default_by_place_is_good_enough_where_it_is_the_kernel_that_runs(run: Run, tree: KernelTree) -> None:
    tree.write("boot/grub/grub.cfg", grub_cfg([NEW, OLD], "0"))
    tree.boot(NEW, NEXT_BOOT_ID)
    assert not run("blessed")["changed"]
    tree.boot(OLD, NEXT_BOOT_ID)
    assert "arm a kernel first" in run("blessed", OLD)["msg"]


def test_another_boot_loader_is_only_asked(run: Run, tree: KernelTree) -> None:
    (tree.root / "boot/grub/grub.cfg").unlink()
    tree.write(f"boot/efi/loader/entries/m-{NEW}.conf", f"version {NEW}\nlinux /m/{NEW}/linux\n")
    assert "only GRUB is told" in run("armed")["msg"]
    assert not run("blessed")["changed"]
    assert not run("disarmed", "")["changed"]
    assert "will boot" in run("blessed", OLD)["msg"]


@pytest.mark.parametrize("release", [None, ""])
def test_a_kernel_is_named(run: Run, release: str | None) -> None:
    assert "release" in run("armed", release)["msg"]
