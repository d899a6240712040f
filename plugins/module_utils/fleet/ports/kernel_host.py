# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what a host is, as far as kernels go; all of it below one directory, so that a made-up tree can stand in for a host."""

from __future__ import annotations

import errno
import lzma
import os
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..bootloader import Device, Loader, mount_of, of_grub, of_systemd_boot, unwritable
from ..kernel import LIVEPATCH_TAINT, PREFIX, Facts, Files, Package, flavour, needed, parse_packages
from .commands import found, run
from .whole import write_whole

# In apt's own words; read only where the root is not /, where apt has no archive to ask.
SIMULATION = "var/lib/upstairs/apt-get-simulation"
FORMAT = r"${db:Status-Abbrev}\t${Package}\t${Version}\t${Depends}\n"
PATTERNS = (f"{PREFIX}*", "linux-headers-*", "initramfs-tools*")
VENDOR = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
SECURE_BOOT = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
CONFIG, GRUBENV = "boot/grub/grub.cfg", "boot/grub/grubenv"
SIGNED = b"~Module signature appended~\n"
CANDIDATE = re.compile(r"^  Candidate: (\S+)$", re.MULTILINE)
LISTERS = ("lsinitramfs", "lsinitrd")
# Which initrd was found good, until the next boot: each host is looked at several times in each turn of a roll, and to list one takes
# longer than all else that is asked.
LISTED = "run/upstairs-initrds"
WITHIN = 120.0


@dataclass
class Host:
    """A host, or the tree that stands in for it."""

    root: Path
    troubles: list[str] = field(default_factory=list)

    @property
    def real(self) -> bool:
        """Whether it is this very host: only then its programs are asked."""
        return self.root == Path("/")

    def facts(self) -> Facts:
        """Return all that does not depend on which kernel is meant."""
        release, boot_id = self.running()
        container = self._container()
        packages = () if container else self._packages()
        named = f"{PREFIX}{flavour(release)}"
        meta = next((one for one in packages if one.name == named and one.installed and not one.held), None)
        return Facts(
            release=release,
            version_text=self._needed("proc/sys/kernel/version"),
            boot_id=boot_id,
            uptime=self._uptime(),
            container=container,
            packages=packages,
            simulation=self._simulation(meta, packages) if meta and not container else "",
            livepatched=self._livepatched(),
            secure_boot=self._read_bytes(SECURE_BOOT)[4:5] == b"\x01",
            dkms_in_use=tuple(sorted(self._dkms_in_use(release))),
            boot_free=self._boot_free(),
            running_initrd_size=self._stat(f"boot/initrd.img-{release}")[0],
            loader=self.loader(),
            troubles=tuple(self.troubles),
        )

    def files(self, release: str, running: str) -> Files:
        """Return what lies there for one kernel."""
        kernel, initrd = self._stat(f"boot/vmlinuz-{release}"), self._stat(f"boot/initrd.img-{release}")
        return Files(
            kernel_size=kernel[0],
            kernel_time=kernel[1],
            initrd_size=initrd[0],
            initrd_time=initrd[1],
            initrd_complaint=self._initrd_complaint(release) if initrd[0] else "",
            modules=bool(self._stat(f"lib/modules/{release}/modules.dep")[0]),
            dkms_lacking=tuple(self._dkms_lacking(release, running)),
        )

    def loader(self) -> Loader:
        """Return what the boot loader will do."""
        said = self._efi("LoaderInfo")
        if not said.startswith("systemd-boot") and self.path(CONFIG).is_file():
            return of_grub(*self.grub_files(), self.unwritable())
        for esp in ("efi", "boot/efi", "boot"):
            entries = sorted(self.path(f"{esp}/loader/entries").glob("*.conf"))
            if entries:
                texts = {one.name: one.read_text(encoding="utf-8", errors="replace") for one in entries}
                config_text = self.text(f"{esp}/loader/loader.conf")
                names = ("LoaderEntryOneShot", "LoaderEntryDefault")
                return of_systemd_boot(texts, config_text, {name: self._efi(name) for name in names})
        return Loader(
            no_one_shot="no boot loader was found", why="neither /boot/grub/grub.cfg nor loader/entries is there"
        )

    def unwritable(self) -> str:
        """Return why GRUB cannot write its environment block; "" if it can."""
        if self.path(GRUBENV).is_symlink():
            return "/boot/grub/grubenv is a link: GRUB writes only to a file of its own directory"
        mount = mount_of("/boot/grub", self.text("proc/self/mountinfo"))
        return unwritable(mount, self._device(mount.device) if mount else Device(known=False))

    def running(self) -> tuple[str, str]:
        """Return the running kernel's release, and the id of this boot."""
        return self._needed("proc/sys/kernel/osrelease"), self._needed("proc/sys/kernel/random/boot_id")

    def grub_files(self) -> tuple[str, bytes | None]:
        """Return grub.cfg, and grubenv if it is there."""
        block = self._read_bytes(GRUBENV) if self.path(GRUBENV).exists() else None
        return self._read_bytes(CONFIG).decode(errors="replace"), block

    def write_grubenv(self, block: bytes) -> None:
        """Write where the block lies: GRUB writes to the same place of the disk, and reads the disk without its journal."""
        path = self.path(GRUBENV)
        if not path.exists():
            self.write(GRUBENV, block.decode(errors="surrogateescape"))
            return
        with path.open("r+b") as file:
            file.write(block)
            file.flush()
            os.fsync(file.fileno())

    def text(self, below: str) -> str:
        """Return a file's text; "" where it is not there."""
        return self._read_bytes(below).decode(errors="replace")

    def write(self, below: str, text: str) -> None:
        """Write a file at once or not at all."""
        path = self.path(below)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text.encode(errors="surrogateescape"))

    def path(self, below: str) -> Path:
        """Return where something lies."""
        return self.root / below

    def _device(self, number: str) -> Device:
        place = self.path(f"sys/dev/block/{number}")
        if not place.exists():
            return Device(known=False)
        # A partition of a RAID is a directory inside the RAID's.
        raid = (place / "md").exists() or (place.resolve().parent / "md").exists()
        uuid = place / "dm/uuid"
        return Device(True, uuid.read_text(encoding="utf-8").strip() if uuid.exists() else "", raid)

    def _read_bytes(self, below: str) -> bytes:
        """Return a file's content, nothing where it is not there; what is there and cannot be read is a trouble."""
        try:
            return self.path(below).read_bytes()
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                self.troubles.append(f"{self.path(below)} cannot be read: {error.strerror}")
            return b""

    def _needed(self, below: str) -> str:
        text = self._read_bytes(below).decode(errors="replace").strip()
        if not text:
            self.troubles.append(f"{self.path(below)} says nothing")
        return text

    def _stat(self, below: str) -> tuple[int, float]:
        try:
            seen = self.path(below).stat()
        except OSError:
            return 0, 0.0
        return seen.st_size, seen.st_mtime

    def _efi(self, name: str) -> str:
        # Four bytes of attributes, then UTF-16.
        raw = self._read_bytes(f"sys/firmware/efi/efivars/{name}-{VENDOR}")[4:]
        return raw.decode("utf-16-le", errors="replace").rstrip("\0")

    def _uptime(self) -> float:
        text = self._needed("proc/uptime").split()
        try:
            return float(text[0])
        except (IndexError, ValueError):
            self.troubles.append("/proc/uptime tells no time")
            return 0.0

    def _container(self) -> str:
        """Return what kind of container it is; "" if it has a kernel of its own. systemd writes that down at its start."""
        if kind := self.text("run/systemd/container").strip():
            return kind
        return next((name for name in (".dockerenv", "run/.containerenv") if self.path(name).exists()), "")

    def _packages(self) -> tuple[Package, ...]:
        admin = f"--admindir={self.path('var/lib/dpkg')}"
        answer = run(["dpkg-query", admin, f"--showformat={FORMAT}", "--show", *PATTERNS], WITHIN)
        unmatched = all("no packages found matching" in line for line in answer.stderr.splitlines())
        if not (answer.rc == 0 or (answer.rc == 1 and unmatched)):
            self.troubles.append(f"dpkg-query said: {answer.output or answer.rc}")
            return ()
        try:
            return parse_packages(answer.stdout)
        except ValueError:
            self.troubles.append("dpkg-query answered what cannot be read")
            return ()

    def _simulation(self, meta: Package, packages: Collection[Package]) -> str:
        if not self.real:
            return self.text(SIMULATION)
        image, there = needed(meta), {one.name for one in packages if one.installed}
        if meta.version == self._candidate(meta.name) and image and image[1] in there:
            return ""
        # No lock: somebody who installs meanwhile is no reason to know nothing.
        answer = run(["apt-get", "--simulate", "-o", "Debug::NoLocking=1", "install", meta.name], WITHIN)
        if answer.rc != 0:
            self.troubles.append(f"apt-get -s install {meta.name} said: {answer.output[-400:]}")
            return ""
        return answer.stdout

    def _candidate(self, package: str) -> str:
        """Return the version that apt would bring. To ask costs a fiftieth of a simulation, and each host is asked nine times in a roll."""
        found = CANDIDATE.search(run(["apt-cache", "policy", package], WITHIN).stdout)
        return found[1] if found else ""

    def _livepatched(self) -> bool:
        taint = self.text("proc/sys/kernel/tainted").strip()
        marked = taint.isdecimal() and bool(int(taint) & LIVEPATCH_TAINT)
        return marked or any(self.path("sys/kernel/livepatch").glob("*/enabled"))

    def _boot_free(self) -> int:
        try:
            seen = os.statvfs(self.path("boot"))
        except OSError as error:
            self.troubles.append(f"the space of /boot is not known: {error.strerror}")
            return 0
        return seen.f_bavail * seen.f_frsize

    def _initrd_complaint(self, release: str) -> str:
        if not self.real:
            return ""
        program = next((name for name in LISTERS if found(name)), None)
        if program is None:
            return "nothing here can list it: neither lsinitramfs nor lsinitrd is installed"
        # Before it is listed: of what is written meanwhile nothing is remembered.
        seal, remembered = self._seal(f"boot/initrd.img-{release}"), f"{LISTED}/{release}"
        if seal and self.text(remembered) == seal:
            return ""
        answer = run([program, f"/boot/initrd.img-{release}"], WITHIN)
        if answer.rc != 0:
            return f"{program} cannot list it, so it is broken: {answer.stderr.strip()[-200:]}"
        if f"lib/modules/{release}/" not in answer.stdout:
            return f"it holds no modules of {release}"
        # Whoever may not write there lists it again.
        with suppress(OSError):
            self.write(remembered, seal)
        return ""

    def _seal(self, below: str) -> str:
        """Return what changes whenever somebody writes a file: nobody can set the time of its last change of state; "" without one."""
        try:
            seen = self.path(below).stat()
        except OSError:
            return ""
        return f"{seen.st_dev} {seen.st_ino} {seen.st_size} {seen.st_ctime_ns}"

    def _dkms_links(self, release: str) -> Iterator[tuple[str, Path]]:
        """Return what DKMS installed for a kernel, and where it built it: a link says that, by which `dkms status` knows too."""
        for link in sorted(self.path("var/lib/dkms").glob(f"*/kernel-{release}-*")):
            if link.is_dir():
                yield link.parent.name, link / "module"

    def _dkms_in_use(self, release: str) -> set[str]:
        loaded = {line.split()[0] for line in self.text("proc/modules").splitlines()}
        # A root on ZFS counts even where its module is built in.
        words = [line.split() for line in self.text("etc/fstab").splitlines()]
        loaded |= {fields[2] for fields in words if len(fields) > 2 and not fields[0].startswith("#")}
        return {
            name
            for name, built in self._dkms_links(release)
            if any(re.sub(r"\.ko(\..*)?$", "", one.name).replace("-", "_") in loaded for one in built.glob("*.ko*"))
        }

    def _dkms_lacking(self, release: str, running: str) -> Iterator[str]:
        there = dict(self._dkms_links(release))
        secure = self._read_bytes(SECURE_BOOT)[4:5] == b"\x01"
        for name in sorted(self._dkms_in_use(running)):
            if name not in there:
                yield f"the DKMS module {name} is in use and is not built for {release}: dkms autoinstall -k {release}"
            elif secure and not all(signed(module) for module in there[name].glob("*.ko*")):
                yield f"secure boot is on, and the DKMS module {name} is not signed for {release}"


def signed(module: Path) -> bool:
    """Return whether a module carries a signature; what cannot be unpacked here counts as unsigned."""
    content = module.read_bytes()
    try:
        content = lzma.decompress(content) if module.suffix == ".xz" else content
    except lzma.LZMAError:
        return False
    return content.endswith(SIGNED)
