#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell whether a host runs the kernel that it should, and whether it could boot it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet.kernel import Facts, Files, Judgement, aim, judge
from ..module_utils.fleet.ports.kernel_host import Host

DOCUMENTATION = r"""
---
module: kernel_info
short_description: Tell whether a host runs the kernel that it should, and whether it could boot it
description:
  - Compares the running kernel, by its own word, with the one that the meta package of its flavour brings (V(linux-image-amd64) for a
    kernel V(6.1.0-22-amd64)), in dpkg's order of package versions. Never with the highest image, which may be of another flavour.
  - Asks what speaks against booting that kernel (its files, its initrd, modules that DKMS builds, secure boot, the space in C(/boot)),
    and what the boot loader will boot by itself.
  - What is not known is never V(current) and never V(pending). No fact is set, and nothing is cached but which initrd was listed and found
    good, in C(/run/upstairs-initrds) and so until the next boot; one that was written since, by its inode, size and time of change, is
    listed again.
  - Knows Debian's kernels, GRUB and systemd-boot. Of other kernels, and of those of the RPM family, the answer is V(unknown).
  - It does not fetch lists of packages. Run C(apt-get update) before where a new kernel of the archive matters.
author: [Upstairs]
options:
  root:
    description:
      - The directory below which everything is read (its C(proc), C(boot), C(etc), C(lib/modules), C(sys), C(run) and C(var/lib)),
        so that a made-up tree can stand in for a host.
      - Below another root than V(/) no program is asked but C(dpkg-query), with the tree's C(var/lib/dpkg). The initrd is judged by its
        size and its time only, and what apt would install is read from C(var/lib/upstairs/apt-get-simulation), the text that
        C(apt-get -s install) of the meta package would print. Lines about packages that are installed already in that version do not count.
    type: path
    default: /
  denied:
    description: Versions of packages that must not be booted, such as V(6.1.64-1).
    type: list
    elements: str
    default: []
  target:
    description: The release that is wanted, such as V(6.1.0-56-amd64); empty for the one that the meta package, or the archive, brings.
    type: str
    default: ""
attributes:
  check_mode:
    description: It only reads; what it remembers of an initrd changes no answer.
    support: full
  diff_mode:
    description: It only reads; what it remembers of an initrd changes no answer.
    support: none
"""

EXAMPLES = r"""
- name: gate | Ask which kernel runs and which should
  kernel_info:
    denied: ["6.1.64-1"]
  register: __kernel_update_seen

- name: prove | The kernel that was armed runs
  kernel_info:
    target: "{{ __kernel_update_target.release }}"
  register: __kernel_update_now
  failed_when: __kernel_update_now.kernel.state != 'current'
"""

RETURN = r"""
kernel:
  description: All of it.
  returned: success
  type: dict
  contains:
    state:
      description:
        - V(current), the target runs.
        - V(pending), the target is newer; it is installed and could be booted, or it is not installed yet and nothing speaks against that.
        - V(held), no new kernel ever comes, because the meta package is held or is not installed.
        - V(blocked), something must be mended before. Also after a kernel did not come up, until it is disarmed or denied.
        - V(patched_live_pending), as V(pending), and the running kernel was patched in memory. That replaces no reboot.
        - V(downgrade), the target is older than what runs. It is not acted on by itself.
        - V(denied), the target is one of O(denied).
        - V(container), the kernel is that of another host.
        - V(unknown), something could not be read or believed.
      type: str
    reasons:
      description: Why it is not V(current) or V(pending), with what to do; for V(current), what speaks against its next boot.
      type: list
      elements: str
    running:
      description: RV(kernel.running.release), RV(kernel.running.version) of its package (empty if unknown) and RV(kernel.running.flavour).
      type: dict
      contains:
        release: {description: The release., type: str}
        version: {description: The package's version., type: str}
        flavour: {description: The flavour., type: str}
    boot_id:
      description: The id of this boot, a UUID; empty if what was read is none.
      type: str
    uptime:
      description: Seconds since the boot.
      type: float
    target:
      description: The kernel that should run (release, version, package, and whether it is installed); empty if there is none.
      type: dict
    installed:
      description: The kernels of all flavours that dpkg knows, each with release, version, package and dpkg's status.
      type: list
      elements: dict
    meta:
      description: The meta package of the flavour (package, version, held); empty if it is not installed.
      type: dict
    loader:
      description:
        - The boot loader (V(grub), V(systemd-boot), V(unknown)), the release that it will boot next and by which entry, whether one can be
          booted only once (V(available) or V(unavailable)), and why not. A new version under the running kernel's name leaves no old one.
      type: dict
    bootable:
      description: Whether the target could be booted, and what speaks against it. Of one that is not there, V(not installed yet).
      type: dict
    boot_free:
      description: Bytes that are free in C(/boot).
      type: int
    booted_fallback:
      description: Whether a kernel was armed by M(kernel_boot), the host has booted since, and runs another one.
      type: bool
"""

SPEC: dict[str, Any] = {
    "root": {"type": "path", "default": "/"},
    "denied": {"type": "list", "elements": "str", "default": []},
    "target": {"type": "str", "default": ""},
}


def told(facts: Facts, judgement: Judgement) -> dict[str, Any]:
    """Return what is told of a host."""
    target, meta = judgement.target, facts.meta
    loader = facts.loader
    if target and target.release == facts.release and target.version != facts.version:
        loader = replace(
            loader, no_one_shot=f"{target.release} lies where the running kernel lay: there is no way back to that"
        )
    images = [one for one in facts.packages if one.release]
    return {
        "state": judgement.state,
        "reasons": list(judgement.reasons),
        "running": {"release": facts.release, "version": facts.version, "flavour": facts.flavour},
        "boot_id": facts.boot_id if facts.boot_id_valid else "",
        "uptime": facts.uptime,
        "target": target.told() if target else {},
        "installed": [
            {"release": one.release, "version": one.version, "package": one.name, "status": one.status.strip()}
            for one in images
        ],
        "meta": {"package": meta.name, "version": meta.version, "held": meta.held} if meta else {},
        "loader": loader.told(),
        "bootable": {"ok": bool(target) and not judgement.unbootable, "reasons": list(judgement.unbootable)},
        "boot_free": facts.boot_free,
        "booted_fallback": judgement.fell_back,
    }


def main() -> None:
    """Read, judge, tell."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    host = Host(Path(module.params["root"]))
    if not host.root.is_dir():
        module.fail_json(msg=f"root: there is no directory {host.root}")
    facts = host.facts()
    target = aim(facts, module.params["target"])
    files = host.files(target.release, facts.release) if target and target.installed else Files()
    judgement = judge(facts, target, files, module.params["denied"], module.params["target"])
    module.exit_json(changed=False, kernel=told(facts, judgement))


if __name__ == "__main__":
    main()
