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
# Seconds before a loss. Whoever acknowledges before a replica has it (a master of Redis, an asynchronous primary) is ahead of it by
# milliseconds; a second leaves room for two busy cores. What was acknowledged earlier must be there.
MOMENT = 1.0
# Seconds for which a Redis master that is cut off takes writes, which are thrown away when it comes back: roles/redis,
# redis_min_replicas_max_lag, and two more, because Redis counts whole seconds, and counts once a second.
REDIS_WINDOW = 10 + 2
REDIS = {"data": 6379, "cache": 6380}


class UnansweredError(AssertionError):
    """Somebody who was asked gave no answer: which is no "no"."""


def until(question: Callable[[], Found], what: str, seconds: float) -> Found:
    """Ask until the answer is true, and return it; say what was still false, and who did not answer."""
    deadline = time.monotonic() + seconds
    while True:
        silence = ""
        try:
            if answer := question():
                return answer
        except UnansweredError as error:
            silence = f" ({error})"
        assert time.monotonic() < deadline, f"still not true after {seconds} s: {what}{silence}"
        time.sleep(0.5)


def answered(question: Callable[[], Found], seconds: float = 60) -> Found:
    """Ask until there is an answer, whatever it is, and return it."""
    return until(lambda: (question(),), "everybody answers", seconds)[0]


class Tier:
    """Postgres, Redis and etcd of one lab."""

    def __init__(self, site: Site, faults: Faults | None = None) -> None:
        # Who has hosts that are virtual machines brings the way onto them.
        self.site, self._faults = site, faults or Faults(site)

    def _ask(self, host: str, *command: str, stdin: str = "") -> str:
        """Return what a command on a host printed. One that failed has not answered, and whoever may be down is not asked."""
        done = self._faults.asked(host, *command, stdin=stdin)
        if done.returncode != 0:
            raise UnansweredError(f"{host}: {command[0]} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
        return done.stdout

    def patroni(self, host: str) -> dict[str, Any]:
        """Return what the Patroni of a host says of its own member."""
        answer: dict[str, Any] = self._page(host, "patroni")
        return answer

    def _page(self, host: str, path: str) -> Any:
        """Return what the Patroni of a host answers to a question of its API. What is no JSON is no answer."""
        said = self._ask(host, "curl", "-sS", "-m", "5", f"http://{self.site.address(host)}:8008/{path}")
        try:
            return json.loads(said)
        except ValueError as error:
            raise UnansweredError(f"{host}: {said[:300]!r}") from error

    def members(self, but: str = "") -> dict[str, dict[str, Any]]:
        """Return what each Patroni says of its own member; ``but``, who may be down, is not asked."""
        return {host: self.patroni(host) for host in self.site.hosts("postgres") if host != but}

    def _leaders(self, but: str = "") -> list[str]:
        return [host for host, said in self.members(but).items() if said["role"] in ("primary", "master")]

    def leaders(self) -> list[str]:
        """Return the members that say of themselves that they lead, when all have answered."""
        return answered(self._leaders)

    def leader(self, seconds: float = 60, *, but: str = "") -> str:
        """Return the one leader, who is not ``but``: that one may be down, or may believe that it leads."""

        def one() -> str:
            found = self._leaders(but)
            return found[0] if len(found) == 1 else ""

        return until(one, f"one database member leads, and it is not {but or 'nobody'}", seconds)

    def followers(self, leader: str) -> list[str]:
        """Return the members that stream from the leader on its timeline."""
        found = self.members()
        timeline = found[leader].get("timeline")
        return [
            host
            for host, said in found.items()
            if timeline and (said.get("replication_state"), said.get("timeline")) == ("streaming", timeline)
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
        ask = f'read -r REDISCLI_AUTH; export REDISCLI_AUTH; exec redis-cli -e -p {REDIS[instance]} "$@"'
        return self._ask(host, "sh", "-c", ask, "sh", *command, stdin=self.site.secrets[f"redis_{instance}"] + "\n")

    def redis_master(self, instance: str, seconds: float = 180, *, but: str = "") -> str:
        """Return the one master of an instance, who is not ``but``: that one may be down, or may believe that it is master."""

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

    def leads(self) -> dict[str, tuple[str, str]]:
        """Return who leads the database and each Redis, and in which reign: one who was away meanwhile is in another."""
        leader = self.leader()
        found = {"database": (leader, str(answered(lambda: self.patroni(leader))["timeline"]))}
        for instance in REDIS:
            master = self.redis_master(instance)
            lines = self._redis(master, instance, "INFO", "replication").splitlines()
            found[instance] = (master, next(line for line in lines if line.startswith("master_replid:")))
        return found

    def redis_list(self, master: str, name: str) -> list[str]:
        """Return what is in a list of the Redis for data."""
        return self._redis(master, "data", "LRANGE", name, "0", "-1").split()

    def redis_forget(self, master: str, name: str) -> None:
        """Remove a key of the Redis for data."""
        self._redis(master, "data", "DEL", name)

    def hand_over(self, leader: str, to: str) -> None:
        """Set the stage: let another member lead, by Patroni's own means and without a word about it."""
        until(lambda: to in self.confirming(leader), f"{to} confirms what {leader} writes, and so may lead", 60)
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
        # Who has no replica says nothing of any.
        found = self.patroni(leader).get("replication", [])
        return [r["application_name"] for r in found if r["sync_state"] in ("sync", "quorum")]

    def flushed(self, host: str) -> int:
        """Return how far, in bytes of WAL, a primary has written down."""
        return int(self.sql(host, "select pg_current_wal_flush_lsn() - '0/0'::pg_lsn"))

    def branched_at(self, host: str) -> int:
        """Return where, in bytes of WAL, the timeline of a leader left the one before."""
        timeline = answered(lambda: self.patroni(host))["timeline"]

        def branch() -> int:
            # Patroni writes it down some time after the promotion; until then the last line is of an earlier one.
            history: list[list[Any]] = self._page(host, "history")
            return next((int(line[1]) for line in history if line[0] == timeline - 1), 0)

        return until(branch, f"Patroni knows where timeline {timeline} began", 60)

    def data_directory(self, host: str) -> str:
        """Return what tells a member's data directory from a new copy of it."""
        return self._ask(host, "sh", "-c", "stat -c %i /var/lib/postgresql/*/*/PG_VERSION").strip()

    def journal(self, host: str, unit: str, since: str) -> str:
        """Return what a unit wrote down since then (a time that journalctl knows)."""
        return self._ask(host, "journalctl", "--no-pager", "-o", "cat", "-u", unit, "--since", since)
