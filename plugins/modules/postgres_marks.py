#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Note where a database stands, and make sure that the archive holds it."""

from __future__ import annotations

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet.ports.commands import Answer, run

DOCUMENTATION = r"""
---
module: postgres_marks
short_description: Note where a database stands, and make sure that the archive holds it
description:
  - Runs queries that give one number each, over the socket as the server's own user.
  - With O(archive) it then writes a mark into the WAL, ends the WAL file and waits until that file is archived. What was noted
    can be restored from then on.
author: [Upstairs]
options:
  queries:
    description: Queries by name.
    type: dict
    default: {}
  database:
    description: The database.
    type: str
    default: postgres
  socket_dir:
    description: The directory of the server's socket.
    type: path
    default: /run/postgresql
  port:
    description: The server's port.
    type: int
    default: 5432
  user:
    description: The server's own user.
    type: str
    default: postgres
  archive:
    description: Whether to mark the WAL and to wait until the archive holds the mark.
    type: bool
    default: false
  within:
    description: Seconds for a query, and for the archive.
    type: int
    default: 120
attributes:
  check_mode:
    description: Notes, and neither marks nor waits.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
"""

EXAMPLES = r"""
- name: drill | Note where the primary stands
  postgres_marks:
    database: mastodon_production
    queries: {statuses: select count(*) from statuses}
    archive: true
"""

RETURN = r"""
marks:
  description: lsn, now (seconds since 1970), newest (of the newest transaction that was replayed, or of the mark), the timeline
    that the mark is on, archived_age (seconds since WAL was archived, before anything was forced), and the values.
  returned: success
  type: dict
"""

SPEC: dict[str, Any] = {
    "queries": {"type": "dict", "default": {}},
    "database": {"type": "str", "default": "postgres"},
    "socket_dir": {"type": "path", "default": "/run/postgresql"},
    "port": {"type": "int", "default": 5432},
    "user": {"type": "str", "default": "postgres"},
    "archive": {"type": "bool", "default": False},
    "within": {"type": "int", "default": 120},
}
PAUSE = 0.5
# Transactional, so that there is a commit with a time in the WAL: a quiet database has none.
MARK = "select pg_logical_emit_message(true, 'upstairs', 'mark')"
SWITCH = "select pg_current_wal_lsn(), pg_walfile_name(pg_switch_wal())"
# Whatever the timeline: a file's last 16 digits say where it lies. A history file's name is shorter and holds none.
ARCHIVED = (
    "select length(last_archived_wal) >= 24 and substr(last_archived_wal, 9, 16) >= substr('{file}', 9, 16),"
    " last_failed_wal is not null and last_failed_time > coalesce(last_archived_time, '-infinity') from pg_stat_archiver"
)
WHERE = (
    "select case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end,"
    " extract(epoch from clock_timestamp()), extract(epoch from pg_last_xact_replay_timestamp()), pg_last_wal_replay_lsn()"
)


class Problem(Exception):
    """What went wrong, in words."""


class Database:
    """One database, asked by psql."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params

    def ask(self, query: str) -> list[str]:
        """Return the columns of the one row that a query gives."""
        params = self.params
        argv = ["runuser", "-u", params["user"], "--", "psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]
        argv += ["--field-separator=|", "--set=ON_ERROR_STOP=1", f"--host={params['socket_dir']}"]
        argv += [f"--port={params['port']}", f"--dbname={params['database']}", f"--command={query}"]
        answer: Answer = run(argv, params["within"])
        if answer.rc != 0:
            raise Problem(f"`{query}` failed: {answer.output}")
        return answer.stdout.strip().split("|")

    def archive(self) -> None:
        """End the WAL file that holds the mark, and wait until it is archived."""
        file = self.ask(SWITCH)[1]
        deadline = time.monotonic() + self.params["within"]
        while True:
            done, failing = self.ask(ARCHIVED.format(file=file))
            if done == "t":
                return
            if time.monotonic() > deadline:
                why = "archiving fails (pg_stat_archiver)" if failing == "t" else "nothing was archived meanwhile"
                raise Problem(f"{file} is not in the archive after {self.params['within']} s: {why}")
            time.sleep(PAUSE)

    def marks(self, *, archive: bool) -> dict[str, Any]:
        """Return where it stands."""
        values = {name: self.ask(query)[0] for name, query in self.params["queries"].items()}
        if not archive:
            lsn, now, newest, replayed = self.ask(WHERE)
            # A server that was restored writes on; what counts is how far it had come when it stopped replaying.
            return {
                "lsn": replayed or lsn,
                "now": float(now),
                "newest": float(newest) if newest else None,
                "values": values,
            }
        # Before anything is forced: what a loss now would cost.
        age = self.ask("select extract(epoch from clock_timestamp() - last_archived_time) from pg_stat_archiver")[0]
        self.ask(MARK)
        # Before the switch, which moves on: this is the place that a restore must reach.
        lsn, marked = self.ask("select pg_current_wal_lsn(), extract(epoch from clock_timestamp())")
        # A restore to that moment stops at the first commit after it, and fails where there is none.
        self.ask(MARK)
        self.archive()
        now = self.ask("select extract(epoch from clock_timestamp())")[0]
        timeline = self.ask("select timeline_id from pg_control_checkpoint()")[0]
        told = {"lsn": lsn, "now": float(now), "newest": float(marked), "timeline": timeline, "values": values}
        return {**told, "archived_age": float(age)} if age else told


def main() -> None:
    """Ask, mark, wait, tell."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    archive = module.params["archive"] and not module.check_mode
    try:
        marks = Database(module.params).marks(archive=archive)
    except Problem as problem:
        module.fail_json(msg=str(problem))
    module.exit_json(changed=archive, marks=marks)


if __name__ == "__main__":
    main()
