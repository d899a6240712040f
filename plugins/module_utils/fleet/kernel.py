# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a host runs the kernel that it should, and whether it could boot the one that it should: from facts. Pure: no I/O.

Only Debian's kernels are known: their version stands in what the kernel says of itself. Of all others the answer is "unknown".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

from .bootloader import Loader, fell_back
from .dpkg_version import compare

PREFIX = "linux-image-"
# Seen in `uname -v`: #1 SMP PREEMPT_DYNAMIC Debian 6.1.94-1 (2024-06-21)
OWN_VERSION = re.compile(r"\bDebian (\d\S*)")
NEEDED = re.compile(r"(linux-image-\d\S*) \(= ([^)]+)\)")
SIMULATED = re.compile(r"^(Inst|Remv) (\S+) (?:\[[^]]*\] ?)?(?:\((\S+))?", re.MULTILINE)
LIVEPATCH_TAINT = 1 << 15
# A new initrd is written beside the old one.
ROOM = 2


@dataclass(frozen=True)
class Package:
    """A package as dpkg knows it."""

    name: str
    version: str
    status: str
    depends: str = ""

    @property
    def installed(self) -> bool:
        """Whether it is there as a whole."""
        return self.status[1:3].strip() == "i"

    @property
    def broken(self) -> bool:
        """Whether its installation began and did not end: its scripts have not, or not all, run."""
        return self.status[1:2] not in ("i", "n", "c") or (not self.status[2:3].isspace() and len(self.status) > 2)

    @property
    def held(self) -> bool:
        """Whether somebody forbade that it changes."""
        return self.status[:1] == "h"

    @property
    def release(self) -> str:
        """The kernel that is in it; "" for all packages but those."""
        if not re.match(rf"{PREFIX}\d", self.name) or self.name.endswith("-dbg"):
            return ""
        return self.name.removeprefix(PREFIX).removesuffix("-unsigned")


@dataclass(frozen=True)
class Files:
    """What lies in /boot and /lib/modules for one kernel. Times are seconds; a size of 0 is no file."""

    kernel_size: int = 0
    kernel_time: float = 0.0
    initrd_size: int = 0
    initrd_time: float = 0.0
    # What the reader of initrds says against it; "" if nothing.
    initrd_complaint: str = ""
    modules: bool = False
    # Modules that DKMS built and are in use, and are not there for this kernel, each with why.
    dkms_lacking: tuple[str, ...] = ()


@dataclass(frozen=True)
class Target:
    """The kernel that the host should run."""

    release: str
    version: str
    package: str
    installed: bool = True

    def told(self) -> dict[str, Any]:
        """Return it as it is told."""
        return asdict(self)


@dataclass(frozen=True)
class Facts:
    """What a host is, as far as kernels go."""

    release: str = ""
    version_text: str = ""
    boot_id: str = ""
    uptime: float = 0.0
    container: str = ""
    packages: Sequence[Package] = ()
    # What `apt-get -s install` of the meta package said.
    simulation: str = ""
    livepatched: bool = False
    secure_boot: bool = False
    dkms_in_use: tuple[str, ...] = ()
    boot_free: int = 0
    running_initrd_size: int = 0
    loader: Loader = field(default_factory=Loader)
    # What could not be read, each in words.
    troubles: tuple[str, ...] = ()

    @property
    def boot_id_valid(self) -> bool:
        """Whether it is one: an error message that is taken for one looks like a new boot."""
        return _is_uuid(self.boot_id)

    @property
    def fell_back(self) -> bool:
        """Whether a kernel was armed, and did not come up."""
        return fell_back(self.loader.armed, self.loader.armed_in, self.release, self.boot_id)

    @property
    def version(self) -> str:
        """The running kernel's package version, by its own word."""
        found = OWN_VERSION.search(self.version_text)
        return found[1] if found else ""

    @property
    def flavour(self) -> str:
        """The running kernel's flavour."""
        return flavour(self.release)

    @property
    def images(self) -> list[Package]:
        """The kernels of the running one's flavour: others are other systems."""
        return [one for one in self.packages if one.release and flavour(one.release) == self.flavour]

    @property
    def meta(self) -> Package | None:
        """The package that brings each new kernel of the flavour."""
        named = f"{PREFIX}{self.flavour}"
        return next((one for one in self.packages if one.name == named and one.status[1:2] not in ("n", "c")), None)


@dataclass(frozen=True)
class Judgement:
    """The state of a host's kernel, why, which kernel it should run, and what speaks against booting that."""

    state: str
    reasons: tuple[str, ...] = ()
    target: Target | None = None
    unbootable: tuple[str, ...] = ()
    fell_back: bool = False


def flavour(release: str) -> str:
    """Return the flavour of a release: ``cloud-amd64`` of ``6.1.0-22-cloud-amd64`` and of ``6.12.94+deb13-cloud-amd64``."""
    version, _, rest = release.partition("-")
    abi, _, after = rest.partition("-")
    # Since 2025 the version is the ABI; before, a number of its own follows. Not every number is one: there is 686-pae.
    numbered = "+" not in version and "~" not in version and re.fullmatch(r"\d+(\.deb\d+u?\.\d+)?", abi)
    return after if numbered else rest


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def parse_packages(text: str) -> tuple[Package, ...]:
    """Read ``dpkg-query -W`` with status, name, version and dependencies, parted by tabs."""
    rows = (line.split("\t") for line in text.splitlines() if line.strip())
    return tuple(Package(name, version, status, depends) for status, name, version, depends in rows)


def simulated(text: str) -> tuple[dict[str, str], list[str]]:
    """Return what ``apt-get -s`` would install, each with its version, and what it would remove."""
    found = SIMULATED.findall(text)
    installs = {name: version for verb, name, version in found if verb == "Inst"}
    return installs, [name for verb, name, _ in found if verb == "Remv"]


def aim(facts: Facts, wanted: str = "") -> Target | None:
    """Return the kernel that the host should run: the wanted one, else the archive's, else that which the meta package needs."""
    installed = {one.release: one for one in facts.images if one.installed}
    offers = [Target(one.release, one.version, one.name, installed=False) for one in _offers(facts)]
    if wanted:
        offered = next((one for one in offers if one.release == wanted), None)
        there = installed.get(wanted)
        return offered or (Target(wanted, there.version, there.name) if there else None)
    if offers:
        return offers[0]
    found = needed(facts.meta) if facts.meta else None
    if found is None:
        return None
    release = Package(found[1], "", "").release
    there = installed.get(release)
    return Target(release, there.version if there else found[2], found[1], installed=there is not None)


def needed(meta: Package) -> re.Match[str] | None:
    """Return the kernel's package that a meta package brings, its name and its version; nothing if it names none."""
    return NEEDED.search(meta.depends)


def _offers(facts: Facts) -> list[Package]:
    """Return the kernels of the flavour that apt would bring and that are not there yet."""
    installs, _ = simulated(facts.simulation)
    there = {(one.name, one.version) for one in facts.packages if one.installed}
    new = [Package(name, version, "") for name, version in installs.items() if (name, version) not in there]
    return [one for one in new if one.release and flavour(one.release) == facts.flavour]


def judge(facts: Facts, target: Target | None, files: Files, denied: Collection[str], wanted: str = "") -> Judgement:
    """Return the state. What is not known, and what would not boot, is never "current" and never "pending"."""
    against = unbootable(facts, target, files) if target else ()

    def found(state: str, *reasons: str) -> Judgement:
        return Judgement(state, tuple(reasons), target, against, facts.fell_back)

    if facts.container:
        return Judgement("container", (f"a container ({facts.container}) has its host's kernel: update that host",))
    if lacks := _unknown(facts):
        return found("unknown", *lacks)
    if why := _held(facts):
        return found("held", why)
    if broken := _broken(facts):
        return found("blocked", *broken)
    if target is None:
        return found("blocked", _no_target(facts, wanted))
    if target.version in denied:
        return found("denied", f"{target.version} ({target.package}) is denied")
    return _compared(facts, target, against, found)


def _compared(facts: Facts, target: Target, against: tuple[str, ...], found: Callable[..., Judgement]) -> Judgement:
    """Judge a target that is allowed, against what runs."""
    order = compare(target.version, facts.version)
    if order == 0 and target.release == facts.release and target.installed:
        judgement = found("current", *against)
    elif order < 0:
        judgement = found("downgrade", f"{facts.version} runs, and {target.version} should: that is older")
    elif order == 0:
        judgement = found("unknown", f"{target.release} and {facts.release} run by the same version {target.version}")
    elif facts.loader.armed == target.release and facts.fell_back:
        judgement = found("blocked", f"{target.release} did not come up: the host went back to {facts.release}")
    elif against and (target.installed or against != (NOT_YET,)):
        judgement = found("blocked", *(why for why in against if why != NOT_YET))
    elif facts.livepatched:
        judgement = found("patched_live_pending", f"{facts.release} is patched in memory, which replaces no new kernel")
    else:
        judgement = found("pending")
    return judgement


NOT_YET = "not installed yet"


def _unknown(facts: Facts) -> list[str]:
    lacks = list(facts.troubles)
    if not facts.boot_id_valid:
        lacks.append(f"{facts.boot_id[:60]!r} is no boot id")
    if not facts.release or not facts.flavour:
        lacks.append(f"the running kernel has no flavour that can be named: {facts.release or 'no release'}")
    if not facts.version:
        lacks.append(f"the running kernel is not Debian's: it says {facts.version_text[:120] or 'nothing'}")
    return lacks


def _held(facts: Facts) -> str:
    if facts.meta is None:
        return f"{PREFIX}{facts.flavour} is not installed: without that package no new kernel ever comes. Install it"
    if facts.meta.held:
        return f"{facts.meta.name} is held: no new kernel comes. apt-mark unhold {facts.meta.name} lets it"
    return ""


def _broken(facts: Facts) -> list[str]:
    """Return what speaks against any change of kernels on this host."""
    _, removed = simulated(facts.simulation)
    named = [one for one in facts.packages if one.name.startswith((PREFIX, "linux-headers-", "initramfs-tools"))]
    broken = [
        f"{one.name} is not wholly installed (dpkg says {one.status.strip()}): run dpkg --configure -a, and read what it says"
        for one in named
        if one.broken
    ]
    return broken + [f"apt would remove {name} to bring the new kernel: do that by hand, or not" for name in removed]


def _no_target(facts: Facts, wanted: str) -> str:
    if wanted:
        offers = ", ".join(one.release for one in _offers(facts)) or "nothing"
        return f"{wanted} is wanted, is not installed, and apt would install {offers}"
    return f"{facts.meta.name if facts.meta else PREFIX} needs no kernel that can be named"


def unbootable(facts: Facts, target: Target, files: Files) -> tuple[str, ...]:
    """Return what speaks against booting a kernel; of one that is not installed yet, what can be known before."""
    against = [] if target.installed else [NOT_YET]
    room = ROOM * (files.initrd_size or facts.running_initrd_size)
    if facts.boot_free < room:
        against.append(f"/boot has {facts.boot_free >> 20} MiB free, two initrds need {room >> 20}")
    if facts.dkms_in_use and not _headers(facts):
        against.append(f"linux-headers-{facts.flavour} is not installed: DKMS builds nothing for a new kernel")
    if facts.loader.why and not facts.loader.will_boot:
        against.append(f"it is not known what the boot loader will boot: {facts.loader.why}")
    if target.installed:
        against += _files_against(facts, target, files)
    return tuple(against)


def _headers(facts: Facts) -> bool:
    return any(one.installed and one.name == f"linux-headers-{facts.flavour}" for one in facts.packages)


def _files_against(facts: Facts, target: Target, files: Files) -> list[str]:
    release, loader = target.release, facts.loader
    named = f"linux-image-{release}"
    checks: Mapping[str, bool] = {
        f"/boot/vmlinuz-{release} is missing or empty: apt-get install --reinstall {named}": not files.kernel_size,
        f"/boot/initrd.img-{release} is missing or empty: update-initramfs -c -k {release}": not files.initrd_size,
        f"/boot/initrd.img-{release} is older than its kernel: update-initramfs -u -k {release}": bool(
            files.initrd_size and files.initrd_time < files.kernel_time
        ),
        f"/boot/initrd.img-{release}: {files.initrd_complaint}": bool(files.initrd_complaint),
        f"/lib/modules/{release}/modules.dep is missing: apt-get install --reinstall {named}": not files.modules,
        f"secure boot is on, and {target.package} is not signed": facts.secure_boot
        and target.package.endswith("-unsigned"),
        f"{loader.kind} will boot {loader.will_boot}, and cannot be told otherwise once: {loader.no_one_shot}": bool(
            loader.will_boot != release and loader.will_boot and loader.no_one_shot
        ),
    }
    return [said for said, wrong in checks.items() if wrong] + list(files.dkms_lacking)
