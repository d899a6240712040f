# SPDX-License-Identifier: GPL-3.0-or-later
"""What a boot loader will boot, and whether it can be told to boot something only once."""

from __future__ import annotations

import pytest

from plugins.module_utils.fleet.bootloader import (
    Device,
    Mount,
    compare_uapi,
    mount_of,
    of_grub,
    of_systemd_boot,
    unwritable,
)
from plugins.module_utils.fleet.grub import write_environment
from tests.kernel_tree import NEW, OLD, entry_of, grub_cfg

PLAIN = Mount("/", "ext4", "8:1")
MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 8:2 / /boot rw shared:2 master:1 - xfs /dev/sda2 rw
31 30 8:3 / /boot/efi rw - vfat /dev/sda3 rw
32 22 0:40 / /boot\\040old rw - btrfs /dev/sdb rw
33 22 0:41 / /bootstrap rw - tmpfs tmpfs rw
"""


def told(**more: str) -> dict[str, str]:
    return {"kind": "grub", "will_boot": NEW, "entry": "x", "one_shot": "available", "why": "", **more}


def test_grub_is_told_with_its_entry() -> None:
    loader = of_grub(grub_cfg([NEW, OLD], "${saved_entry}"), write_environment({"saved_entry": entry_of(OLD)}), "")
    assert loader.told() == told(will_boot=OLD, entry=entry_of(OLD).split(">")[1])


def test_grub_without_a_block_boots_its_first_entry() -> None:
    assert of_grub(grub_cfg([NEW, OLD], "${saved_entry}"), None, "").will_boot == NEW


def test_a_block_that_cannot_be_written_leaves_no_one_shot() -> None:
    loader = of_grub(grub_cfg([NEW]), None, "GRUB cannot write to LVM").told()
    assert (loader["one_shot"], loader["why"], loader["will_boot"]) == ("unavailable", "GRUB cannot write to LVM", NEW)


@pytest.mark.parametrize(
    ("config", "block", "why"),
    [
        (grub_cfg([NEW]), b"scribble", "no environment block"),
        (grub_cfg([NEW]).partition("search")[0], None, "was cut off"),
        ("", None, "names no kernel"),
        (grub_cfg([NEW], "uefi-firmware"), None, "names no kernel"),
    ],
)
def test_what_cannot_be_read_boots_nothing_that_is_known(config: str, block: bytes | None, why: str) -> None:
    loader = of_grub(config, block, "")
    assert loader.will_boot == ""
    assert why in loader.why


def test_a_grub_that_asks_for_nothing_once_is_told() -> None:
    assert "does not look at next_entry" in of_grub("load_env\n", None, "").no_one_shot


def test_who_was_armed_is_told() -> None:
    block = write_environment({"upstairs_armed": NEW, "upstairs_armed_in": "x"})
    loader = of_grub(grub_cfg([NEW]), block, "")
    assert (loader.armed, loader.armed_in) == (NEW, "x")


@pytest.mark.parametrize(
    ("path", "point", "filesystem"),
    [
        ("/boot/grub", "/boot", "xfs"),
        ("/boot/efi/x", "/boot/efi", "vfat"),
        ("/boot old/grub", "/boot old", "btrfs"),
        ("/etc", "/", "ext4"),
        ("/bootstrapped", "/", "ext4"),
    ],
)
def test_a_place_is_carried_by_the_nearest_mount(path: str, point: str, filesystem: str) -> None:
    mount = mount_of(path, MOUNTS)
    assert mount is not None
    assert (mount.point, mount.filesystem) == (point, filesystem)


def test_of_two_mounts_over_one_place_the_last_is_seen() -> None:
    assert mount_of("/boot/grub", MOUNTS + "40 30 8:9 / /boot rw - ext4 /dev/sdc1 rw\n") == Mount(
        "/boot", "ext4", "8:9"
    )


@pytest.mark.parametrize(
    ("mount", "device", "why"),
    [
        (PLAIN, Device(), ""),
        (Mount("/boot", "xfs", "8:1"), Device(), ""),
        (Mount("/boot", "vfat", "8:1"), Device(), ""),
        (PLAIN, Device(mapped="part1-mpath-3600"), ""),
        (PLAIN, Device(mapped="LVM-abc"), "LVM"),
        (PLAIN, Device(mapped="CRYPT-LUKS2-abc"), "CRYPT"),
        (PLAIN, Device(mapped="part1-LVM-abc"), "mapped device"),
        (PLAIN, Device(raid=True), "software RAID"),
        (PLAIN, Device(known=False), "is not known what the block device 8:1 is"),
        (Mount("/", "btrfs", "0:30"), Device(), "btrfs"),
        (Mount("/", "zfs", "0:30"), Device(), "zfs"),
        (Mount("/", "overlay", "0:30"), Device(), "overlay"),
        (None, Device(), "is not known what carries"),
    ],
)
def test_where_grub_can_write(mount: Mount | None, device: Device, why: str) -> None:
    said = unwritable(mount, device)
    assert bool(said) == bool(why)
    assert why in said


def sd(release: str, **fields: str) -> str:
    said = {"title": "Debian", "version": release, "linux": f"/m/{release}/linux", "options": "ro", **fields}
    return "".join(f"{name.replace('_', '-')} {value}\n" for name, value in said.items()) + "# a comment\n"


TWO = {f"m-{OLD}.conf": sd(OLD), f"m-{NEW}.conf": sd(NEW)}


@pytest.mark.parametrize(
    ("entries", "config", "variables", "release"),
    [
        (TWO, "", {}, NEW),
        (TWO, f"timeout 3\ndefault m-{OLD}.conf\n", {}, OLD),
        (TWO, f"default m-{OLD}\n", {}, OLD),
        (TWO, "default *94*\n", {}, OLD),
        (TWO, "default none\n", {}, NEW),
        (TWO, f"default m-{NEW}.conf\n", {"LoaderEntryDefault": f"m-{OLD}.conf"}, OLD),
        (TWO, "", {"LoaderEntryOneShot": f"m-{OLD}.conf", "LoaderEntryDefault": f"m-{NEW}.conf"}, OLD),
        ({f"m-{OLD}.conf": sd(OLD), f"m-{NEW}+3.conf": sd(NEW)}, "", {}, NEW),
        ({f"m-{OLD}.conf": sd(OLD), f"m-{NEW}+0-3.conf": sd(NEW)}, "", {}, OLD),
        (
            {
                "a.conf": sd(NEW, sort_key="debian", machine_id="1"),
                "z.conf": sd(OLD, sort_key="debian", machine_id="1"),
            },
            "",
            {},
            NEW,
        ),
        ({"a.conf": sd(OLD, sort_key="debian"), "z.conf": sd(NEW)}, "", {}, OLD),
        # Another system's entries sort by its machine: its old kernel is before our new one.
        (
            {"a.conf": sd(OLD, sort_key="d", machine_id="1"), "b.conf": sd(NEW, sort_key="d", machine_id="2")},
            "",
            {},
            OLD,
        ),
        ({}, "", {}, ""),
    ],
)
def test_systemd_boot(entries: dict[str, str], config: str, variables: dict[str, str], release: str) -> None:
    loader = of_systemd_boot(entries, config, variables)
    assert (loader.kind, loader.will_boot, bool(loader.why)) == ("systemd-boot", release, not release)
    assert "only GRUB" in loader.no_one_shot


def test_an_entry_of_systemd_boot_may_name_the_kernels_file() -> None:
    entries = {"x.conf": sd("", linux=f"/vmlinuz-{OLD}")}
    assert of_systemd_boot(entries, "", {}).will_boot == OLD


def test_versions_are_ordered_as_the_specification_says() -> None:
    # Those of the UAPI group's version format specification.
    pairs = "~1 1, 122.1 123, 1~rc1 1, 1 1.1, 1.9 1.10, 1-2 1.2, a 1, 1 1a, 6.12.94+deb13 6.12.107+deb13"
    for one, other in (pair.split() for pair in pairs.split(", ")):
        assert (compare_uapi(one, other), compare_uapi(other, one)) == (-1, 1), (one, other)
    assert compare_uapi("1_0", "1_0") == 0
