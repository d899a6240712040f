#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Silence the alerts of one host at all Alertmanagers, for a bounded time, and end exactly that silence."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet.alerts import Mistake, Said, Silence, Wanted, places, wanted
from ..module_utils.fleet.ports import alertmanager

DOCUMENTATION = r"""
---
module: alert_silence
short_description: Silence the alerts of one host while a run takes it away
description:
  - Makes a silence for one host at every Alertmanager, which names the run and the host, and reads it back from each. Removes that
    silence, and no other.
  - It ends by itself after O(duration). Remove it when the host is proven to serve, and leave it where a run failed. Whoever is called
    for a host that somebody took away on purpose learns to look away.
  - The same run may ask again, and a silence of which less than half is left is made longer. A run that goes on with another's work must
    give that one's O(run_id).
  - Where one Alertmanager does not answer, nothing is silenced anywhere, and the task fails. What is to be removed is removed where it
    can be, and the task fails all the same.
author: [Upstairs]
extends_documentation_fragment: [alertmanagers]
options:
  state:
    description: Silence the host, or end what this run silenced. One that is over already is ended.
    type: str
    choices: [present, absent]
    default: present
  host:
    description: The host.
    type: str
    required: true
  run_id:
    description: The run. Together with the host it is how the silence is known again.
    type: str
    required: true
  matchers:
    description:
      - What the silence matches, if not C(instance) with the host's name and any port. All must match.
      - At least one must name the host. A silence of the fleet hides what breaks meanwhile.
    type: list
    elements: str
    default: []
  duration:
    description: Seconds from now, at least a minute and at most a day. Longer than the host will take.
    type: int
    default: 3600
  comment:
    description: Why, for whoever looks at the silence.
    type: str
    default: Taken out of service on purpose
attributes:
  check_mode:
    description: Asks, and silences nothing.
    support: full
  diff_mode:
    description: RV(plan) says it.
    support: none
"""

EXAMPLES = r"""
- name: Silence the host
  alert_silence:
    alertmanagers: ["http://192.0.2.7:9093", "http://198.51.100.7:9093"]
    host: yakko
    run_id: 1d6ac005e6
    duration: 2700
    comment: A new kernel

- name: Hear from it again
  alert_silence:
    alertmanagers: ["http://192.0.2.7:9093", "http://198.51.100.7:9093"]
    host: yakko
    run_id: 1d6ac005e6
    state: absent
"""

RETURN = r"""
plan:
  description: What was done, or would be, at each Alertmanager.
  returned: always
  type: list
  elements: str
  sample: ["http://192.0.2.7:9093: silence instance=~\"yakko(:[0-9]+)?\" for 2700 s"]
silences:
  description: This run's silences for the host that are not over, by Alertmanager, each with C(id) and C(ends).
  returned: always
  type: dict
"""

SPEC: dict[str, Any] = {
    "alertmanagers": {"type": "list", "elements": "str", "required": True},
    "timeout": {"type": "float", "default": 10},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "host": {"type": "str", "required": True},
    "run_id": {"type": "str", "required": True},
    "matchers": {"type": "list", "elements": "str", "default": []},
    "duration": {"type": "int", "default": 3600},
    "comment": {"type": "str", "default": "Taken out of service on purpose"},
}


class Work:
    """One call: what is wanted, and what the Alertmanagers said last."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module, self.within = module, module.params["timeout"]
        self.wanted: Wanted = wanted(module.params)
        self.places = places(module.params["alertmanagers"])
        self.seen: Mapping[str, Said] = {}
        self.plan: list[str] = []
        self.changed = False

    def look(self) -> list[str]:
        """Ask all; return what is wrong with their answers."""
        self.seen = alertmanager.listen_for_silences(self.places, self.within)
        return [f"{place}: {said.fault}" for place, said in self.seen.items() if said.fault]

    def mine(self, place: str) -> list[Silence]:
        """Return this run's silences for the host at one of them."""
        return self.wanted.mine(self.seen[place].silences)

    def covered(self, place: str) -> bool:
        """Return whether one of them is silent for long enough."""
        return self.wanted.covered(self.seen[place].silences, datetime.now(UTC))

    def silence(self) -> list[str]:
        """Silence the host everywhere; return what went wrong."""
        faults = self.look()
        if faults:
            return faults
        what = " and ".join(map(str, self.wanted.matchers))
        said = {}
        for place in self.places:
            if not self.covered(place):
                self._will(f"{place}: silence {what} for {self.wanted.seconds} s")
                if not self.module.check_mode:
                    body = self.wanted.body(self.seen[place].silences, datetime.now(UTC))
                    said[place] = alertmanager.silence(place, body, self.within)
        if not said:
            return []
        faults = self.look()
        deaf = [place for place in said if not self.seen[place].fault and not self.covered(place)]
        return faults + [
            f"{place}: it does not keep the silence ({said[place].status}: {said[place].text.strip()}); does its clock agree with that of "
            "the host that asked?"
            for place in deaf
        ]

    def end(self) -> list[str]:
        """End it wherever that can be done; return what went wrong."""
        faults = self.look()
        answered = [place for place in self.places if not self.seen[place].fault]
        said = {}
        for place in answered:
            for one in self.mine(place):
                self._will(f"{place}: end the silence {one.id}")
                if not self.module.check_mode:
                    said[place] = alertmanager.unsilence(place, one.id, self.within)
        if not said:
            return faults
        faults = self.look()
        return faults + [
            f"{place}: the silence goes on ({said[place].status}: {said[place].text.strip()})"
            for place in said
            if not self.seen[place].fault and self.mine(place)
        ]

    def _will(self, what: str) -> None:
        self.changed = True
        self.plan.append(what)

    def told(self) -> dict[str, Any]:
        """Return what a result says."""
        silences = {
            place: [{"id": one.id, "ends": one.ends.isoformat()} for one in self.mine(place)] for place in self.seen
        }
        plan = self.plan if self.places else ["no Alertmanager is named: nobody is told"]
        return {"changed": self.changed, "plan": plan, "silences": silences}


def main() -> None:
    """Silence or end, or say why not."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        work = Work(module)
    except Mistake as mistake:
        module.fail_json(msg=str(mistake), plan=[], silences={})
    faults = work.silence() if module.params["state"] == "present" else work.end()
    if faults:
        asked = "silenced" if module.params["state"] == "present" else "heard of again"
        module.fail_json(
            msg=f"{module.params['host']} is not {asked} everywhere: {'; '.join(faults)}. Every silence of this run ends by itself; run it "
            "again when all Alertmanagers answer.",
            **work.told(),
        )
    module.exit_json(**work.told())


if __name__ == "__main__":
    main()
