# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of a host's kernel, from a tree that stands in for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from plugins.modules import kernel_info
from tests.kernel_tree import BOOT_ID, META, NEW, NEXT_BOOT_ID, OLD, KernelTree
from tests.unit.modules.conftest import Call


@pytest.fixture
def tree(tmp_path: Path) -> KernelTree:
    return KernelTree(tmp_path).make()


def ask(call: Call, root: Path, **params: Any) -> dict[str, Any]:
    return call(kernel_info, {"root": str(root), **params})


def test_all_is_told(tree: KernelTree, call: Call) -> None:
    told = ask(call, tree.root)
    kernel = told["kernel"]
    assert not told["changed"]
    assert kernel.pop("boot_free") > 0
    assert kernel == {
        "state": "pending",
        "reasons": [],
        "running": {"release": OLD, "version": "6.12.94-1", "flavour": "cloud-amd64"},
        "boot_id": BOOT_ID,
        "uptime": 1234.56,
        "target": {"release": NEW, "version": "6.12.107-1", "package": f"linux-image-{NEW}", "installed": True},
        "installed": [
            {"release": NEW, "version": "6.12.107-1", "package": f"linux-image-{NEW}", "status": "ii"},
            {"release": OLD, "version": "6.12.94-1", "package": f"linux-image-{OLD}", "status": "ii"},
        ],
        "meta": {"package": META, "version": "6.12.107-1", "held": False},
        "loader": {
            "kind": "grub",
            "will_boot": NEW,
            "entry": "gnulinux-simple-0a1b2c3d-1111-4222-8333-444455556666",
            "one_shot": "available",
            "why": "",
        },
        "bootable": {"ok": True, "reasons": []},
        "booted_fallback": False,
    }


def test_after_the_boot_the_same_question_says_current(tree: KernelTree, call: Call) -> None:
    tree.boot(NEW, NEXT_BOOT_ID)
    assert ask(call, tree.root, target=NEW)["kernel"]["state"] == "current"
    assert ask(call, tree.root)["kernel"]["state"] == "current"


def test_what_is_denied_is_told(tree: KernelTree, call: Call) -> None:
    assert ask(call, tree.root, denied=["6.12.107-1"])["kernel"]["state"] == "denied"


def test_a_held_meta_package_is_told(tree: KernelTree, call: Call) -> None:
    tree.packages(want="hold")
    kernel = ask(call, tree.root)["kernel"]
    assert (kernel["state"], kernel["meta"]["held"]) == ("held", True)


def test_an_installation_that_failed_blocks(tree: KernelTree, call: Call) -> None:
    tree.packages(image="ok half-configured")
    kernel = ask(call, tree.root)["kernel"]
    assert (kernel["state"], kernel["installed"][0]["status"]) == ("blocked", "iF")


def test_what_is_not_installed_yet_is_pending_and_not_bootable(tree: KernelTree, call: Call) -> None:
    tree.offer("6.12.120+deb13-cloud-amd64", "6.12.120-1")
    kernel = ask(call, tree.root)["kernel"]
    assert kernel["state"] == "pending"
    assert kernel["target"]["release"] == "6.12.120+deb13-cloud-amd64"
    assert kernel["bootable"] == {"ok": False, "reasons": ["not installed yet"]}


def test_a_new_version_under_the_old_name_leaves_no_way_back(tree: KernelTree, call: Call) -> None:
    tree.boot(NEW, BOOT_ID)
    tree.write("proc/sys/kernel/version", "#1 SMP Debian 6.12.106-1 (2026-10-01)\n")
    kernel = ask(call, tree.root)["kernel"]
    assert (kernel["state"], kernel["loader"]["one_shot"]) == ("pending", "unavailable")
    assert "no way back" in kernel["loader"]["why"]


def test_an_error_message_is_no_boot_id(tree: KernelTree, call: Call) -> None:
    tree.write("proc/sys/kernel/random/boot_id", "cat: No such file\n")
    kernel = ask(call, tree.root)["kernel"]
    assert (kernel["state"], kernel["boot_id"]) == ("unknown", "")


def test_a_root_that_is_not_there_is_a_failure(tmp_path: Path, call: Call) -> None:
    told = ask(call, tmp_path / "none")
    assert told["failed"]
    assert "there is no directory" in told["msg"]
