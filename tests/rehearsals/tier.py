# SPDX-License-Identifier: GPL-3.0-or-later
"""What the data tier says of itself, asked on its own hosts, past every proxy."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, TypeVar

from tests.rehearsals.faults import Faults
from tests.visitors import Site

Found = TypeVar("Found")
CONFIG = "/etc/patroni/config.yml"
# Seconds before a loss. A master acknowledges before its replica has it (milliseconds); one that nobody follows takes no more
# writes after so long: roles/redis, redis_min_replicas_max_lag. A job that was queued in between may be gone; no other.
REDIS_WINDOW = 10
REDIS = {"data": 6379, "cache": 6380}


def until(question: Callable[[], Found], what: str, seconds: float) -> Found:
    """Ask until the answer is true, and return it; say what was still false."""
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < deadline, f"still not true after {seconds} s: {what}"
        time.sleep(0.5)
    return answer


class Tier:
    """Postgres, Redis and etcd of one lab."""

    def __init__(self, site: Site) -> None:
        self.site, self._faults = site, Faults(site)

    def _ask(self, host: str, *command: str, stdin: str = "") -> str:
        """Return what a command on a host printed; nothing if it failed."""
        done = self._faults.on(host, *command, stdin=stdin)
        return done.stdout if done.returncode == 0 else ""

    def patroni(self, host: str) -> dict[str, Any]:
        """Return what the Patroni of a host says of its own member."""
        address = self.site.address(host)
        said = self._ask(host, "curl", "-s", "-m", "2", f"http://{address}:8008/patroni")
        answer: dict[str, Any] = json.loads(said) if said else {}
        return answer

    def members(self) -> dict[str, dict[str, Any]]:
        """Return what each Patroni says of its own member."""
        return {host: self.patroni(host) for host in self.site.hosts("postgres")}

    def leaders(self) -> list[str]:
        """Return the members that say of themselves that they lead."""
        return [host for host, said in self.members().items() if said.get("role") in ("primary", "master")]

    def leader(self, seconds: float = 60, *, but: str = "") -> str:
        """Return the one leader, who is not ``but``."""

        def one() -> str:
            found = [host for host in self.leaders() if host != but]
            return found[0] if len(found) == 1 else ""

        return until(one, f"one database member leads, and it is not {but or 'nobody'}", seconds)

    def followers(self, leader: str) -> list[str]:
        """Return the members that stream from the leader on its timeline."""
        found = self.members()
        return [
            host
            for host, said in found.items()
            if said.get("replication_state") == "streaming" and said.get("timeline") == found[leader].get("timeline")
        ]

    def all_follow(self, leader: str, seconds: float = 240) -> None:
        """Wait until every other member streams from the leader."""
        others = {host for host in self.site.hosts("postgres") if host != leader}
        until(lambda: set(self.followers(leader)) == others, f"{sorted(others)} stream from {leader}", seconds)

    def sql(self, host: str, query: str) -> str:
        """Return what a query on a member's own Postgres printed."""
        return self._ask(host, "runuser", "-u", "postgres", "--", "psql", "-XAtqc", query).strip()

    def postmaster(self, host: str) -> str:
        """Return the process id of a member's Postgres."""
        return self._ask(host, "sh", "-c", "head -1 /var/lib/postgresql/*/*/postmaster.pid").strip()

    def _redis(self, host: str, instance: str, *command: str) -> str:
        # The password comes by standard input: an argument is everybody's to read.
        ask = f'read -r REDISCLI_AUTH; export REDISCLI_AUTH; exec redis-cli -p {REDIS[instance]} "$@"'
        return self._ask(host, "sh", "-c", ask, "sh", *command, stdin=self.site.secrets[f"redis_{instance}"] + "\n")

    def redis_master(self, instance: str, seconds: float = 60, *, but: str = "") -> str:
        """Return the one master of an instance, who is not ``but``."""

        def one() -> str:
            hosts = [host for host in self.site.hosts("redis") if host != but]
            found = [h for h in hosts if self._redis(h, instance, "ROLE").startswith("master")]
            return found[0] if len(found) == 1 else ""

        return until(one, f"one Redis {instance} is master, and it is not {but or 'nobody'}", seconds)

    def redis_all_follow(self, instance: str, master: str, seconds: float = 180) -> None:
        """Wait until every other host of Redis follows the master and has what it has."""
        others = [host for host in self.site.hosts("redis") if host != master]

        def follow(host: str) -> bool:
            role = self._redis(host, instance, "ROLE").split("\n")
            return role[:2] == ["slave", self.site.address(master)] and role[3] == "connected"

        until(lambda: all(map(follow, others)), f"{others} follow the Redis {instance} of {master}", seconds)

    def hand_over(self, leader: str, to: str) -> None:
        """Set the stage: let another member lead, by Patroni's own means and without a word about it."""
        if leader == to:
            return
        words = ["switchover", "--leader", leader, "--candidate", to, "--force"]
        done = self._faults.on(leader, "runuser", "-u", "postgres", "--", "patronictl", "-c", CONFIG, *words)
        assert self.leader(but=leader) == to, done.stdout + done.stderr
        self.all_follow(to)

    def configure(self, host: str, setting: str) -> None:
        """Set one of the settings that the members share, as ``name=value``."""
        words = ["edit-config", "--force", "--quiet", "-s", setting]
        done = self._faults.on(host, "runuser", "-u", "postgres", "--", "patronictl", "-c", CONFIG, *words)
        assert done.returncode == 0, done.stdout + done.stderr

    def confirming(self, leader: str) -> list[str]:
        """Return the members that confirm each commit."""
        found = self.patroni(leader).get("replication", [])
        return [r["application_name"] for r in found if r["sync_state"] in ("sync", "quorum")]

    def flushed(self, host: str) -> int:
        """Return how far, in bytes of WAL, a primary has written down."""
        return int(self.sql(host, "select pg_current_wal_flush_lsn() - '0/0'::pg_lsn"))

    def branched_at(self, host: str) -> int:
        """Return where, in bytes of WAL, the timeline of a leader left the one before."""
        address = self.site.address(host)
        history: list[list[Any]] = json.loads(self._ask(host, "curl", "-s", f"http://{address}:8008/history"))
        return int(history[-1][1])

    def data_directory(self, host: str) -> str:
        """Return what tells a member's data directory from a new copy of it."""
        return self._ask(host, "sh", "-c", "stat -c %i /var/lib/postgresql/*/*/PG_VERSION").strip()

    def journal(self, host: str, unit: str, since: str) -> str:
        """Return what a unit wrote down since then (a time that journalctl knows)."""
        return self._ask(host, "journalctl", "--no-pager", "-o", "cat", "-u", unit, "--since", since)
