#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's half of a reboot: which boot this is, and the order to reboot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet.ports.commands import run

DOCUMENTATION = r"""
---
module: host_reboot
short_description: Reboot a host once, and believe only a new boot
description:
  - O(state=rebooted) gives the order, and waits until the host says a boot id that is valid and another one, an uptime that is shorter
    than the time that has passed, and that systemd has started everything. No answer, a refused login, a host key that changed and a
    reboot that was refused are told from each other, and a key that changed ends the wait at once.
  - If the host has another boot id than O(boot_id) already, it is not rebooted. So the run after one that was killed reboots nothing twice.
  - O(state=watched) stays for O(seconds), and fails when the host falls silent or boots again.
  - Its action plugin waits, and asks the module, which only looks (O(state=asked)) or gives the order (O(state=fired)).
author: [Upstairs]
options:
  state:
    description: What to do. V(asked) and V(fired) are the plugin's.
    type: str
    choices: [rebooted, watched, asked, fired]
    required: true
  boot_id:
    description: The boot that shall end, or that shall go on.
    type: str
    default: ""
  command:
    description: What reboots the host.
    type: str
    default: systemctl reboot
  root:
    description: The directory below which C(proc) is read, so that a made-up tree can stand in for a host.
    type: path
    default: /
  within:
    description: Seconds until a host that is not back never comes back.
    type: int
    default: 600
  elapsed:
    description: Seconds since the order, if an earlier run gave it.
    type: float
    default: 0
  seconds:
    description: For how long to watch.
    type: float
    default: 0
  degraded:
    description: Units that may have failed.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    description: Gives no order, and waits for nothing.
  diff_mode:
    support: none
    description: There is nothing to show.
"""

EXAMPLES = r"""
- name: reboot | Boot the kernel that was armed
  host_reboot:
    state: rebooted
    boot_id: "{{ __kernel_update_seen.kernel.boot_id }}"
"""

RETURN = r"""
boot_id:
  description: The boot that goes on now.
  returned: success
  type: str
uptime:
  description: Seconds since it began.
  returned: success
  type: float
elapsed:
  description: Seconds since the order, by the controller's steady clock.
  returned: when it was rebooted
  type: float
system:
  description: What systemd says of itself.
  returned: success
  type: str
failed_units:
  description: The units that have failed.
  returned: success
  type: list
  elements: str
refused:
  description: What the order said if it failed, empty if it did not.
  returned: success
  type: str
known:
  description: What is known of the host, C(up), C(silent), C(refuses the login), C(another host key).
  returned: failure
  type: str
"""

SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["rebooted", "watched", "asked", "fired"], "required": True},
    "boot_id": {"type": "str", "default": ""},
    "command": {"type": "str", "default": "systemctl reboot"},
    "root": {"type": "path", "default": "/"},
    "within": {"type": "int", "default": 600},
    "elapsed": {"type": "float", "default": 0.0},
    "seconds": {"type": "float", "default": 0.0},
    "degraded": {"type": "list", "elements": "str", "default": []},
}
UNIT = "upstairs-reboot"
QUESTION = 10.0


def read(root: str, below: str) -> str:
    """Return what a file of /proc says; nothing if it says nothing."""
    try:
        return Path(root, below).read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def look(root: str) -> dict[str, Any]:
    """Tell which boot this is, and how far it has come."""
    uptime = read(root, "proc/uptime").split(" ")[0]
    failed = run(["systemctl", "list-units", "--failed", "--plain", "--no-legend", "--full"], QUESTION)
    order = run(["systemctl", "show", "--property=Result,ActiveState", f"{UNIT}.service"], QUESTION).stdout
    return {
        "boot_id": read(root, "proc/sys/kernel/random/boot_id"),
        "uptime": float(uptime) if uptime.replace(".", "", 1).isdigit() else -1.0,
        "system": run(["systemctl", "is-system-running"], QUESTION).stdout.strip() or "unknown",
        "failed_units": [line.split()[0] for line in failed.stdout.splitlines() if line.split()],
        # An inhibitor, molly-guard, or no such program: the wait would only end with "never came back".
        "refused": journal() if "ActiveState=failed" in order else "",
    }


def journal() -> str:
    """Return the last words of the order."""
    said = run(["journalctl", "--no-pager", "--lines=5", "--output=cat", f"--unit={UNIT}.service"], QUESTION)
    return " ".join(said.stdout.split()) or "it says nothing"


def fire(module: AnsibleModule) -> dict[str, Any]:
    """Give the order a second from now, so that this answer is not cut off by what it does."""
    seen = look(module.params["root"])
    if seen["boot_id"] != module.params["boot_id"]:
        return {**seen, "changed": False}
    if module.check_mode:
        return {**seen, "changed": True}
    run(["systemctl", "stop", f"{UNIT}.timer", f"{UNIT}.service"], QUESTION)
    run(["systemctl", "reset-failed", f"{UNIT}.timer", f"{UNIT}.service"], QUESTION)
    order = ["sh", "-c", module.params["command"]]
    timer = ["systemd-run", f"--unit={UNIT}", "--on-active=1s", "--timer-property=AccuracySec=100ms", *order]
    done = run(timer, QUESTION)
    if done.rc != 0:
        module.fail_json(msg=f"The order to reboot could not be given: {done.output}", known="up", **seen)
    return {**seen, "refused": "", "changed": True}


def main() -> None:
    """Look, or give the order."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    if module.params["state"] == "fired":
        module.exit_json(**fire(module))
    module.exit_json(changed=False, **look(module.params["root"]))


if __name__ == "__main__":
    main()
