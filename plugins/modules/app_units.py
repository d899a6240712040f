# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the units of one kind of the application's processes running on the current release, and no others of that kind."""

from __future__ import annotations

import fnmatch
import os
import pwd
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet.app_units import PROPERTIES, Disk, Process, parse_since, wanted_units, why_outdated
from ..module_utils.fleet.ports import systemd
from ..module_utils.fleet.ports.commands import run
from ..module_utils.fleet.units import Step, Unit, UnitPlan, fallen, plan

DOCUMENTATION = r"""
---
module: app_units
short_description: Keep the application's processes running on the current release
version_added: "1.0"
author: Upstairs (@upstairs)
description:
  - Starts and enables the units, one after another, and waits for each (units of C(Type=notify) say themselves when they are ready).
  - Restarts a unit whose process runs in another directory than O(release) points to, or that began before one of O(reads), its unit file
    or a drop-in was written. That is asked of the process, so a run that was cut off before its restart is completed by the next.
  - Units that match O(kind) and are not among O(units) are stopped and disabled, and their files under /etc/systemd/system are removed.
options:
  units:
    description: The units that this host shall have, in the order in which they start.
    type: list
    elements: str
    required: true
  kind:
    description: A pattern that matches every unit of this kind and nothing else.
    type: str
    required: true
  release:
    description: The link to the current release; the units' working directory.
    type: path
    required: true
  reads:
    description: Files that the processes read only when they start.
    type: list
    elements: path
    default: []
  within:
    description: Seconds that each start, stop or restart may take.
    type: int
    default: 300
attributes:
  check_mode:
    description: Says what it would do.
    support: full
  diff_mode:
    description: Shows the plan.
    support: full
"""

EXAMPLES = r"""
- name: service | Keep the processes running on the current release
  app_units:
    units: [mastodon-web@3000.service, mastodon-web@3001.service]
    kind: mastodon-web@*.service
    release: /srv/mastodon/current
    reads: [/srv/mastodon/shared/.env.production]
"""

RETURN = r"""
plan:
  description: What was done, or would be, with the reason of each restart.
  returned: always
  type: list
  elements: str
"""

UNIT_FILES = Path("/etc/systemd/system")
SETTLE = 1.0
SPEC: dict[str, Any] = {
    "units": {"type": "list", "elements": "str", "required": True},
    "kind": {"type": "str", "required": True},
    "release": {"type": "path", "required": True},
    "reads": {"type": "list", "elements": "path", "default": []},
    "within": {"type": "int", "default": 300},
}


def strangers(kind: str, wanted: list[str]) -> list[str]:
    """Return the units of this kind that nobody asked for: running ones, enabled ones, and files."""
    loaded = run(["systemctl", "list-units", "--all", "--plain", "--no-legend", "--full", kind], 30.0)
    names = {line.split()[0] for line in loaded.stdout.splitlines() if line.split() and "not-found" not in line}
    names |= {path.name for pattern in (kind, f"*.wants/{kind}") for path in UNIT_FILES.glob(pattern)}
    template = {name for name in names if "@." in name}
    return sorted(name for name in names - set(wanted) - template if fnmatch.fnmatchcase(name, kind))


def written(paths: list[str]) -> dict[str, float]:
    """Return when files were written; one that is not there is no reason to restart."""
    found = {path: Path(path) for path in paths}
    return {path: file.stat().st_mtime for path, file in found.items() if file.exists()}


def outdated(module: AnsibleModule, seen: dict[str, Unit]) -> dict[str, str]:
    """Return the running units that must be restarted, with the reason."""
    running = [name for name in module.params["units"] if seen[name].running]
    release = str(Path(module.params["release"]).resolve())
    reasons = {}
    for name in running:
        answer = run(["systemctl", "show", "--timestamp=us+utc", f"--property={PROPERTIES}", "--", name], 30.0)
        said = dict(line.split("=", 1) for line in answer.stdout.splitlines() if "=" in line)
        files = [path for path in [said.get("FragmentPath", ""), *said.get("DropInPaths", "").split()] if path]
        process = Process(
            directory_of(said.get("MainPID", "0"), said.get("User", "")),
            parse_since(said.get("ExecMainStartTimestamp", "")),
        )
        disk = Disk(release, written([*module.params["reads"], *files]))
        if why := why_outdated(process, disk, files):
            reasons[name] = why
    return reasons


def directory_of(pid: str, user: str) -> str:
    """Return the directory that a process runs in; it keeps the release that was current when it started."""
    # Asked as its own user: in a container even root may not look into the processes of others.
    account = pwd.getpwnam(user or "root")
    os.setegid(account.pw_gid)
    os.seteuid(account.pw_uid)
    try:
        return str(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:
        return ""
    finally:
        os.seteuid(0)
        os.setegid(0)


def apply(module: AnsibleModule, made: UnitPlan, before: dict[str, Unit], gone: list[str]) -> None:
    """Carry out the plan; a unit that does not stay up ends it, so that the next one keeps serving."""
    for step in made.steps:
        answer = systemd.perform(step, module.params["within"])
        if answer.rc != 0:
            fail(module, step, answer.output)
        if step.verb in ("start", "restart"):
            time.sleep(SETTLE)
            if fallen(before, systemd.observe([step.unit]), [step]):
                fail(module, step, "it did not stay up")
    files = [UNIT_FILES / name for name in gone if (UNIT_FILES / name).is_file()]
    for path in files:
        path.unlink()
    if files:
        systemd.perform(Step("daemon-reload"), module.params["within"])


def fail(module: AnsibleModule, step: Step, said: str) -> None:
    """Fail with the unit's state and its last words."""
    state = systemd.observe([step.unit])[step.unit].describe() if step.unit else ""
    log = f" It is {state}. Its last log lines:\n{systemd.journal(step.unit)}" if step.unit else ""
    module.fail_json(msg=f"{step.describe()} failed: {said}.{log}")


def refuse(module: AnsibleModule, made: UnitPlan) -> None:
    """Stop before anything is changed; in check mode what is missing may come with an earlier task."""
    absent = [f"systemd knows no unit {name}" for name in made.missing]
    if not Path(module.params["release"]).exists():
        absent.append(f"{module.params['release']} leads to no release (the role app builds one)")
    if made.refusals or (absent and not module.check_mode):
        module.fail_json(msg="Nothing was changed. " + "; ".join([*made.refusals, *absent]))


def main() -> None:
    """Observe, plan, apply."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        gone = strangers(module.params["kind"], module.params["units"])
        seen = systemd.observe([*module.params["units"], *gone])
        reasons = outdated(module, seen)
        made = plan(seen, wanted_units(module.params["units"], reasons, gone))
        refuse(module, made)
        if (made.steps or gone) and not module.check_mode:
            apply(module, made, seen, gone)
    except systemd.SystemdError as error:
        module.fail_json(msg=str(error))
    because = {name: f" ({why})" for name, why in reasons.items()}
    told = [step.describe() + (because.get(step.unit, "") if step.verb == "restart" else "") for step in made.steps]
    told += [f"{name}: remove" for name in gone if (UNIT_FILES / name).is_file() and module.check_mode]
    module.exit_json(changed=bool(told), plan=told, diff={"prepared": "".join(f"{line}\n" for line in told)})


if __name__ == "__main__":
    main()
