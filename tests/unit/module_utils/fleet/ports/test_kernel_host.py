# SPDX-License-Identifier: GPL-3.0-or-later
"""A host is read from below its root."""

from __future__ import annotations

import lzma
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from plugins.module_utils.fleet.kernel import Package, aim
from plugins.module_utils.fleet.ports import kernel_host
from plugins.module_utils.fleet.ports.commands import Answer
from plugins.module_utils.fleet.ports.kernel_host import GRUBENV, SECURE_BOOT, SIGNED, VENDOR, Host
from tests.kernel_tree import BOOT_ID, NEW, OLD, KernelTree

ZFS = "var/lib/dkms/zfs"


@pytest.fixture
def tree(tmp_path: Path) -> KernelTree:
    return KernelTree(tmp_path).make()


def dkms(tree: KernelTree, release: str, module: str = "zfs.ko", content: bytes = b"code") -> None:
    """Have DKMS build and install a module."""
    built = tree.root / ZFS / f"2.3/{release}/x86_64/module"
    built.mkdir(parents=True)
    (built / module).write_bytes(content)
    (tree.root / ZFS / f"kernel-{release}-x86_64").symlink_to(f"2.3/{release}/x86_64")


def secure_boot(tree: KernelTree, on: bool = True) -> None:
    tree.write(SECURE_BOOT, "")
    (tree.root / SECURE_BOOT).write_bytes(b"\x06\0\0\0" + bytes([on]))


def efi(tree: KernelTree, name: str, value: str) -> None:
    path = f"sys/firmware/efi/efivars/{name}-{VENDOR}"
    tree.write(path, "")
    (tree.root / path).write_bytes(b"\x06\0\0\0" + value.encode("utf-16-le") + b"\0\0")


def test_a_tree_is_read_as_a_host_is(tree: KernelTree) -> None:
    facts = Host(tree.root).facts()
    assert facts.troubles == ()
    assert (facts.release, facts.version, facts.boot_id, facts.uptime) == (OLD, "6.12.94-1", BOOT_ID, 1234.56)
    assert [one.release for one in facts.images] == [NEW, OLD]
    assert (facts.container, facts.livepatched, facts.secure_boot, facts.dkms_in_use) == ("", False, False, ())
    assert facts.boot_free > 0
    assert facts.running_initrd_size == len("initrd")
    target = aim(facts)
    assert target is not None
    assert (target.release, target.version) == (NEW, "6.12.107-1")


def test_the_files_of_a_kernel_are_seen(tree: KernelTree) -> None:
    files = Host(tree.root).files(NEW, OLD)
    assert (files.kernel_size, files.initrd_size, files.modules) == (6, 6, True)
    assert files.initrd_time > files.kernel_time == 1_000_000
    shutil.rmtree(tree.root / f"lib/modules/{NEW}")
    (tree.root / f"boot/initrd.img-{NEW}").write_text("")
    files = Host(tree.root).files(NEW, OLD)
    assert (files.initrd_size, files.modules) == (0, False)


@pytest.mark.parametrize(
    ("path", "kind"),
    [("run/systemd/container", "podman"), (".dockerenv", ".dockerenv"), ("run/.containerenv", "run/.containerenv")],
)
def test_a_container_is_known_and_asked_nothing_more(tree: KernelTree, path: str, kind: str) -> None:
    shutil.rmtree(tree.root / "var")
    tree.write(path, kind)
    facts = Host(tree.root).facts()
    assert (facts.container, facts.packages, facts.troubles) == (kind, (), ())


@pytest.mark.parametrize(
    "path", ["proc/sys/kernel/osrelease", "proc/sys/kernel/version", "proc/sys/kernel/random/boot_id", "proc/uptime"]
)
def test_what_says_nothing_is_a_trouble(tree: KernelTree, path: str) -> None:
    (tree.root / path).unlink()
    assert f"{tree.root / path} says nothing" in Host(tree.root).facts().troubles


def test_a_dpkg_that_fails_is_a_trouble_and_one_that_knows_no_kernel_is_none(tree: KernelTree) -> None:
    tree.write("var/lib/dpkg/status", "")
    facts = Host(tree.root).facts()
    assert (facts.packages, facts.troubles) == ((), ())
    tree.write("var/lib/dpkg/status", "scribble")
    assert "dpkg-query said" in Host(tree.root).facts().troubles[0]


@pytest.mark.parametrize(
    "answer",
    [Answer(None, stderr="there is no program dpkg-query"), Answer(127), Answer(126), Answer(0, "one field\n")],
)
def test_a_probe_that_is_missing_is_a_trouble(
    tree: KernelTree, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_host, "run", lambda *_: answer)
    assert "dpkg-query" in Host(tree.root).facts().troubles[0]


def test_what_the_archive_has_is_read_from_the_tree(tree: KernelTree) -> None:
    tree.offer("6.12.120+deb13-cloud-amd64", "6.12.120-1")
    target = aim(Host(tree.root).facts())
    assert target is not None
    assert (target.version, target.installed) == ("6.12.120-1", False)


IMAGE = Package("linux-image-6.12.9+deb13-amd64", "6.12.9-1", "ii ")
META = Package("linux-image-amd64", "6.12.9-1", "ii ", f"{IMAGE.name} (= 6.12.9-1)")
POLICY = "linux-image-amd64:\n  Installed: 6.12.9-1\n  Candidate: {}\n  Version table:\n"
SIMULATE = ["apt-get", "--simulate", "-o", "Debug::NoLocking=1", "install", "linux-image-amd64"]


@pytest.mark.parametrize(
    ("policy", "packages", "simulated"),
    [
        (POLICY.format("6.12.9-1"), (META, IMAGE), False),
        (POLICY.format("6.12.10-1"), (META, IMAGE), True),
        (POLICY.format("6.12.9-1"), (META,), True),
        (POLICY.format("6.12.9-1"), (META, replace(IMAGE, status="iF ")), True),
        ("", (META, IMAGE), True),
    ],
)
def test_of_a_real_host_apt_is_asked_what_it_would_do_where_it_would_do_anything(
    monkeypatch: pytest.MonkeyPatch, policy: str, packages: tuple[Package, ...], simulated: bool
) -> None:
    asked = []

    def run(argv: list[str], within: float) -> Answer:
        asked.append(argv)
        return Answer(0, stdout=policy if argv[0] == "apt-cache" else "Inst")

    monkeypatch.setattr(kernel_host, "run", run)
    assert Host(Path("/"))._simulation(META, packages) == ("Inst" if simulated else "")
    assert (SIMULATE in asked) == simulated


def test_a_simulation_that_fails_is_a_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_host, "run", lambda *_: Answer(100, stderr="E: Unmet dependencies"))
    host = Host(Path("/"))
    assert host._simulation(META, ()) == ""
    assert "Unmet dependencies" in host.troubles[0]


@pytest.mark.parametrize(
    ("path", "content"), [("proc/sys/kernel/tainted", "32769\n"), ("sys/kernel/livepatch/fix/enabled", "1\n")]
)
def test_a_patch_in_memory_is_seen(tree: KernelTree, path: str, content: str) -> None:
    tree.write(path, content)
    assert Host(tree.root).facts().livepatched


def test_other_taints_are_no_patch(tree: KernelTree) -> None:
    tree.write("proc/sys/kernel/tainted", "4097\n")
    assert not Host(tree.root).facts().livepatched


def test_dkms_counts_where_its_module_is_in_use(tree: KernelTree) -> None:
    dkms(tree, OLD)
    assert Host(tree.root).facts().dkms_in_use == ()
    assert Host(tree.root).files(NEW, OLD).dkms_lacking == ()
    tree.write("proc/modules", "zfs 1 0 - Live 0x0\n")
    assert Host(tree.root).facts().dkms_in_use == ("zfs",)
    assert "is not built for" in Host(tree.root).files(NEW, OLD).dkms_lacking[0]
    dkms(tree, NEW)
    assert Host(tree.root).files(NEW, OLD).dkms_lacking == ()


def test_a_filesystem_in_fstab_is_in_use_and_a_dash_is_an_underscore(tree: KernelTree) -> None:
    dkms(tree, OLD)
    tree.write("etc/fstab", "# tank /old zfs\ntank /srv zfs defaults 0 0\n")
    assert Host(tree.root).facts().dkms_in_use == ("zfs",)
    tree.write("etc/fstab", "# tank /old zfs\n")
    assert Host(tree.root).facts().dkms_in_use == ()
    (tree.root / ZFS / f"2.3/{OLD}/x86_64/module/nvidia-drm.ko.xz").touch()
    tree.write("proc/modules", "nvidia_drm 1 0 - Live 0x0\n")
    assert Host(tree.root).facts().dkms_in_use == ("zfs",)


@pytest.mark.parametrize(
    ("module", "content", "lacks"),
    [
        ("zfs.ko", b"code" + SIGNED, False),
        ("zfs.ko", b"code", True),
        ("zfs.ko.xz", lzma.compress(b"code" + SIGNED), False),
        ("zfs.ko.xz", lzma.compress(b"code"), True),
        ("zfs.ko.xz", b"scribble", True),
    ],
)
def test_secure_boot_wants_signed_modules(tree: KernelTree, module: str, content: bytes, lacks: bool) -> None:
    tree.write("proc/modules", "zfs 1 0 - Live 0x0\n")
    dkms(tree, OLD)
    dkms(tree, NEW, module, content)
    secure_boot(tree, on=False)
    assert not Host(tree.root).files(NEW, OLD).dkms_lacking
    secure_boot(tree)
    assert Host(tree.root).facts().secure_boot
    assert bool(Host(tree.root).files(NEW, OLD).dkms_lacking) == lacks


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(0, f"usr/lib/modules/{NEW}/kernel/fs/ext4.ko\n"), ""),
        (Answer(0, f"usr/lib/modules/{OLD}/kernel/fs/ext4.ko\n"), "no modules of"),
        (Answer(0, ""), "no modules of"),
        (Answer(1, stderr="cpio: premature end of archive"), "premature end of archive"),
        (Answer(None, stderr="no answer within 120 s"), "no answer within"),
    ],
)
def test_an_initrd_is_listed_by_its_reader(answer: Answer, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_host, "found", lambda name: name == "lsinitramfs")
    monkeypatch.setattr(kernel_host, "run", lambda argv, within: answer if argv[0] == "lsinitramfs" else Answer(None))
    said = Host(Path("/"))._initrd_complaint(NEW)
    assert bool(said) == bool(words)
    assert words in said


def test_an_initrd_that_was_good_is_listed_again_only_when_somebody_wrote_it(
    tree: KernelTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = Answer(0, f"usr/lib/modules/{NEW}/kernel/fs/ext4.ko\n"), Answer(1, stderr="premature end")
    answers = iter([bad, good, bad, good])
    monkeypatch.setattr(Host, "real", True)
    monkeypatch.setattr(kernel_host, "found", lambda name: name == "lsinitramfs")
    monkeypatch.setattr(kernel_host, "run", lambda argv, within: next(answers))
    host, initrd = Host(tree.root), tree.root / f"boot/initrd.img-{NEW}"
    # What is bad is asked again: somebody may have mended what lists it.
    assert "premature end" in host._initrd_complaint(NEW)
    assert host._initrd_complaint(NEW) == host._initrd_complaint(NEW) == ""
    seen = initrd.stat()
    # The clock of a file system ticks every few milliseconds.
    while initrd.stat().st_ctime_ns == seen.st_ctime_ns:
        initrd.write_bytes(initrd.read_bytes())
    os.utime(initrd, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert "premature end" in host._initrd_complaint(NEW)
    assert host._initrd_complaint(NEW) == ""
    initrd.unlink()
    with pytest.raises(StopIteration):
        host._initrd_complaint(NEW)


def test_an_initrd_that_nobody_can_list_is_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_host, "found", lambda name: False)
    assert "nothing here can list it" in Host(Path("/"))._initrd_complaint(NEW)


def test_grub_is_read_with_its_block(tree: KernelTree) -> None:
    loader = Host(tree.root).loader()
    assert (loader.kind, loader.will_boot, loader.no_one_shot) == ("grub", NEW, "")
    (tree.root / GRUBENV).unlink()
    assert Host(tree.root).loader().no_one_shot == ""


@pytest.mark.parametrize("filesystem", ["btrfs", "zfs", "overlay"])
def test_a_filesystem_that_grub_cannot_write_to(tmp_path: Path, filesystem: str) -> None:
    tree = KernelTree(tmp_path, filesystem=filesystem).make()
    assert f"cannot write to {filesystem}" in Host(tree.root).loader().no_one_shot


def test_devices_that_grub_cannot_write_to(tree: KernelTree) -> None:
    tree.write("sys/dev/block/8:1/dm/uuid", "LVM-abcdef\n")
    assert "cannot write to LVM" in Host(tree.root).unwritable()
    shutil.rmtree(tree.root / "sys/dev/block/8:1/dm")
    tree.write("sys/dev/block/8:1/md/level", "raid1\n")
    assert "software RAID" in Host(tree.root).unwritable()
    shutil.rmtree(tree.root / "sys/dev/block/8:1")
    assert "is not known what the block device 8:1 is" in Host(tree.root).unwritable()


def test_a_partition_of_a_raid_is_one(tree: KernelTree) -> None:
    shutil.rmtree(tree.root / "sys/dev/block/8:1")
    tree.write("sys/devices/virtual/block/md0/md/level", "raid1\n")
    (tree.root / "sys/devices/virtual/block/md0/md0p1").mkdir()
    (tree.root / "sys/dev/block/8:1").symlink_to("../../devices/virtual/block/md0/md0p1")
    assert "software RAID" in Host(tree.root).unwritable()


def test_a_block_that_is_a_link_is_not_written_to(tree: KernelTree) -> None:
    (tree.root / GRUBENV).unlink()
    (tree.root / GRUBENV).symlink_to("../efi/grubenv")
    assert "is a link" in Host(tree.root).unwritable()


def test_systemd_boot_is_known_by_its_own_word_or_by_being_alone(tree: KernelTree) -> None:
    tree.write(f"boot/efi/loader/entries/m-{OLD}.conf", f"version {OLD}\nlinux /m/{OLD}/linux\n")
    assert Host(tree.root).loader().kind == "grub"
    efi(tree, "LoaderInfo", "systemd-boot 257.9")
    loader = Host(tree.root).loader()
    assert (loader.kind, loader.will_boot) == ("systemd-boot", OLD)
    (tree.root / f"sys/firmware/efi/efivars/LoaderInfo-{VENDOR}").unlink()
    (tree.root / "boot/grub/grub.cfg").unlink()
    assert Host(tree.root).loader().kind == "systemd-boot"
    shutil.rmtree(tree.root / "boot/efi")
    assert Host(tree.root).loader().kind == "unknown"


def test_a_block_is_written_where_it_lies(tree: KernelTree) -> None:
    same = tree.root / "the-same-place"
    same.hardlink_to(tree.root / GRUBENV)
    Host(tree.root).write_grubenv(b"x" * 1024)
    assert same.read_bytes() == (tree.root / GRUBENV).read_bytes() == b"x" * 1024
    (tree.root / GRUBENV).unlink()
    Host(tree.root).write_grubenv(b"y" * 1024)
    assert (tree.root / GRUBENV).read_bytes() == b"y" * 1024
