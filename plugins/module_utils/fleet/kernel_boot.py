# SPDX-License-Identifier: GPL-3.0-or-later
"""How GRUB is told to boot a kernel once, to keep it, or to forget that: its environment block before and after. Pure: no I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from . import grub
from .bootloader import ARMED, ARMED_IN, BEFORE, fell_back

# Seconds after which a kernel that panicked boots the default by itself; without, it stands still until somebody comes.
PANIC = 30
# Last in its directory, so that no other file there has the last word.
SETTINGS_FILE = "etc/default/grub.d/zz-upstairs.cfg"
SETTINGS = f"""\
# Managed by Ansible (kernel_boot): a kernel is booted once, and is the default only after it has proven itself.
GRUB_DEFAULT=saved
GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX panic={PANIC}"
"""
KEEP_FILE = "etc/apt/apt.conf.d/60upstairs-kernels"


class Refusal(Exception):
    """Why it is not done, and what to do."""


@dataclass(frozen=True)
class Wish:
    """What is asked of a host: a state of ``pinned``, ``armed``, ``blessed`` or ``disarmed``, the kernel, and the one to fall back to."""

    state: str
    release: str
    fallback: str
    running: str
    boot_id: str


def lacks_settings(menu: grub.Menu, release: str) -> str:
    """Return what grub.cfg lacks to boot a kernel once and come back from it; "" if nothing."""
    if not menu.obeys_saved:
        return f"GRUB boots {menu.default!r}, not what was saved"
    if not menu.obeys_once:
        return "grub.cfg does not look at next_entry"
    choice = grub.choice_for(menu, release)
    options = choice.entry.options if choice else ()
    # Of several the kernel takes the last.
    said = [option for option in options if option.startswith("panic=")]
    return "" if said and re.fullmatch(r"panic=[1-9]\d*", said[-1]) else f"{release} would stand still after a panic"


def environment(menu: grub.Menu, variables: Mapping[str, str], wish: Wish) -> dict[str, str]:
    """Return the variables that GRUB shall find; those of others stay as they are."""
    if not wish.release and wish.state != "disarmed":
        raise Refusal("no kernel is named: write its release, such as 6.1.0-56-amd64")
    how = {"pinned": _pinned, "armed": _armed, "blessed": _blessed, "disarmed": _disarmed}[wish.state]
    return how(menu, dict(variables), wish)


def _pinned(menu: grub.Menu, variables: dict[str, str], wish: Wish) -> dict[str, str]:
    """Make what runs the default, as it is after every blessing. What is for one boot was armed by somebody, and stays."""
    if wish.running != wish.release:
        raise Refusal(f"{wish.release} does not run, {wish.running} does: only the kernel that runs is pinned")
    return variables | {grub.SAVED: _name(menu, wish.release)}


def _armed(menu: grub.Menu, variables: dict[str, str], wish: Wish) -> dict[str, str]:
    if wish.release == wish.fallback:
        raise Refusal(
            f"{wish.release} cannot be its own way back: a kernel of the same name has replaced the old one on the disk"
        )
    armed = variables.get(ARMED, "")
    if armed == wish.release and fell_back(armed, variables.get(ARMED_IN, ""), wish.running, wish.boot_id):
        raise Refusal(
            f"{wish.release} was booted once and did not come up. Find out why, or deny it; to try it again say `state: disarmed` first"
        )
    before = variables.get(BEFORE, variables.get(grub.SAVED, ""))
    kept = {name: value for name, value in variables.items() if name != "prev_saved_entry"}
    return kept | {
        grub.SAVED: _name(menu, wish.fallback),
        grub.ONCE: _name(menu, wish.release),
        ARMED: wish.release,
        ARMED_IN: wish.boot_id,
        BEFORE: before,
    }


def _blessed(menu: grub.Menu, variables: dict[str, str], wish: Wish) -> dict[str, str]:
    if wish.running != wish.release:
        raise Refusal(
            f"{wish.release} does not run, {wish.running} does: only a kernel that has come up is made the default"
        )
    kept = _forget(variables)
    if menu.obeys_saved:
        return kept | {grub.SAVED: _name(menu, wish.release)}
    default = grub.booted(menu, variables, once=False)
    if default is None or default.release != wish.release:
        raise Refusal(f"GRUB boots {menu.default!r}, whatever is saved: arm a kernel first, that makes it look")
    return kept


def _disarmed(menu: grub.Menu, variables: dict[str, str], wish: Wish) -> dict[str, str]:
    """Undo what was armed, and nothing else."""
    if ARMED not in variables:
        return variables
    kept = _forget(variables)
    # Once it was booted, the old kernel stays the default: before that it was perhaps "the newest", which is the one that failed.
    if variables.get(ARMED_IN) == wish.boot_id:
        kept.pop(grub.SAVED, None)
        if before := variables.get(BEFORE):
            kept[grub.SAVED] = before
    return kept


def _forget(variables: Mapping[str, str]) -> dict[str, str]:
    # What somebody else wants to boot once is theirs, if nothing was armed here.
    ours = {ARMED, ARMED_IN, BEFORE, *((grub.ONCE,) if ARMED in variables else ())}
    return {name: value for name, value in variables.items() if name not in ours}


def _name(menu: grub.Menu, release: str) -> str:
    choice = grub.choice_for(menu, release)
    if choice is None:
        raise Refusal(
            f"grub.cfg has no entry for {release}: is it installed? Run update-grub, and look at what it finds"
        )
    return choice.name


def wrong(menu: grub.Menu, variables: Mapping[str, str], wish: Wish) -> str:
    """Return what GRUB would do otherwise than it was told, by what was read back; "" if nothing."""
    if wish.state == "disarmed":
        return ""
    once, after = (grub.booted(menu, variables, once=once) for once in (True, False))
    found = (once.release if once else "", after.release if after else "")
    # What somebody armed for one boot is theirs.
    first = found[0] if wish.state == "pinned" else wish.release
    expected = (first, wish.fallback if wish.state == "armed" else wish.release)
    if found == expected:
        return ""
    return f"GRUB would boot {found[0] or 'nothing'} and then {found[1] or 'nothing'}, not {expected[0]} and then {expected[1]}"


def keep(*releases: str) -> str:
    """Return apt's setting that keeps kernels from being removed because nothing needs them."""
    lines = [f'  "^linux-image-{re.escape(release).replace(chr(92) + "-", "-")}$";\n' for release in releases]
    return (
        "// Managed by Ansible (kernel_boot): the kernel to go back to.\nAPT::NeverAutoRemove\n{\n"
        + "".join(lines)
        + "};\n"
    )


def lines(variables: Mapping[str, str]) -> str:
    """Return the variables as a difference shows them."""
    return "".join(f"{name}={value}\n" for name, value in variables.items())
