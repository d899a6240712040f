#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a Sentinel watch what it shall watch, and leave to it who is master."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet.ports.redis import Connection, Login, RedisError
from ..module_utils.fleet.ports.redis_fleet import Fleet
from ..module_utils.fleet.redis import Member, masters, parse_pairs
from ..module_utils.fleet.redis_sentinel import Refusal, Seen, Step, Watched, parse_file, plan

DOCUMENTATION = r"""
---
module: redis_sentinel_masters
short_description: Make a Sentinel watch what it shall watch, and leave to it who is master
description:
  - Sentinel rewrites its own file. So it is told what to change by C(SENTINEL MONITOR), C(SET), C(REMOVE) and C(CONFIG SET), compared with
    what it says and with the logins in its file, which it never shows.
  - A master that it watches already keeps its address. A new one is looked for at the other Sentinels, then at the copies.
author: [Upstairs]
options:
  address:
    description: The Sentinel's address.
    type: str
    required: true
  port:
    description: The Sentinel's port.
    type: int
    required: true
  admin_password:
    description: Password of the user C(admin), of this Sentinel and of the others.
    type: str
    required: true
  file:
    description: The file that the Sentinel writes.
    type: path
    required: true
  sentinels:
    description: The other Sentinels as address:port.
    type: list
    elements: str
    required: true
  members:
    description: Who holds a copy.
    type: list
    elements: dict
    required: true
    options:
      name:
        description: The inventory's name.
        type: str
        required: true
      address:
        description: Its address.
        type: str
        required: true
  masters:
    description: What to watch.
    type: list
    elements: dict
    required: true
    options:
      name:
        description: Its name.
        type: str
        required: true
      port:
        description: The port of every copy.
        type: int
        required: true
  settings:
    description: Settings of every master, by the names that C(SENTINEL SET) knows.
    type: dict
    required: true
  auth_user:
    description: As whom the Sentinel logs in at the copies.
    type: str
    required: true
  auth_password:
    description: Its password there.
    type: str
    required: true
  peer_user:
    description: As whom the Sentinel logs in at the other Sentinels.
    type: str
    required: true
  peer_password:
    description: Its password there.
    type: str
    required: true
  within:
    description: Seconds that the Sentinel has to answer.
    type: int
    default: 20
attributes:
  check_mode:
    support: full
    description: Says what it would tell the Sentinel.
  diff_mode:
    support: none
    description: The plan says it.
"""

EXAMPLES = r"""
- name: Watch the data
  redis_sentinel_masters:
    address: 10.44.1.11
    port: 26379
    admin_password: "{{ redis_sentinel_admin_password }}"
    file: /var/lib/redis-sentinel/sentinel.conf
    sentinels: ["10.44.2.11:26379", "10.44.2.12:26379"]
    members: [{name: alice, address: 10.44.1.11}, {name: nixie, address: 10.44.2.11}]
    masters: [{name: data, port: 6379}]
    settings: {quorum: 2, down-after-milliseconds: 5000}
    auth_user: sentinel
    auth_password: "{{ redis_sentinel_password }}"
    peer_user: sentinel
    peer_password: "{{ redis_sentinel_password }}"
"""

RETURN = r"""
plan:
  description: What was told, or would be, without the secrets.
  returned: success
  type: list
  elements: str
"""

MEMBER = {"name": {"type": "str", "required": True}, "address": {"type": "str", "required": True}}
SECRET = {"type": "str", "required": True, "no_log": True}
SPEC = {
    "address": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "admin_password": SECRET,
    "file": {"type": "path", "required": True},
    "sentinels": {"type": "list", "elements": "str", "required": True},
    "members": {"type": "list", "elements": "dict", "required": True, "options": MEMBER},
    "masters": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {"name": {"type": "str", "required": True}, "port": {"type": "int", "required": True}},
    },
    "settings": {"type": "dict", "required": True},
    "auth_user": {"type": "str", "required": True},
    "auth_password": SECRET,
    "peer_user": {"type": "str", "required": True},
    "peer_password": SECRET,
    "within": {"type": "int", "default": 20},
}
SHOWN = ("quorum", "down-after-milliseconds", "failover-timeout", "parallel-syncs")


def watched(connection: Connection, logins: Mapping[str, Mapping[str, str]]) -> dict[str, Watched]:
    """Return what the Sentinel watches, with the logins of its file."""
    found = {}
    for flat in connection.ask("SENTINEL", "MASTERS"):
        pairs = parse_pairs(flat)
        settings = {key: pairs.get(key, "") for key in SHOWN} | dict(logins.get(pairs["name"], {}))
        found[pairs["name"]] = Watched(pairs.get("ip", ""), int(pairs.get("port", "0")), settings)
    return found


def look_around(name: str, port: int, params: Mapping[str, Any]) -> Seen:
    """Ask the other Sentinels and the copies who is master."""
    fleet = Fleet([Member(**m) for m in params["members"]], params["sentinels"], params["admin_password"], "admin")
    opinions = [(said.epoch, said.address) for said in fleet.opinions(name).values() if said]
    addresses = {member.name: f"{member.address}:{port}" for member in fleet.members}
    copies = fleet.copies(port, params["auth_password"], params["auth_user"])
    return Seen(opinions, [addresses[master] for master in masters(copies)])


def wish(params: Mapping[str, Any]) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Return the settings that each master shall have, and the Sentinel's own."""
    settings = {key: str(value) for key, value in params["settings"].items()}
    settings |= {"auth-user": params["auth_user"], "auth-pass": params["auth_password"]}
    own = {"announce-ip": params["address"], "announce-port": str(params["port"]), "resolve-hostnames": "no"}
    own |= {"sentinel-user": params["peer_user"], "sentinel-pass": params["peer_password"]}
    return {master["name"]: settings for master in params["masters"]}, own


def connect(module: AnsibleModule) -> Connection | None:
    """Return a connection once the Sentinel answers; None in check mode where there is none yet."""
    params = module.params
    connection = Connection(params["address"], params["port"], Login(params["admin_password"], "admin"))
    deadline = time.monotonic() + (0 if module.check_mode else params["within"])
    while True:
        try:
            connection.ask("PING")
            return connection
        except (OSError, RedisError) as error:
            if module.check_mode:
                return None
            if time.monotonic() > deadline:
                module.fail_json(msg=f"The Sentinel at {params['address']}:{params['port']} does not answer: {error}")
        time.sleep(0.25)


def decide(module: AnsibleModule, connection: Connection) -> list[Step]:
    """Compare, and return what to tell the Sentinel."""
    params, file = module.params, Path(module.params["file"])
    logins = parse_file(file.read_text(encoding="utf-8")) if file.exists() else {"": {}}
    own = watched(connection, logins)
    wanted, options = wish(params)
    had = parse_pairs(connection.ask("SENTINEL", "CONFIG", "GET", "*")) | logins[""]
    unknown = [master for master in params["masters"] if master["name"] not in own]
    seen = {master["name"]: look_around(master["name"], master["port"], params) for master in unknown}
    steps = plan(own, wanted, seen, (had, options))
    if isinstance(steps, Refusal):
        module.fail_json(msg=steps.why)
        return []
    return steps


def main() -> None:
    """Look, plan, and tell the Sentinel."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    connection = connect(module)
    if connection is None:
        names = [master["name"] for master in module.params["masters"]]
        module.exit_json(changed=True, plan=[f"watch {name}" for name in names])
        return
    steps = decide(module, connection)
    if not module.check_mode:
        for step in steps:
            try:
                connection.ask("SENTINEL", *step.words)
            except RedisError as error:
                module.fail_json(msg=f"{step.describe()}: {error}")
    module.exit_json(changed=bool(steps), plan=[step.describe() for step in steps])


if __name__ == "__main__":
    main()
