#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask Alertmanagers whether anything burns."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet.alerts import Mistake, Verdict, creator, judge, matcher, places
from ..module_utils.fleet.ports.alertmanager import listen

DOCUMENTATION = r"""
---
module: alert_gate
short_description: Ask Alertmanagers whether anything burns
description:
  - Nobody takes a host away while something else is broken. This asks every Alertmanager which alerts fire, and changes nothing.
  - Alerts that somebody else silenced, or that another alert inhibits, count. Only those count not that a silence of this very run
    (M(alert_silence)) covers at the instance that tells them.
  - One that does not answer, or not as an Alertmanager does, is a reason against. An Alertmanager to which nobody sends alerts has none
    and looks peaceful, so name an alert that always fires (O(watchdog)).
  - It does not fail because something burns, so that a plan can show it. Whoever asks judges RV(blocked).
author: [Upstairs]
extends_documentation_fragment: [alertmanagers]
options:
  run_id:
    description: The run whose own silences are left out.
    type: str
    default: ""
  matchers:
    description: Which alerts count, as Alertmanager's matchers, all of which must match. Without any, all alerts count.
    type: list
    elements: str
    default: []
  watchdog:
    description: Matchers of an alert that always fires. It does not count, and an instance at which it does not fire is not believed.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Asks as ever.
    support: full
  diff_mode:
    description: Nothing changes.
    support: none
"""

EXAMPLES = r"""
- name: Ask whether anything burns
  alert_gate:
    alertmanagers: ["http://192.0.2.7:9093", "http://198.51.100.7:9093"]
    run_id: 1d6ac005e6
    matchers: ['severity=~"critical|page"']
    watchdog: [alertname=Watchdog]
  register: alerts

- name: Refuse while it does
  ansible.builtin.assert:
    that: not alerts.blocked
    fail_msg: "{{ alerts.reasons | join('; ') }}"
"""

RETURN = r"""
blocked:
  description: Whether anything speaks against going on.
  returned: success
  type: bool
reasons:
  description: All of it, an entry for each alert and each Alertmanager that cannot be believed.
  returned: success
  type: list
  elements: str
  sample: ["InstanceDown at dot:9100 (critical) since 2025-01-01T10:00:00.000Z"]
firing:
  description: The alerts that count, each with C(labels), C(since) and C(text).
  returned: success
  type: list
  elements: dict
asked:
  description: Who was asked.
  returned: success
  type: list
  elements: str
said:
  description: The outcome in a line. Without any Alertmanager it says that nobody was asked.
  returned: success
  type: str
"""

SPEC: dict[str, Any] = {
    "alertmanagers": {"type": "list", "elements": "str", "required": True},
    "timeout": {"type": "float", "default": 10},
    "run_id": {"type": "str", "default": ""},
    "matchers": {"type": "list", "elements": "str", "default": []},
    "watchdog": {"type": "list", "elements": "str", "default": []},
}


def summed(verdict: Verdict, asked: int) -> str:
    """Say it in a line."""
    if not asked:
        return "no Alertmanager is named: nobody is asked whether something burns"
    who = "the Alertmanager" if asked == 1 else f"{asked} Alertmanagers"
    return f"{who}: {'; '.join(verdict.reasons)}" if verdict.reasons else f"{who}: nothing fires"


def main() -> None:
    """Ask and tell."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    params = module.params
    try:
        asked = places(params["alertmanagers"])
        if params["run_id"]:
            creator(params["run_id"], "")
        watchdog = [str(matcher(text)) for text in params["watchdog"]]
        said = listen(asked, params["matchers"], watchdog, params["timeout"])
    except Mistake as mistake:
        module.fail_json(msg=str(mistake))
    verdict = judge(said, params["run_id"], watchdog)
    firing = [{"labels": dict(one.labels), "since": one.since, "text": str(one)} for one in verdict.firing]
    module.exit_json(
        changed=False,
        blocked=bool(verdict.reasons),
        reasons=list(verdict.reasons),
        firing=firing,
        asked=list(asked),
        said=summed(verdict, len(asked)),
    )


if __name__ == "__main__":
    main()
