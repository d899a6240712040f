# SPDX-License-Identifier: GPL-3.0-or-later
"""Make-believe hosts: a tree with all that is read to judge a kernel, as a Debian host with GRUB has it.

usage: python -m tests.kernel_tree FILE.tar [installed | offered]

Packs a host on the older kernel; the newer one is installed, or is in the archive.
"""

from __future__ import annotations

import os
import sys
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

UUID = "0a1b2c3d-1111-4222-8333-444455556666"
BOOT_ID = "7d0cd7f4-3c1f-4f0a-9c59-5f3c1c1a2b3d"
NEXT_BOOT_ID = "e0f3a1aa-9e0b-4a38-8f0c-6a2f4c5d6e7f"
META = "linux-image-cloud-amd64"
OLD, NEW = "6.12.94+deb13-cloud-amd64", "6.12.107+deb13-cloud-amd64"
VERSIONS = {OLD: "6.12.94-1", NEW: "6.12.107-1"}
HEAD = """\
if [ -s $prefix/grubenv ]; then
  set have_grubenv=true
  load_env
fi
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="%s"
fi

function savedefault {
  if [ -z "${boot_once}" ]; then
    saved_entry="${chosen}"
    save_env saved_entry
  fi
}
"""
TAIL = """\
if [ "$grub_platform" = "efi" ]; then
\tfwsetup --is-supported
\tif [ "$?" = 0 ]; then
\t\tmenuentry 'UEFI Firmware Settings' $menuentry_id_option 'uefi-firmware' {
\t\t\tfwsetup
\t\t}
\tfi
fi
"""


def menuentry(title: str, id: str, release: str, options: str) -> str:
    """Return an entry as 10_linux writes it."""
    return f"""\
menuentry '{title}' --class debian --class gnu-linux --class gnu --class os $menuentry_id_option '{id}' {{
\tload_video
\tinsmod gzio
\tif [ x$grub_platform = xxen ]; then insmod xzio; insmod lzopio; fi
\tsearch --no-floppy --fs-uuid --set=root {UUID}
\techo\t'Loading Linux {release} ...'
\tlinux\t/boot/vmlinuz-{release} root=UUID={UUID} ro {options}
\techo\t'Loading initial ramdisk ...'
\tinitrd\t/boot/initrd.img-{release}
}}
"""


def grub_cfg(releases: list[str], default: str = "0", options: str = "quiet") -> str:
    """Return a grub.cfg for kernels, the newest first."""
    simple = menuentry("Debian GNU/Linux", f"gnulinux-simple-{UUID}", releases[0], options)
    inside = ""
    for release in releases:
        title, id = f"Debian GNU/Linux, with Linux {release}", f"gnulinux-{release}-%s-{UUID}"
        inside += menuentry(title, id % "advanced", release, options)
        inside += menuentry(f"{title} (recovery mode)", id % "recovery", release, "single")
    submenu = f"submenu 'Advanced options for Debian GNU/Linux' $menuentry_id_option 'gnulinux-advanced-{UUID}' {{\n"
    return HEAD % default + simple + submenu + inside.replace("menuentry ", "\tmenuentry ") + "}\n" + TAIL


def entry_of(release: str) -> str:
    """Return the name by which an entry is found."""
    return f"gnulinux-advanced-{UUID}>gnulinux-{release}-advanced-{UUID}"


@dataclass
class KernelTree:
    """A host below a directory. The running kernel and the packages are what the fields say when it is made."""

    root: Path
    running: str = OLD
    needed: str = NEW
    releases: list[str] = field(default_factory=lambda: [NEW, OLD])
    default: str = "${saved_entry}"
    options: str = "quiet panic=30"
    filesystem: str = "ext4"

    def make(self) -> KernelTree:
        """Write the tree."""
        self.boot(self.running, BOOT_ID)
        self.write("proc/self/mountinfo", f"22 1 8:1 / / rw,relatime shared:1 - {self.filesystem} /dev/sda1 rw\n")
        self.write("proc/modules", "ext4 1 0 - Live 0x0\n")
        (self.root / "sys/dev/block/8:1").mkdir(parents=True)
        for release in self.releases:
            self.kernel(release)
        self.packages()
        self.write("boot/grub/grub.cfg", grub_cfg(self.releases, self.default, self.options))
        self.environment({})
        return self

    def boot(self, release: str, boot_id: str) -> None:
        """Pretend that the host was booted."""
        version = VERSIONS.get(release, "9.9-1")
        self.running = release
        self.write("proc/sys/kernel/osrelease", f"{release}\n")
        self.write("proc/sys/kernel/version", f"#1 SMP PREEMPT_DYNAMIC Debian {version} (2026-11-01)\n")
        self.write("proc/sys/kernel/random/boot_id", f"{boot_id}\n")
        self.write("proc/uptime", "1234.56 2345.67\n")

    def kernel(self, release: str) -> None:
        """Write the files of a kernel."""
        self.write(f"boot/vmlinuz-{release}", "kernel")
        self.write(f"boot/initrd.img-{release}", "initrd")
        self.write(f"lib/modules/{release}/modules.dep", "kernel/fs/ext4/ext4.ko:\n")
        os.utime(self.root / f"boot/vmlinuz-{release}", (1_000_000, 1_000_000))

    def packages(self, want: str = "install", image: str = "ok installed", headers: bool = False) -> None:
        """Write dpkg's status; ``want`` is that of the meta package, ``image`` how far the newest image's installation came."""
        states = dict.fromkeys(self.releases, "ok installed")
        states[self.releases[0]] = image
        blocks = [
            self._block(f"linux-image-{release}", VERSIONS.get(release, "9.9-1"), f"install {state}")
            for release, state in states.items()
        ]
        version = VERSIONS[self.needed]
        needs = f"Depends: linux-image-{self.needed} (= {version})\n"
        blocks.append(self._block(META, version, f"{want} ok installed", needs))
        if headers:
            blocks.append(self._block("linux-headers-cloud-amd64", version, "install ok installed"))
        self.write("var/lib/dpkg/status", "\n".join(blocks))

    @staticmethod
    def _block(name: str, version: str, status: str, more: str = "") -> str:
        return (
            f"Package: {name}\nStatus: {status}\nArchitecture: amd64\nMaintainer: nobody\nVersion: {version}\n{more}"
            f"Description: a kernel\n"
        )

    def environment(self, variables: dict[str, str]) -> None:
        """Write grubenv, as grub-editenv does."""
        text = "# GRUB Environment Block\n" + "".join(f"{name}={value}\n" for name, value in variables.items())
        self.write("boot/grub/grubenv", text.ljust(1024, "#"))

    def offer(self, release: str, version: str) -> None:
        """Pretend that the archive has a newer kernel, in the words of apt-get."""
        inst = "Inst {} ({} Debian-Security:13/stable-security [amd64])\n"
        text = inst.format(f"linux-image-{release}", version) + inst.replace(" (", " [1] (").format(META, version)
        self.write("var/lib/upstairs/apt-get-simulation", text)

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")


def pack(file: str, newer: str = "installed") -> None:
    """Pack a tree, to be planted on a host."""
    with tempfile.TemporaryDirectory() as place, tarfile.open(file, "w") as archive:
        if newer == "offered":
            KernelTree(Path(place), needed=OLD, releases=[OLD]).make().offer(NEW, VERSIONS[NEW])
        else:
            KernelTree(Path(place)).make()
        archive.add(place, ".")


if __name__ == "__main__":
    pack(*sys.argv[1:])
