#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Converge what the members of a Patroni cluster share: dynamic configuration, users, databases, extensions."""

from __future__ import annotations

import contextlib
import os
import pwd
import time
from collections.abc import Iterator, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet.patroni import describe_config, plan_config
from ..module_utils.fleet.ports.rest import Answer, ask
from ..module_utils.fleet.postgres import Database, FoundDatabase, FoundRole, Role, Statement, plan
from ..module_utils.fleet.scram import verifier

DOCUMENTATION = r"""
---
module: postgres_cluster
short_description: Converge what the members of a Patroni cluster share
description:
  - Waits until this member's Postgres runs and the cluster has a leader. Then the leader, wherever it is now, compares Patroni's dynamic
    configuration, users, databases and extensions with what is asked for and makes the difference. The other members only report.
  - Never restarts Postgres. A setting that waits for a restart is a warning, in every run until somebody restarts it.
  - Never drops a user, a database or an extension.
  - Passwords are compared with the verifier that the server keeps and sent as one, so that none reaches a log of the server.
author: [Upstairs]
options:
  api:
    description: This member's REST API.
    type: str
    required: true
  api_user:
    description: User of the REST API's unsafe endpoints.
    type: str
    required: true
  api_password:
    description: Its password.
    type: str
    required: true
  config:
    description: Dynamic configuration. Under C(postgresql.parameters) it is complete; elsewhere only what is named here is compared.
    type: dict
    required: true
  system_roles:
    description: Patroni's own roles, of which only the password is converged.
    type: list
    elements: dict
    default: []
    options: &password
      name:
        description: The role's name.
        type: str
        required: true
      password:
        description: Its password.
        type: str
        required: true
  users:
    description: Logins, none of which is more than a login.
    type: list
    elements: dict
    default: []
    options:
      <<: *password
      connection_limit:
        description: How many connections it may have; -1 is no limit.
        type: int
        default: -1
      member_of:
        description: Roles that it is a member of.
        type: list
        elements: str
        default: []
  databases:
    description: Databases.
    type: list
    elements: dict
    default: []
    options:
      name:
        description: The database's name.
        type: str
        required: true
      owner:
        description: The user that owns it.
        type: str
        required: true
      extensions:
        description: Extensions that it has.
        type: list
        elements: str
        default: []
  socket:
    description: Directory of the server's socket.
    type: path
    default: /run/postgresql
  port:
    description: Port of the server.
    type: int
    default: 5432
  within:
    description: Seconds until this member must run and a leader exist.
    type: int
    default: 120
attributes:
  check_mode:
    support: full
    description: Says the changes. On a host without a running Patroni it says that everything would be made.
  diff_mode:
    support: full
    description: The changes in words.
"""

EXAMPLES = r"""
- name: Converge users and databases
  postgres_cluster:
    api: http://10.44.1.11:8008
    api_user: patroni
    api_password: "{{ postgres_rest_password }}"
    config: {ttl: 30}
    users: [{name: mastodon, password: "{{ database_password }}"}]
    databases: [{name: mastodon, owner: mastodon}]
"""

RETURN = r"""
plan:
  description: The changes in words.
  returned: always
  type: list
role:
  description: C(primary) or C(replica), this member's own word.
  returned: when Patroni answers
  type: str
pending_restart:
  description: Settings that wait for a restart of this member's Postgres.
  returned: when Patroni answers
  type: list
"""

SECRET = {
    "name": {"type": "str", "required": True},
    "password": {"type": "str", "required": True, "no_log": True},
}
NAMES = {"type": "list", "elements": "str", "default": []}
SPEC = {
    "api": {"type": "str", "required": True},
    "api_user": {"type": "str", "required": True},
    "api_password": {"type": "str", "required": True, "no_log": True},
    "config": {"type": "dict", "required": True},
    "system_roles": {"type": "list", "elements": "dict", "default": [], "options": SECRET},
    "users": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {**SECRET, "connection_limit": {"type": "int", "default": -1}, "member_of": NAMES},
    },
    "databases": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "owner": {"type": "str", "required": True},
            "extensions": NAMES,
        },
    },
    "socket": {"type": "path", "default": "/run/postgresql"},
    "port": {"type": "int", "default": 5432},
    "within": {"type": "int", "default": 120},
}

ROLES = """
select r.rolname, a.rolpassword, r.rolcanlogin, r.rolconnlimit,
       array_remove(array[case when r.rolsuper then 'SUPERUSER' end, case when r.rolcreatedb then 'CREATEDB' end,
         case when r.rolcreaterole then 'CREATEROLE' end, case when r.rolreplication then 'REPLICATION' end,
         case when r.rolbypassrls then 'BYPASSRLS' end], null),
       array(select g.rolname::text from pg_auth_members m join pg_roles g on g.oid = m.roleid where m.member = r.oid)
from pg_roles r join pg_authid a on a.oid = r.oid"""
DATABASES = "select d.datname, r.rolname from pg_database d join pg_roles r on r.oid = d.datdba"
NEEDS_RESTART = "select name from pg_settings where context = 'postmaster' and name = any(%s)"


class Server:
    """This host's Postgres, over its socket, as its own administrator."""

    def __init__(self, module: AnsibleModule) -> None:
        self.where = {"host": module.params["socket"], "port": module.params["port"], "user": "postgres"}

    def run(self, sql: str, values: tuple[Any, ...] | None = None, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement outside of any transaction: CREATE DATABASE refuses to be in one."""
        import psycopg2  # type: ignore[import-untyped]

        with as_user("postgres"):
            connection = psycopg2.connect(dbname=database, application_name="upstairs", **self.where)
        with contextlib.closing(connection):
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql, values)
                return list(cursor.fetchall()) if cursor.description else []


@contextlib.contextmanager
def as_user(name: str) -> Iterator[None]:
    """Be somebody else for a moment: the server asks the kernel who opens its socket."""
    before = os.geteuid()
    os.seteuid(pwd.getpwnam(name).pw_uid)
    try:
        yield
    finally:
        os.seteuid(before)


def await_member(module: AnsibleModule) -> Mapping[str, Any] | None:
    """Return what this member says once it runs and there is a leader. In check mode it is asked once."""
    deadline = time.monotonic() + module.params["within"]
    while True:
        answer = ask(f"{module.params['api']}/patroni")
        status, wrong = answer.json() or {}, "Patroni does not answer"
        if answer.status:
            wrong = f"Postgres is not running: {status.get('state', answer.text)}"
        if status.get("state") == "running":
            # The leader key comes after Patroni has made its own roles, so a primary waits for it as well.
            members = (ask(f"{module.params['api']}/cluster").json() or {}).get("members", [])
            if any(member["role"] == "leader" for member in members):
                return status
            wrong = "the cluster has no leader"
        if module.check_mode:
            return None
        if time.monotonic() > deadline:
            module.fail_json(
                msg=f"Not ready after {module.params['within']} s: {wrong}. A first copy of a large database takes longer than that: "
                "look at journalctl -u patroni, and converge again when it is done."
            )
        time.sleep(0.5)


def found_on(server: Server, wanted: list[Database]) -> tuple[dict[str, FoundRole], dict[str, FoundDatabase]]:
    """Look at the roles, databases and extensions that there are."""
    roles = {
        name: FoundRole(kept, login, frozenset(powers), limit, frozenset(groups))
        for name, kept, login, limit, powers, groups in server.run(ROLES)
    }
    owners = dict(server.run(DATABASES))
    asked = {database.name for database in wanted if database.extensions}
    databases = {
        name: FoundDatabase(owner, extensions_of(server, name) if name in asked else frozenset())
        for name, owner in owners.items()
    }
    return roles, databases


def extensions_of(server: Server, database: str) -> frozenset[str]:
    """Look at the extensions of one database."""
    return frozenset(name for (name,) in server.run("select extname from pg_extension", database=database))


def plan_objects(module: AnsibleModule, server: Server) -> list[Statement]:
    """Compare roles, databases and extensions with what is asked for."""
    params = module.params
    roles = [Role(role["name"], role["password"], system=True) for role in params["system_roles"]]
    roles += [Role(u["name"], u["password"], u["connection_limit"], tuple(u["member_of"])) for u in params["users"]]
    databases = [Database(d["name"], d["owner"], tuple(d["extensions"])) for d in params["databases"]]
    return plan(roles, databases, *found_on(server, databases), lambda word: verifier(word, os.urandom(16)))


def patch_config(module: AnsibleModule, patch: dict[str, Any]) -> Answer:
    """Change the dynamic configuration; Patroni applies it on every member."""
    login = (module.params["api_user"], module.params["api_password"])
    answer = ask(f"{module.params['api']}/config", patch, method="PATCH", login=login)
    if not answer.ok:
        module.fail_json(msg=f"Patroni refused its new configuration: {answer.status} {answer.text}")
    return answer


def pending(server: Server | None, status: Mapping[str, Any], patch: dict[str, Any]) -> list[str]:
    """Return the settings that wait for a restart: those that Patroni names, and those that this run has just set."""
    waiting = set(status.get("pending_restart_reason", {}) or (["?"] if status.get("pending_restart") else []))
    changed = list(patch.get("postgresql", {}).get("parameters", {}))
    if server and changed:
        waiting |= {name for (name,) in server.run(NEEDS_RESTART, (changed,))}
    return sorted(waiting)


def main() -> None:
    """Wait for this member, plan, apply if it leads, report what waits for a restart."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    status = await_member(module)
    if status is None:
        module.exit_json(changed=True, plan=["Postgres does not run here yet: everything would be made"])
        return
    words: list[str] = []
    patch: dict[str, Any] = {}
    server = Server(module) if status["role"] in ("primary", "master") else None
    if server:
        current = ask(f"{module.params['api']}/config").json() or {}
        patch, statements = plan_config(current, module.params["config"]), plan_objects(module, server)
        words = describe_config(patch, current) + [statement.words for statement in statements]
        if not module.check_mode:
            if patch:
                patch_config(module, patch)
            for statement in statements:
                server.run(statement.sql, database=statement.database)
    waiting = pending(server, status, patch)
    if waiting:
        module.warn(f"Postgres waits for a restart to take: {', '.join(waiting)}. Converge never restarts it.")
    diff = {"before": "", "after": "".join(f"{word}\n" for word in words)} if words else {}
    module.exit_json(changed=bool(words), plan=words, role=status["role"], pending_restart=waiting, diff=diff)


if __name__ == "__main__":
    main()
