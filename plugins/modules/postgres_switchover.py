#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hand the primary of a Patroni cluster over to another member, without losing a request."""

from __future__ import annotations

import fcntl
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet.handover import HandOver, Limits
from ..module_utils.fleet.ports.pgbouncer import Pooler
from ..module_utils.fleet.ports.postgres import Session, Unreachable
from ..module_utils.fleet.ports.rest import Answer, ask, ask_all
from ..module_utils.fleet.switchover import (
    Observed,
    Plan,
    Transaction,
    Wish,
    leader_of,
    make_plan,
    narrate,
    proven,
    table,
)

DOCUMENTATION = r"""
---
module: postgres_switchover
short_description: Hand the primary of a Patroni cluster over to another member
description:
  - Looks at the cluster by each member's own word, decides whether and to whom the primary may be handed over, and does it.
    Patroni hands over; the module holds PgBouncer's clients meanwhile, so that nobody is cut off in a transaction, and lets go
    of them whatever happens. A timer of systemd does so if the module is killed.
  - What was not measured is a refusal, never a zero.
author: [Upstairs]
options:
  state:
    description:
      - C(looked) returns who leads, and asks only Patroni. It may run on any member.
      - C(resumed) lets go of PgBouncer's clients that a dead run left waiting on this host, after that run's module has ended.
      - C(switched) hands over. It must run on the primary's host. In check mode it returns the plan and its refusals.
    type: str
    choices: [looked, resumed, switched]
    required: true
  members:
    description: All members, as the inventory declares them.
    type: list
    elements: dict
    required: true
    options:
      name:
        description: The member's name.
        type: str
        required: true
      address:
        description: The member's private address.
        type: str
        required: true
  rest_port:
    description: Port of Patroni's REST API.
    type: int
    default: 8008
  rest_user:
    description: The user that Patroni obeys.
    type: str
    default: patroni
  rest_password:
    description: Its password.
    type: str
    default: ""
  etcd_endpoints:
    description: The members of etcd, as host:port.
    type: list
    elements: str
    default: []
  to:
    description: The member that shall lead.
    type: str
    default: ""
  to_site:
    description: The site (a tag of the members) of which the best member shall lead.
    type: str
    default: ""
  max_lag:
    description: Bytes that the new primary may be behind.
    type: int
    default: 16777216
  max_transaction:
    description: Seconds that a transaction may have lasted.
    type: int
    default: 30
  pause_within:
    description: Seconds that transactions have to end when their end is waited for.
    type: int
    default: 5
  switch_within:
    description: Seconds that Patroni has.
    type: int
    default: 10
  within:
    description: Seconds for a leader to be found before, and for the proof afterwards.
    type: int
    default: 60
  socket:
    description: Directory of Postgres's socket.
    type: path
    default: /run/postgresql
  port:
    description: Port of Postgres.
    type: int
    default: 5432
  pooler_port:
    description: Port of PgBouncer on this host; 0 if there is none, and then clients are cut off.
    type: int
    default: 0
  pooler_socket:
    description: Directory of PgBouncer's socket.
    type: path
    default: /run/postgresql
  pooler_account:
    description: The account that PgBouncer runs as, which its console obeys.
    type: str
    default: postgres
attributes:
  check_mode:
    support: full
    description: Returns the plan and its refusals.
  diff_mode:
    support: none
    description: The plan is the difference.
"""

EXAMPLES = r"""
- name: Hand over to nixie
  postgres_switchover:
    state: switched
    members: "{{ postgres_members }}"
    rest_password: "{{ postgres_rest_password }}"
    etcd_endpoints: "{{ postgres_etcd_endpoints }}"
    to: nixie
    pooler_port: 6432
"""

RETURN = r"""
leader:
  description: Who led when the module began.
  returned: success
  type: str
target:
  description: Who shall lead.
  returned: O(state=switched)
  type: str
plan:
  description: The members and what will be done, in words.
  returned: O(state=switched)
  type: list
refusals:
  description: Why not.
  returned: O(state=switched)
  type: list
story:
  description: What was done, with the seconds.
  returned: when it acted
  type: list
seconds:
  description: How long the switch took, how long there was no primary for PgBouncer's clients, and how long they were held at most.
  returned: when it acted
  type: dict
known:
  description: Whether it is over. If not, Patroni may still hand over.
  returned: O(state=switched)
  type: bool
"""

SPEC = {
    "state": {"type": "str", "choices": ["looked", "resumed", "switched"], "required": True},
    "members": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {"name": {"type": "str", "required": True}, "address": {"type": "str", "required": True}},
    },
    "rest_port": {"type": "int", "default": 8008},
    "rest_user": {"type": "str", "default": "patroni"},
    "rest_password": {"type": "str", "default": "", "no_log": True},
    "etcd_endpoints": {"type": "list", "elements": "str", "default": []},
    "to": {"type": "str", "default": ""},
    "to_site": {"type": "str", "default": ""},
    "max_lag": {"type": "int", "default": 16777216},
    "max_transaction": {"type": "int", "default": 30},
    "pause_within": {"type": "int", "default": 5},
    "switch_within": {"type": "int", "default": 10},
    "within": {"type": "int", "default": 60},
    "socket": {"type": "path", "default": "/run/postgresql"},
    "port": {"type": "int", "default": 5432},
    "pooler_port": {"type": "int", "default": 0},
    "pooler_socket": {"type": "path", "default": "/run/postgresql"},
    "pooler_account": {"type": "str", "default": "postgres"},
}

# Patroni's own short questions are no transactions of anybody's.
TRANSACTIONS = """
select pid, coalesce(usename, '') as user, coalesce(application_name, '') as application,
       extract(epoch from clock_timestamp() - xact_start)::float8 as seconds
from pg_stat_activity
where backend_type = 'client backend' and xact_start is not null and pid <> pg_backend_pid()
  and not (usename = 'postgres' and application_name like 'Patroni%')"""
ARCHIVER = """
select coalesce(last_failed_wal, '') as wal from pg_stat_archiver
where current_setting('archive_mode') <> 'off' and last_failed_time > coalesce(last_archived_time, '-infinity')"""
BUSY = Path("/run/upstairs-switchover.lock")

# Seconds that a member has for an answer while clients are held.
QUESTION = 1.0

Words = tuple[Mapping[str, Any] | None, Mapping[str, Mapping[str, Any] | None]]


class Fleet:
    """The real world: Patroni's members, this host's server and its pooler."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        """Remember where everybody is."""
        self.params = params
        self.apis = {one["name"]: f"http://{one['address']}:{params['rest_port']}" for one in params["members"]}
        self.pooler = None
        if params["pooler_port"]:
            self.pooler = Pooler(params["pooler_socket"], params["pooler_port"], params["pooler_account"])
        self._server: Session | None = None

    def server(self) -> Session:
        """Return the connection to this host's server."""
        if self._server is None:
            self._server = Session(self.params["socket"], self.params["port"], "postgres", "postgres", "postgres")
        return self._server

    def checkpoint(self) -> None:
        """Write the pages that a stop would have to write."""
        self.server().run("CHECKPOINT")

    def transactions(self) -> list[Transaction]:
        """Look at the transactions of this host's server."""
        return [Transaction(**row) for row in self.server().run(TRANSACTIONS)]

    def order(self, leader: str, target: str) -> Callable[[], str | None]:
        """Tell Patroni to hand over, and do not wait for what it says."""
        said: list[Answer] = []
        login = (self.params["rest_user"], self.params["rest_password"])
        body = {"leader": leader, "candidate": target}

        def tell() -> None:
            said.append(ask(f"{self.apis[leader]}/switchover", body, login=login, timeout=60))

        threading.Thread(target=tell, daemon=True).start()
        return lambda: f"{said[0].text.strip()} ({said[0].status})" if said else None

    def leads(self, name: str) -> bool:
        """Ask a member whether it leads."""
        return ask(f"{self.apis[name]}/primary", timeout=QUESTION).ok

    def look(self, each: float = QUESTION) -> Words:
        """Ask for the cluster's members, then them and the inventory's how they are: three questions, each to all at once.

        The leader is asked first: a replica can only be further later. Who is not in the cluster is asked all the same, it may
        believe that it leads.
        """
        replies = ask_all({name: f"{api}/cluster" for name, api in self.apis.items()}, each).values()
        cluster = next((reply.json() for reply in replies if reply.ok), None)
        known = {str(member["name"]): member for member in (cluster or {}).get("members", [])}
        urls = {name: str(member["api_url"]) for name, member in known.items()}
        urls |= {name: f"{api}/patroni" for name, api in self.apis.items()}
        first = {name: url for name, url in urls.items() if known.get(name, {}).get("role") == "leader"}
        others = {name: url for name, url in urls.items() if name not in first}
        return cluster, {name: one.json() for part in (first, others) for name, one in ask_all(part, each).items()}

    def now(self) -> float:
        """Tell the time."""
        return time.monotonic()

    def rest(self, seconds: float) -> None:
        """Wait a little."""
        time.sleep(seconds)

    def observe(self) -> Observed:
        """Look at everything that the plan rests on."""
        members = ask_all({one: f"http://{one}/health" for one in self.params["etcd_endpoints"]}, 3)
        healthy = {one: '"health":"true"' in answer.text for one, answer in members.items()}
        cluster, statuses = self.look(each=3)
        leader = leader_of(statuses)
        reply = ask(f"{self.apis[leader]}/config") if leader in self.apis else None
        transactions, archiver, pooler = None, "", ""
        try:
            transactions = self.transactions()
            archiver = "".join(f"{row['wal']} failed last" for row in self.server().run(ARCHIVER))
        except Unreachable as error:
            archiver = f"not known: {error}"
        try:
            if self.pooler is not None:
                self.pooler.paused()
        except Unreachable as error:
            pooler = str(error)
        config = reply.json() if reply and reply.ok else None
        return Observed(self.apis, cluster, statuses, config, healthy, transactions, archiver, pooler)


def looked(module: AnsibleModule, fleet: Fleet) -> None:
    """Return who leads, as soon as one member alone says so."""
    deadline = time.monotonic() + module.params["within"]
    while not (leader := leader_of(fleet.look()[1])):
        if time.monotonic() > deadline:
            msg = (
                f"After {module.params['within']} s no member alone says that it leads: there is nothing to hand over. "
            )
            module.fail_json(msg=msg + "Look at patronictl list; docs/runbooks/primary-lost.md says what to do.")
        time.sleep(1)
    module.exit_json(changed=False, leader=leader)


def resumed(module: AnsibleModule, fleet: Fleet) -> None:
    """Let go of clients that a dead run left waiting; a module of it that still acts is waited for."""
    pooler = fleet.pooler
    if pooler is None:
        module.exit_json(changed=False)
        return
    if module.check_mode:
        module.exit_json(changed=pooler.armed() or pooler.paused())
        return
    with BUSY.open("w") as file:
        waited = occupy(file, module.params["within"])
        left = pooler.armed() or pooler.paused()
        if left:
            pooler.resume()
            pooler.disarm()
    module.exit_json(changed=left, waited=round(waited, 1))


def occupy(file: TextIO, within: float) -> float:
    """Be the only one that acts on this host. Return how long that took; an error if it took too long."""
    began = time.monotonic()
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return time.monotonic() - began
        except BlockingIOError:
            if time.monotonic() - began >= within:
                raise
            time.sleep(0.2)


def switched(module: AnsibleModule, fleet: Fleet) -> None:
    """Plan, refuse or act."""
    params = module.params
    wish = Wish(params["to"], params["to_site"], params["max_lag"], params["max_transaction"])
    seen = fleet.observe()
    plan = make_plan(seen, wish)
    said = {"leader": plan.leader, "target": plan.target, "refusals": list(plan.refusals), "known": True}
    said["plan"] = narrate(plan, fleet.pooler is not None)
    if plan.done:
        module.exit_json(changed=False, **said, story=[], unsettled=settle(fleet, plan, params))
    elif module.check_mode:
        module.exit_json(changed=not plan.refusals, **said)
    elif plan.refusals:
        module.fail_json(msg=f"Not handed over: {'; '.join(plan.refusals)}.", **said)
    else:
        act(module, fleet, plan, int((seen.statuses[plan.leader] or {})["timeline"]), said)


def settle(fleet: Fleet, plan: Plan, params: Mapping[str, Any]) -> list[str]:
    """Wait for what an earlier run began: everybody follows the one who leads already."""
    deadline = fleet.now() + params["within"]
    everybody = Plan(tuple(replace(row, lost=()) for row in plan.rows), plan.leader, plan.target)
    while wrong := proven(everybody, 0, *fleet.look(), params["max_lag"]):
        if fleet.now() > deadline:
            break
        fleet.rest(1)
    return wrong


def act(module: AnsibleModule, fleet: Fleet, plan: Plan, timeline: int, said: dict[str, Any]) -> None:
    """Hand over. From here on only a SIGKILL stops it half way, and then the timer lets go of the clients."""
    params = module.params
    limits = Limits(
        params["pause_within"],
        params["switch_within"],
        prove=params["within"],
        max_lag=params["max_lag"],
        question=QUESTION,
        look=3 * QUESTION,
    )
    for ignored in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        signal.signal(ignored, signal.SIG_IGN)
    with BUSY.open("w") as file:
        occupy(file, 0)
        handover = HandOver(plan, timeline, fleet, limits)
        try:
            outcome = handover.run()
        except Unreachable as error:
            outcome = handover.fail(str(error), known=handover.outcome.known)
    after = make_plan(fleet.observe(), Wish(plan.target, max_lag=params["max_lag"]))
    said |= {"story": outcome.story, "seconds": outcome.seconds, "known": outcome.known, "proof": table(after)}
    if outcome.wrong:
        msg = f"{'; '.join(outcome.wrong)}." + (
            "" if outcome.known else " Patroni may still do it: look before you try again."
        )
        module.fail_json(msg=msg, changed=outcome.switched, **said)
    module.exit_json(changed=True, **said)


def main() -> None:
    """Do what was asked."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    fleet = Fleet(module.params)
    try:
        {"looked": looked, "resumed": resumed, "switched": switched}[module.params["state"]](module, fleet)
    except BlockingIOError:
        module.fail_json(msg="Another switchover still acts on this host: wait for its end.", known=True)
    except Unreachable as error:
        module.fail_json(msg=f"This host's database or PgBouncer does not obey: {error}", known=True)


if __name__ == "__main__":
    main()
