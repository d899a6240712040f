#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restart this host's copies of Redis, replicas or masters, and wait until each is back where it was."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet.ports.redis import Connection, Login, RedisError
from ..module_utils.fleet.redis import Copy, copy_of, parse_info, restart_refusal, returned

DOCUMENTATION = r"""
---
module: redis_restart
short_description: Restart this host's copies of Redis, replicas or masters, and wait until each is back where it was
description:
  - Called twice, with C(throttle), first for replicas and then for masters, it leaves a master at every moment somebody to be elected.
  - A replica is back when its link to the master is up, a master when it has loaded its data. One that did not run is started and not
    waited for.
  - A master whose replicas are not back is not restarted.
author: [Upstairs]
options:
  instances:
    description: The instances of this host that need it.
    type: list
    elements: dict
    required: true
    options:
      name:
        description: Its name; the unit is C(redis-server@NAME).
        type: str
        required: true
      port:
        description: Its port.
        type: int
        required: true
      password:
        description: Password of the user C(default).
        type: str
        required: true
  masters:
    description: Whether masters are restarted, or everybody else.
    type: bool
    required: true
  replicas:
    description: Replicas that must follow before a master is restarted.
    type: int
    required: true
  within:
    description: Seconds until a copy must be back.
    type: int
    required: true
attributes:
  check_mode:
    support: full
    description: Says what would be restarted.
  diff_mode:
    support: none
    description: There is nothing to compare.
"""

EXAMPLES = r"""
- name: Restart the replicas
  redis_restart:
    instances: [{name: data, port: 6379, password: "{{ redis_data_password }}"}]
    masters: false
    replicas: 1
    within: 60
  throttle: 1
"""

RETURN = r"""
restarted:
  description: Which were.
  returned: always
  type: list
  elements: str
"""

INSTANCE = {
    "name": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "password": {"type": "str", "required": True, "no_log": True},
}
SPEC = {
    "instances": {"type": "list", "elements": "dict", "required": True, "options": INSTANCE},
    "masters": {"type": "bool", "required": True},
    "replicas": {"type": "int", "required": True},
    "within": {"type": "int", "required": True},
}


def look(one: Mapping[str, Any]) -> Copy | None:
    """Return the copy's own word; None if it does not run, and a copy without a role if it does not say (a new password)."""
    connection = Connection("127.0.0.1", one["port"], Login(one["password"]))
    try:
        return copy_of(parse_info(connection.ask("INFO")))
    except RedisError:
        return Copy("")
    except OSError:
        return None
    finally:
        connection.close()


def restart(module: AnsibleModule, one: Mapping[str, Any], before: Copy | None) -> None:
    """Restart one and wait until it is back."""
    why = restart_refusal(before, module.params["replicas"])
    if why:
        module.fail_json(msg=f"{one['name']} was not restarted: {why}.", restarted=[])
    module.run_command(["systemctl", "daemon-reload"], check_rc=True)
    module.run_command(["systemctl", "restart", f"redis-server@{one['name']}.service"], check_rc=True)
    deadline = time.monotonic() + module.params["within"]
    while before is not None and not returned(look(one)):
        if time.monotonic() > deadline:
            msg = f"{one['name']} was restarted and is not back after {module.params['within']} s: it has no link, or still loads."
            module.fail_json(msg=msg, restarted=[one["name"]])
        time.sleep(0.5)


def main() -> None:
    """Restart those whose turn it is."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    found = [(one, look(one)) for one in module.params["instances"]]
    due = [(one, copy) for one, copy in found if bool(copy and copy.role == "master") == module.params["masters"]]
    for one, copy in due:
        if not module.check_mode:
            restart(module, one, copy)
    module.exit_json(changed=bool(due), restarted=[one["name"] for one, _ in due])


if __name__ == "__main__":
    main()
