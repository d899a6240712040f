# SPDX-License-Identifier: GPL-3.0-or-later
"""What the boot loader will boot, and whether it can be told to boot something only once. Pure: no I/O."""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from . import grub

# Which kernel was armed, in which boot, and what the default was before: kept where the boot loader keeps its own.
ARMED = "upstairs_armed"
ARMED_IN = "upstairs_armed_in"
BEFORE = "upstairs_before"
# GRUB writes the block where it lies, past the filesystem: it can where that is all there is to it.
PLAIN = ("ext2", "ext3", "ext4", "vfat", "xfs")


@dataclass(frozen=True)
class Loader:
    """What is known of the boot loader."""

    kind: str = "unknown"
    will_boot: str = ""
    entry: str = ""
    # Why nothing can be booted only once; "" if it can.
    no_one_shot: str = ""
    why: str = ""
    armed: str = ""
    armed_in: str = ""

    def told(self) -> dict[str, str]:
        """Return it as it is told."""
        return {
            "kind": self.kind,
            "will_boot": self.will_boot,
            "entry": self.entry,
            "one_shot": "unavailable" if self.no_one_shot else "available",
            "why": self.no_one_shot or self.why,
        }


@dataclass(frozen=True)
class Mount:
    """What carries a directory."""

    point: str
    filesystem: str
    device: str


@dataclass(frozen=True)
class Device:
    """A block device, as far as it matters whether GRUB can write to it."""

    known: bool = True
    mapped: str = ""  # the uuid that the device mapper gives: LVM-..., CRYPT-..., mpath-...
    raid: bool = False


@dataclass(frozen=True)
class SdEntry:
    """One entry of systemd-boot (the Boot Loader Specification's type 1)."""

    name: str
    said: Mapping[str, str]

    @property
    def id(self) -> str:
        """Its name without the count of tries."""
        return re.sub(r"\+\d+(-\d+)?(?=\.conf$)", "", self.name)

    @property
    def exhausted(self) -> bool:
        """Whether all of its tries were used up: it is the last resort then."""
        return bool(re.search(r"\+0+(-\d+)?\.conf$", self.name))

    @property
    def release(self) -> str:
        """The kernel that it boots."""
        found = re.search(r"([^/]+)/(?:linux|vmlinuz)$|vmlinuz-([^/]+)$", self.said.get("linux", ""))
        return (found[1] or found[2]) if found else self.said.get("version", "")


def of_grub(config: str, block: bytes | None, unwritable: str) -> Loader:
    """Return what GRUB will boot; ``unwritable`` says why it cannot write its block."""
    try:
        menu, variables = grub.read_menu(config), grub.read_environment(block) if block is not None else {}
    except grub.Unreadable as error:
        return Loader("grub", no_one_shot=str(error), why=str(error))
    entry = grub.booted(menu, variables)
    why = "" if entry and entry.release else "the entry that GRUB will boot names no kernel"
    if not unwritable and not menu.obeys_once:
        unwritable = "grub.cfg does not look at next_entry: run update-grub"
    return Loader(
        "grub",
        entry.release if entry else "",
        (entry.id or entry.title) if entry else "",
        unwritable,
        why,
        variables.get(ARMED, ""),
        variables.get(ARMED_IN, ""),
    )


def fell_back(armed: str, armed_in: str, running: str, boot_id: str) -> bool:
    """Return whether a kernel was armed, the host booted since, and another one runs."""
    return armed not in ("", running) and armed_in != boot_id


def mount_of(path: str, mountinfo: str) -> Mount | None:
    """Return what carries a path, by /proc/self/mountinfo (proc(5)); the last mount over a place is the one that is seen."""
    found = None
    for line in mountinfo.splitlines():
        words, _, rest = line.partition(" - ")
        fields, kinds = words.split(), rest.split()
        if len(fields) < 5 or not kinds:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4])
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and (found is None or len(point) >= len(found.point)):
            found = Mount(point, kinds[0], fields[2])
    return found


def unwritable(mount: Mount | None, device: Device) -> str:
    """Return why GRUB cannot write its environment block there; "" if it can. An entry for once would stay for ever."""
    if mount is None:
        return "it is not known what carries /boot/grub"
    if mount.filesystem not in PLAIN:
        return f"GRUB cannot write to {mount.filesystem}, which carries /boot/grub"
    if not device.known:
        return f"it is not known what the block device {mount.device} is, which carries /boot/grub"
    if device.raid:
        return "GRUB cannot write to a software RAID, which carries /boot/grub"
    if device.mapped.startswith("LVM-"):
        return "GRUB cannot write to LVM, which carries /boot/grub"
    if device.mapped and not re.match(r"(part\d+-)?mpath-", device.mapped):
        return f"GRUB may not write to {device.mapped.partition('-')[0]}, a mapped device that carries /boot/grub"
    return ""


def of_systemd_boot(entries: Mapping[str, str], config: str, variables: Mapping[str, str]) -> Loader:
    """Return what systemd-boot will boot; ``variables`` are the EFI ones of the loader's interface."""
    menu = sorted((SdEntry(name, _fields(text)) for name, text in entries.items()), key=functools.cmp_to_key(_order))
    wanted = (variables.get("LoaderEntryOneShot"), variables.get("LoaderEntryDefault"), _fields(config).get("default"))
    entry = next((found for name in wanted if name and (found := _named(menu, name))), menu[0] if menu else None)
    never = "only GRUB is told to boot a kernel once; systemd-boot counts tries itself, where they are set up"
    why = "" if entry and entry.release else "systemd-boot has no entry that names a kernel"
    return Loader("systemd-boot", entry.release if entry else "", entry.id if entry else "", never, why)


def _named(menu: Iterable[SdEntry], pattern: str) -> SdEntry | None:
    return next((one for one in menu if fnmatch.fnmatch(one.id, pattern) or one.id == f"{pattern}.conf"), None)


def _fields(text: str) -> dict[str, str]:
    pairs = (line.strip().split(maxsplit=1) for line in text.splitlines() if not line.strip().startswith("#"))
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


def _order(one: SdEntry, other: SdEntry) -> int:
    """Order entries as the menu does: those that never came up last, then by sort key, the newest version first."""
    if one.exhausted != other.exhausted:
        return 1 if one.exhausted else -1
    mine, theirs = one.said.get("sort-key", ""), other.said.get("sort-key", "")
    if bool(mine) != bool(theirs):
        return -1 if mine else 1
    if mine:
        sets = [(each.said.get("sort-key", ""), each.said.get("machine-id", "")) for each in (one, other)]
        if sets[0] != sets[1]:
            return -1 if sets[0] < sets[1] else 1
        if newer := compare_uapi(other.said.get("version", ""), one.said.get("version", "")):
            return newer
    return compare_uapi(other.id, one.id)


def compare_uapi(one: str, other: str) -> int:
    """Compare versions as systemd does (UAPI.10): -1, 0 or 1."""
    mine, theirs = (_pieces(text) for text in (one, other))
    return (mine > theirs) - (mine < theirs)


def _pieces(text: str) -> list[tuple[int, int, str]]:
    ranks = {"~": 0, "-": 2, "^": 3, ".": 4}
    found: list[tuple[int, int, str]] = []
    for sign, digits, letters in re.findall(r"([~\-^.])|([0-9]+)|([A-Za-z]+)", text):
        if sign:
            found.append((ranks[sign], 0, ""))
        else:
            found.append((6, int(digits), "") if digits else (5, 0, letters))
    # The end is after a tilde and before all else.
    return [*found, (1, 0, "")]
