# SPDX-License-Identifier: GPL-3.0-or-later
"""The states of a host's kernel, each from a table of facts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from plugins.module_utils.fleet.bootloader import Loader
from plugins.module_utils.fleet.kernel import (
    NOT_YET,
    Facts,
    Files,
    Judgement,
    Package,
    aim,
    flavour,
    judge,
    parse_packages,
    simulated,
)

OLD, NEW, NEWER = "6.1.0-47-amd64", "6.1.0-56-amd64", "6.1.0-60-amd64"
OLD_IMAGE = Package(f"linux-image-{OLD}", "6.1.170-1", "ii ")
NEW_IMAGE = Package(f"linux-image-{NEW}", "6.1.192-2", "ii ")
META = Package("linux-image-amd64", "6.1.192-2", "ii ", f"linux-image-{NEW} (= 6.1.192-2)")
BOOT = "7d0cd7f4-3c1f-4f0a-9c59-5f3c1c1a2b3d"
EARLIER = "e0f3a1aa-9e0b-4a38-8f0c-6a2f4c5d6e7f"
WELL = Files(7 << 20, 100.0, 40 << 20, 200.0, "", True)
OFFER = """\
NOTE: This is only a simulation!
Inst linux-image-6.1.0-60-amd64 (6.1.200-1 Debian-Security:12/oldstable-security [amd64])
Inst linux-image-amd64 [6.1.192-2] (6.1.200-1 Debian-Security:12/oldstable-security [amd64])
Conf linux-image-6.1.0-60-amd64 (6.1.200-1 Debian-Security:12/oldstable-security [amd64])
"""
PENDING = Facts(
    release=OLD,
    version_text="#1 SMP PREEMPT_DYNAMIC Debian 6.1.170-1 (2026-09-01)",
    boot_id=BOOT,
    packages=(OLD_IMAGE, NEW_IMAGE, META),
    boot_free=500 << 20,
    running_initrd_size=40 << 20,
    loader=Loader("grub", NEW, "gnulinux-simple"),
)
CURRENT = replace(PENDING, release=NEW, version_text="#1 SMP Debian 6.1.192-2 (2026-11-01)")


def ask(facts: Facts, files: Files = WELL, denied: tuple[str, ...] = (), wanted: str = "") -> Judgement:
    return judge(facts, aim(facts, wanted), files, denied, wanted)


def packages(*changes: Package, without: tuple[str, ...] = ()) -> tuple[Package, ...]:
    held = {one.name: one for one in (*PENDING.packages, *changes)}
    return tuple(one for name, one in held.items() if name not in without)


GRUB_STUCK = Loader("grub", OLD, "old", no_one_shot="GRUB cannot write to LVM")
FELL_BACK = Loader("grub", OLD, "old", armed=NEW, armed_in=EARLIER)
# (what differs from the host on which a newer kernel waits, the state, words of the reasons)
TABLE: list[tuple[str, dict[str, Any], str, str]] = [
    ("a newer kernel is installed", {}, "pending", ""),
    (
        "the archive has a newer one, whose /boot is judged when it is there",
        {"simulation": OFFER, "files": Files()},
        "pending",
        "",
    ),
    ("it runs", {"of": CURRENT}, "current", ""),
    ("the archive has a newer one than the newest here", {"of": CURRENT, "simulation": OFFER}, "pending", ""),
    (
        "the same name in a newer version",
        {"of": CURRENT, "version_text": "#1 SMP Debian 6.1.190-1 (2026-11-01)"},
        "pending",
        "",
    ),
    (
        "6.1.9 is not newer than 6.1.10",
        {
            "version_text": "#1 SMP Debian 6.1.10-1 (x)",
            "packages": packages(
                replace(META, depends=f"linux-image-{NEW} (= 6.1.9-1)"), replace(NEW_IMAGE, version="6.1.9-1")
            ),
        },
        "downgrade",
        "6.1.9-1 should: that is older",
    ),
    ("it is patched in memory", {"livepatched": True}, "patched_live_pending", "patched in memory"),
    ("patched in memory, and the target all the same", {"of": CURRENT, "livepatched": True}, "current", ""),
    ("the meta package is held", {"packages": packages(replace(META, status="hi "))}, "held", "apt-mark unhold"),
    (
        "held, although what it needs runs",
        {"of": CURRENT, "packages": packages(replace(META, status="hi "))},
        "held",
        "is held",
    ),
    (
        "a held kernel of a version holds nothing up",
        {"packages": packages(replace(OLD_IMAGE, status="hi "))},
        "pending",
        "",
    ),
    ("no meta package", {"packages": packages(without=("linux-image-amd64",))}, "held", "is not installed"),
    ("its meta package was removed", {"packages": packages(replace(META, status="rc "))}, "held", "is not installed"),
    (
        "another flavour's meta package",
        {"packages": packages(replace(META, name="linux-image-cloud-amd64"), without=("linux-image-amd64",))},
        "held",
        "linux-image-amd64 is not installed",
    ),
    ("half configured", {"packages": packages(replace(NEW_IMAGE, status="iF "))}, "blocked", "dpkg --configure -a"),
    ("only unpacked", {"packages": packages(replace(NEW_IMAGE, status="iU "))}, "blocked", "dpkg says iU"),
    ("must be installed again", {"packages": packages(replace(NEW_IMAGE, status="iiR"))}, "blocked", "dpkg says iiR"),
    (
        "the initrd's maker has work left",
        {"packages": packages(Package("initramfs-tools", "0.148", "it "))},
        "blocked",
        "initramfs-tools is not wholly installed",
    ),
    (
        "removed kernels are no matter",
        {"packages": packages(Package("linux-image-5.10.0-9-amd64", "5.10", "rc "))},
        "pending",
        "",
    ),
    (
        "what the meta package needs is gone",
        {"packages": packages(without=(f"linux-image-{NEW}",))},
        "pending",
        "",
    ),
    ("apt would remove something", {"simulation": OFFER + "Remv zfs-dkms [2.1]\n"}, "blocked", "would remove zfs-dkms"),
    ("denied", {"denied": ("6.1.192-2",)}, "denied", "6.1.192-2"),
    ("denied, and it runs", {"of": CURRENT, "denied": ("6.1.192-2",)}, "denied", "6.1.192-2"),
    ("a denied kernel runs and a better one waits", {"denied": ("6.1.170-1",)}, "pending", ""),
    ("the denied one is passed over by the archive", {"denied": ("6.1.192-2",), "simulation": OFFER}, "pending", ""),
    ("a container", {"container": "podman", "troubles": ("no dpkg",)}, "container", "its host's kernel"),
    ("something was not read", {"troubles": ("dpkg-query said: no",)}, "unknown", "dpkg-query said: no"),
    ("an error message for a boot id", {"boot_id": "cat: No such file"}, "unknown", "is no boot id"),
    ("no boot id", {"boot_id": ""}, "unknown", "is no boot id"),
    ("not Debian's", {"version_text": "#91-Ubuntu SMP"}, "unknown", "is not Debian's"),
    ("no release", {"release": ""}, "unknown", "no release"),
    ("two names for one version", {"version_text": "#1 Debian 6.1.192-2 (x)"}, "unknown", "by the same version"),
    ("no kernel file", {"files": replace(WELL, kernel_size=0)}, "blocked", f"vmlinuz-{NEW} is missing or empty"),
    ("no initrd", {"files": replace(WELL, initrd_size=0)}, "blocked", "update-initramfs -c"),
    ("an initrd of before", {"files": replace(WELL, initrd_time=99.0)}, "blocked", "is older than its kernel"),
    ("a broken initrd", {"files": replace(WELL, initrd_complaint="cut off")}, "blocked", "cut off"),
    ("no modules", {"files": replace(WELL, modules=False)}, "blocked", "modules.dep is missing"),
    ("no DKMS module", {"files": replace(WELL, dkms_lacking=("no zfs",))}, "blocked", "no zfs"),
    ("DKMS has no headers to build with", {"dkms_in_use": ("zfs",)}, "blocked", "linux-headers-amd64 is not installed"),
    (
        "DKMS has headers",
        {"dkms_in_use": ("zfs",), "packages": packages(Package("linux-headers-amd64", "6.1.192-2", "ii "))},
        "pending",
        "",
    ),
    ("/boot is nearly full", {"boot_free": 79 << 20}, "blocked", "79 MiB free, two initrds need 80"),
    (
        "/boot is nearly full before the kernel is there",
        {"simulation": OFFER, "boot_free": 79 << 20},
        "blocked",
        "79 MiB",
    ),
    ("secure boot", {"secure_boot": True}, "pending", ""),
    (
        "secure boot and a kernel that is not signed",
        {
            "secure_boot": True,
            "packages": (
                OLD_IMAGE,
                replace(NEW_IMAGE, name=f"linux-image-{NEW}-unsigned"),
                replace(META, depends=f"linux-image-{NEW}-unsigned (= 6.1.192-2)"),
            ),
        },
        "blocked",
        "is not signed",
    ),
    ("the boot loader has its own mind", {"loader": GRUB_STUCK}, "blocked", f"grub will boot {OLD}"),
    ("it boots the old one unless told once", {"loader": replace(GRUB_STUCK, no_one_shot="")}, "pending", ""),
    ("nothing can be told, and it boots the new one", {"loader": replace(GRUB_STUCK, will_boot=NEW)}, "pending", ""),
    (
        "no boot loader is known, and it is seen before the kernel is there",
        {"simulation": OFFER, "loader": Loader(why="nothing was found")},
        "blocked",
        "nothing was found",
    ),
    ("armed, and not yet booted", {"loader": replace(FELL_BACK, armed_in=BOOT)}, "pending", ""),
    ("fell back", {"loader": FELL_BACK}, "blocked", f"{NEW} did not come up"),
    ("fell back, and the archive has a newer one", {"loader": FELL_BACK, "simulation": OFFER}, "pending", ""),
    ("the wanted one is nowhere", {"wanted": "6.1.0-99-amd64"}, "blocked", "6.1.0-99-amd64 is wanted"),
    (
        "the wanted one is another flavour's",
        {
            "wanted": "6.1.0-99-rt-amd64",
            "packages": packages(Package("linux-image-6.1.0-99-rt-amd64", "6.1.999-1", "ii ")),
        },
        "blocked",
        "6.1.0-99-rt-amd64 is wanted",
    ),
    ("the wanted one is offered", {"wanted": NEWER, "simulation": OFFER}, "pending", ""),
    (
        "the wanted one runs, whatever the archive has",
        {"of": CURRENT, "wanted": NEW, "simulation": OFFER},
        "current",
        "",
    ),
    ("the wanted one does not run", {"wanted": NEW}, "pending", ""),
    ("the wanted one is older", {"of": CURRENT, "wanted": OLD}, "downgrade", "6.1.170-1 should"),
]


@pytest.mark.parametrize(("case", "differs", "state", "words"), TABLE, ids=[case for case, *_ in TABLE])
def test_a_state(case: str, differs: dict[str, Any], state: str, words: str) -> None:
    asked = {name: differs[name] for name in ("files", "denied", "wanted") if name in differs}
    facts = {name: value for name, value in differs.items() if name not in ("of", "files", "denied", "wanted")}
    seen = ask(replace(differs.get("of", PENDING), **facts), **asked)
    assert (seen.state, bool(words)) == (state, bool(seen.reasons)), seen.reasons
    assert words in "; ".join(seen.reasons)


def test_every_state_is_in_the_table() -> None:
    states = {
        "current",
        "pending",
        "held",
        "blocked",
        "patched_live_pending",
        "downgrade",
        "denied",
        "container",
        "unknown",
    }
    assert {state for _, _, state, _ in TABLE} == states


def test_what_is_not_there_yet_is_told_so() -> None:
    seen = ask(replace(PENDING, simulation=OFFER))
    assert seen.unbootable == (NOT_YET,)
    assert seen.target is not None
    assert (seen.target.release, seen.target.version, seen.target.installed) == (NEWER, "6.1.200-1", False)


def test_an_offer_that_was_taken_is_none() -> None:
    image = Package(f"linux-image-{NEWER}", "6.1.200-1", "ii ")
    facts = replace(
        PENDING, simulation=OFFER, packages=packages(image, replace(META, depends=f"linux-image-{NEWER} (= 6.1.200-1)"))
    )
    target = aim(facts)
    assert target is not None
    assert (target.release, target.installed) == (NEWER, True)


def test_the_highest_of_another_flavour_is_not_the_target() -> None:
    other = Package("linux-image-6.1.0-99-rt-amd64", "6.1.999-1", "ii ")
    target = aim(replace(PENDING, packages=packages(other)))
    assert target is not None
    assert target.release == NEW


def test_of_a_kernel_that_runs_it_is_told_what_speaks_against_its_next_boot() -> None:
    seen = ask(CURRENT, replace(WELL, initrd_size=0))
    assert seen.state == "current"
    assert "initrd.img" in seen.reasons[0]


def test_a_fall_back_is_told_beside_the_state() -> None:
    assert ask(replace(PENDING, loader=FELL_BACK)).fell_back
    assert not ask(PENDING).fell_back
    assert not ask(replace(CURRENT, loader=FELL_BACK)).fell_back


@pytest.mark.parametrize(
    ("release", "told"),
    [
        ("6.1.0-22-amd64", "amd64"),
        ("6.1.0-22-cloud-amd64", "cloud-amd64"),
        ("6.1.0-22-686-pae", "686-pae"),
        ("6.5.0-0.deb12.4-amd64", "amd64"),
        ("6.12.94+deb13-cloud-amd64", "cloud-amd64"),
        ("6.12.38+deb13+1-rt-amd64", "rt-amd64"),
        ("6.12.9+bpo-amd64", "amd64"),
        ("6.18.44-fc-v669", "fc-v669"),
        ("6.18.44", ""),
    ],
)
def test_the_flavour_of_a_release(release: str, told: str) -> None:
    assert flavour(release) == told


def test_packages_are_read_as_dpkg_prints_them() -> None:
    text = f"ii \tlinux-image-{NEW}\t6.1.192-2\tkmod, linux-base (>= 4.3~)\nun \tlinux-image\t\t\nrc \tlinux-image-{OLD}-dbg\t6\t\n"
    image, virtual, debug = parse_packages(text)
    assert (image.release, image.installed, image.broken) == (NEW, True, False)
    assert (virtual.release, virtual.installed, virtual.broken) == ("", False, False)
    assert debug.release == ""


def test_a_simulation_is_read_in_apts_words() -> None:
    installs, removed = simulated(OFFER + "Remv linux-image-5.10.0-9-amd64 [5.10.1-1]\n")
    assert installs == {f"linux-image-{NEWER}": "6.1.200-1", "linux-image-amd64": "6.1.200-1"}
    assert removed == ["linux-image-5.10.0-9-amd64"]
