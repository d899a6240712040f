# SPDX-License-Identifier: GPL-3.0-or-later
"""Pretend that a host was booted whose kernel is a tree (tests/kernel_tree.py), as its GRUB would: run on that host, by its python3.

usage: python3 boot_tree.py ROOT

Takes what is armed for one boot, or else what is saved, or else the newest. A release that the tree's file `panics` names comes up as the
saved one.
"""

from __future__ import annotations

import re
import sys
import uuid
from pathlib import Path

GRUBENV = "boot/grub/grubenv"
HEAD = "# GRUB Environment Block\n"


def environment(root: Path) -> dict[str, str]:
    """Return GRUB's variables."""
    lines = (root / GRUBENV).read_text().rstrip("#").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def release_of(entry: str) -> str:
    """Return the kernel that an entry boots."""
    found = re.search(r"gnulinux-([^>]+)-advanced-[0-9a-f-]{36}$", entry)
    return found[1] if found else ""


def newest(root: Path) -> str:
    """Return the kernel of the first entry, which GRUB boots when nothing is saved."""
    found = re.search(r"/boot/vmlinuz-(\S+)", (root / "boot/grub/grub.cfg").read_text())
    return found[1] if found else ""


def version_of(root: Path, release: str) -> str:
    """Return the version of a kernel's package."""
    status = (root / "var/lib/dpkg/status").read_text()
    found = re.search(rf"^Package: linux-image-{re.escape(release)}\n(?:.+\n)*?Version: (.+)$", status, re.MULTILINE)
    return found[1] if found else "9.9-1"


def boot(root: Path) -> str:
    """Boot, and return the release that runs."""
    known = environment(root)
    panics = (root / "panics").read_text().split() if (root / "panics").exists() else []
    once = release_of(known.pop("next_entry", ""))
    release = once if once and once not in panics else release_of(known.get("saved_entry", "")) or newest(root)
    text = HEAD + "".join(f"{name}={value}\n" for name, value in known.items())
    (root / GRUBENV).write_text(text.ljust(1024, "#"))
    kernel = root / "proc/sys/kernel"
    if release:
        (kernel / "osrelease").write_text(f"{release}\n")
        version = version_of(root, release)
        (kernel / "version").write_text(f"#1 SMP PREEMPT_DYNAMIC Debian {version} (2026-11-01)\n")
    (kernel / "random/boot_id").write_text(f"{uuid.uuid4()}\n")
    (root / "proc/uptime").write_text("0.50 0.50\n")
    with (root / "boots").open("a") as boots:
        boots.write(f"{release}\n")
    return (kernel / "osrelease").read_text().strip()


if __name__ == "__main__":
    print(boot(Path(sys.argv[1])))
