#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Boot a kernel once, make it the default when it has proven itself, or forget it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet import grub
from ..module_utils.fleet.kernel_boot import (
    KEEP_FILE,
    SETTINGS,
    SETTINGS_FILE,
    Refusal,
    Wish,
    environment,
    keep,
    lacks_settings,
    lines,
    wrong,
)
from ..module_utils.fleet.ports.commands import run
from ..module_utils.fleet.ports.kernel_host import Host

DOCUMENTATION = r"""
---
module: kernel_boot
short_description: Boot a kernel once, make it the default when it has proven itself, or forget it
description:
  - Tells GRUB which kernel the next boot takes, and which all others take. So a kernel that does not come up is followed by the old
    one, after a panic by itself, after a hang when somebody or a watchdog resets the host.
  - Works only where GRUB can write its environment block, which is a plain disk or partition with ext2 to ext4, XFS or FAT. On LVM, a
    software RAID, Btrfs or ZFS an entry for one boot would stay for ever, so that O(state=armed) and O(state=pinned) are refused there.
  - Does not reboot.
author: [Upstairs]
options:
  state:
    description:
      - V(pinned), every boot takes the kernel that runs. It is for the time before another one is installed, because GRUB boots the newest
        that it finds wherever nothing was said, be it armed and proven or not. It sets what V(armed) sets of GRUB, and nothing undoes it;
        V(blessed) moves it.
      - V(armed), the next boot takes O(release), and all after it O(fallback). Where GRUB does not look at what is saved, or a panic would
        stand still, C(/etc/default/grub.d/zz-upstairs.cfg) says so (C(GRUB_DEFAULT=saved), C(panic=30)) and C(update-grub) is run. Both
        kernels are kept from C(apt autoremove) until the next time. What was written is read back, and GRUB's choice worked out from it.
      - A kernel that was armed, and after the boot of which another one runs, is not armed again before O(state=disarmed).
      - V(blessed), O(release) is the default. It must run, so a kernel that never came up is never the default.
      - V(disarmed), undoes V(armed). If the host has booted since, the old kernel stays the default, because what was before is perhaps
        the newest, which is the one that failed. What was set by others is left alone, and the settings of GRUB and apt stay.
    type: str
    choices: [pinned, armed, blessed, disarmed]
    required: true
  release:
    description: The kernel, such as V(6.1.0-56-amd64). Required for O(state=armed) and O(state=blessed). The one that runs is pinned.
    type: str
  fallback:
    description: The kernel that is booted if O(release) does not come up; empty for the running one.
    type: str
    default: ""
  root:
    description:
      - The directory below which all lies, as for M(kernel_info), so that a made-up tree can stand in for a host.
      - Below another root than V(/) no program is run. There is nobody to write C(grub.cfg), so the tree's must look at what is saved
        already, and its entries must have a C(panic=).
    type: path
    default: /
attributes:
  check_mode:
    description: Says what it would do, and refuses the same.
    support: full
  diff_mode:
    description: The variables of GRUB's environment block.
    support: full
seealso:
  - module: kernel_info
"""

EXAMPLES = r"""
- name: install | Keep the kernel that runs the default
  kernel_boot:
    state: pinned

- name: reboot | Boot the new kernel once, the old one after it
  kernel_boot:
    state: armed
    release: "{{ __kernel_update_target.release }}"

- name: prove | Make it the default
  kernel_boot:
    state: blessed
    release: "{{ __kernel_update_target.release }}"

- name: Try again a kernel that did not come up
  kernel_boot:
    state: disarmed
"""

RETURN = r"""
plan:
  description: What was done, or would be.
  returned: always
  type: list
  elements: str
loader:
  description: What the boot loader will do now, as M(kernel_info) tells it. In check mode, what it would do without this.
  returned: success
  type: dict
"""

SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["pinned", "armed", "blessed", "disarmed"], "required": True},
    "release": {"type": "str"},
    "fallback": {"type": "str", "default": ""},
    "root": {"type": "path", "default": "/"},
}
REQUIRED_IF = [("state", "armed", ("release",)), ("state", "blessed", ("release",))]
UPDATE_WITHIN = 300.0
# For these GRUB must look at what is saved, and be made to where it does not.
ARRANGED = ("pinned", "armed")


class Grub:
    """GRUB's files on this host."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.read()

    def read(self) -> None:
        """Read them, as GRUB will."""
        config, block = self.host.grub_files()
        self.menu = grub.read_menu(config)
        self.variables = grub.read_environment(block) if block is not None else {}

    def settle(self, why: str) -> None:
        """Have grub.cfg written anew with our settings."""
        if not self.host.real:
            raise Refusal(f"{why}, and below {self.host.root} there is nobody to write grub.cfg")
        self.host.write(SETTINGS_FILE, SETTINGS)
        answer = run(["update-grub"], UPDATE_WITHIN)
        if answer.rc != 0:
            raise Refusal(f"update-grub failed: {answer.output[-400:]}")
        self.read()


def refuse_early(host: Host, wish: Wish) -> bool:
    """Refuse what cannot work here; return whether there is anything to do at all."""
    seen = host.loader()
    if seen.kind == "grub":
        if wish.state in ARRANGED and (why := host.unwritable()):
            raise Refusal(
                f"{why}: what is booted once there is booted for ever. Decide how to come back, and boot without"
            )
        return True
    if wish.state in ARRANGED:
        raise Refusal(f"only GRUB is told to boot a kernel once, and this host has {seen.kind}: {seen.no_one_shot}")
    if wish.state == "blessed" and seen.will_boot != wish.release:
        raise Refusal(
            f"{seen.kind} will boot {seen.will_boot or 'nothing known'}: make {wish.release} its default by hand"
        )
    return False


def carry_out(host: Host, wish: Wish, check_mode: bool) -> dict[str, Any]:
    """Plan, act, read back; return what is told."""
    if not refuse_early(host, wish):
        return {"changed": False, "plan": []}
    there = Grub(host)
    plan = []
    lacks = lacks_settings(there.menu, wish.release) if wish.state in ARRANGED else ""
    wanted, before = environment(there.menu, there.variables, wish), there.variables
    # What does not fit into the block is refused before anything is written.
    grub.write_environment(wanted)
    if lacks:
        plan.append(f"write /{SETTINGS_FILE} and run update-grub, because {lacks}")
    kept = keep(wish.fallback, wish.release)
    keeps = wish.state == "armed" and host.text(KEEP_FILE) != kept
    if keeps:
        plan.append(f"keep {wish.fallback} and {wish.release} from being removed")
    if wanted != before:
        plan.append(
            {
                "armed": f"boot {wish.release} once, and {wish.fallback} after it",
                "pinned": f"boot {wish.release}, whatever else is installed",
            }.get(wish.state, f"be {wish.state}")
        )
    if plan and not check_mode:
        if lacks:
            there.settle(lacks)
            if still := lacks_settings(there.menu, wish.release):
                raise Refusal(
                    f"{still}, although /{SETTINGS_FILE} was written: what speaks against it in /etc/default/grub.d?"
                )
        if keeps:
            host.write(KEEP_FILE, kept)
        arrange(there, wish)
    return {"changed": bool(plan), "plan": plan, "diff": {"before": lines(before), "after": lines(wanted)}}


def arrange(there: Grub, wish: Wish) -> None:
    """Write the environment block, and believe only what is read back."""
    wanted = environment(there.menu, there.variables, wish)
    there.host.write_grubenv(grub.write_environment(wanted))
    there.read()
    if there.variables != wanted:
        raise Refusal("grubenv does not hold what was written to it")
    if said := wrong(there.menu, there.variables, wish):
        raise Refusal(said)


def main() -> None:
    """Look, plan, act."""
    module = AnsibleModule(argument_spec=SPEC, required_if=REQUIRED_IF, supports_check_mode=True)
    params = module.params
    host = Host(Path(params["root"]))
    running, boot_id = host.running()
    release = params["release"] or (running if params["state"] == "pinned" else "")
    wish = Wish(params["state"], release, params["fallback"] or running, running, boot_id)
    if host.troubles:
        module.fail_json(msg="; ".join(host.troubles), plan=[])
    try:
        told = carry_out(host, wish, module.check_mode)
    except (Refusal, grub.Unreadable, OSError) as error:
        module.fail_json(msg=str(error), plan=[])
    else:
        module.exit_json(loader=host.loader().told(), **told)


if __name__ == "__main__":
    main()
