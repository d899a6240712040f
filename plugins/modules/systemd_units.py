# SPDX-License-Identifier: GPL-3.0-or-later
"""Make systemd units as wanted, and do not believe that one runs before it has stayed up."""

from __future__ import annotations

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet.ports import systemd
from ..module_utils.fleet.units import Step, Unit, UnitPlan, WantedUnit, fallen, plan

DOCUMENTATION = r"""
---
module: systemd_units
short_description: Enable, start, stop, restart and reload systemd units, all in one round trip
version_added: "1.0"
author: Upstairs (@upstairs)
description:
  - Looks at all units with one question, plans, and does what is missing. Unit files that changed since systemd read them are
    read again first.
  - Waits until each job has ended, and looks again a second later. A unit that dies at once, or that systemd has to restart, is
    a failure, and the failure carries the last lines of its journal.
  - Services, timers, sockets, targets, mounts and instances of templates (C(name@x.service)).
  - A unit that systemd does not know is an error. In check mode it is a warning, as the task that installs it did not run.
options:
  units:
    description: The units, started in this order.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The full name with its suffix.
        type: str
        required: true
      state:
        description:
          - V(started) and V(stopped) do nothing to a unit that already is.
          - V(restarted) and V(reloaded) always act, and start a unit that is stopped. They belong in handlers.
        type: str
        choices: [started, stopped, restarted, reloaded]
      enabled:
        description: Whether it starts at boot.
        type: bool
      masked:
        description: Whether it is barred from starting at all. Masking does not stop it.
        type: bool
  within:
    description: Seconds that each start, stop or reload may take.
    type: int
    default: 120
attributes:
  check_mode:
    description: Plans; changes nothing.
    support: full
  diff_mode:
    description: Shows the plan.
    support: full
"""

EXAMPLES = r"""
- name: service | Keep the service running
  systemd_units:
    units:
      - {name: redis-server@data.service, enabled: true, state: started}
      - {name: redis-server.service, enabled: false, state: stopped}

- name: Restart redis
  systemd_units:
    units:
      - {name: redis-server@data.service, state: restarted}
"""

RETURN = r"""
plan:
  description: What is (or, in check mode, would be) done, in words.
  returned: always
  type: list
  elements: str
  sample: ["redis-server@data.service: enable", "redis-server@data.service: start"]
units:
  description: How each unit is afterwards.
  returned: success
  type: dict
  sample: {redis-server@data.service: "active (running), enabled"}
missing:
  description: The units that systemd does not know, in check mode only.
  returned: success
  type: list
  elements: str
"""

SETTLE = 1.0
SPEC: dict[str, Any] = {
    "units": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["started", "stopped", "restarted", "reloaded"]},
            "enabled": {"type": "bool"},
            "masked": {"type": "bool"},
        },
    },
    "within": {"type": "int", "default": 120},
}


def wanted(module: AnsibleModule) -> list[WantedUnit]:
    """Return what was asked; names must be full and given once."""
    units = [WantedUnit(**entry) for entry in module.params["units"]]
    names = [unit.name for unit in units]
    short = [name for name in names if "." not in name]
    if short:
        module.fail_json(msg=f"write the suffix too (such as {short[0]}.service): {', '.join(short)}")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        module.fail_json(msg=f"given twice: {', '.join(twice)}")
    return units


def refuse(module: AnsibleModule, made: UnitPlan) -> None:
    """Stop before anything is changed, or, in check mode, warn of what an earlier task may still bring."""
    absent = [
        f"{name}: systemd knows no such unit; is its package installed, its unit file written?" for name in made.missing
    ]
    if made.refusals or (absent and not module.check_mode):
        module.fail_json(msg="Nothing was changed. " + "; ".join([*made.refusals, *absent]))
    if absent:
        module.warn("in a real run this must be there by now: " + ", ".join(made.missing))


def apply(module: AnsibleModule, made: UnitPlan, before: dict[str, Unit]) -> None:
    """Carry out the plan step by step; stop at the first that fails, with the journal of its unit."""
    for step in made.steps:
        answer = systemd.perform(step, module.params["within"])
        if answer.rc != 0:
            fail(module, step, answer.output)
    acted = [step for step in made.steps if step.verb in ("start", "restart", "reload")]
    if not acted:
        return
    # The job of a simple service ends when the process exists, not when it works. One that cannot read its
    # configuration is gone within a second.
    time.sleep(SETTLE)
    down = fallen(before, systemd.observe([step.unit for step in acted]), acted)
    if down:
        fail(module, next(step for step in acted if step.unit == down[0]), "it did not stay up", down)


def fail(module: AnsibleModule, step: Step, said: str, down: list[str] | None = None) -> None:
    """Fail with what a person needs at once: the unit, its state and its last words."""
    parts = [f"{step.describe()} failed: {said}"]
    for name in down or ([step.unit] if step.unit else []):
        parts.append(
            f"{name} is {systemd.observe([name])[name].describe()}. Its last log lines:\n{systemd.journal(name)}"
        )
    module.fail_json(msg="\n".join(parts))


def main() -> None:
    """Observe, plan, apply, look again."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    units = wanted(module)
    names = [unit.name for unit in units]
    try:
        before = systemd.observe(names)
        made = plan(before, units)
        refuse(module, made)
        if made.steps and not module.check_mode:
            apply(module, made, before)
        after = systemd.observe(names) if made.steps else before
    except systemd.SystemdError as error:
        module.fail_json(msg=str(error))
    told = [step.describe() for step in made.steps]
    module.exit_json(
        changed=bool(told),
        plan=told,
        missing=list(made.missing),
        units={name: unit.describe() for name, unit in after.items()},
        diff={"prepared": "".join(line + "\n" for line in told)},
    )


if __name__ == "__main__":
    main()
