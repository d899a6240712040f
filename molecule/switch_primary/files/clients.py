# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients as Rails is one: they write and read through HAProxy until told to stop, and keep book of every answer.

usage: clients.py <file that ends it> <report>. PGPASSWORD and the like are in the environment.

As Rails does, a BEGIN and a lone SELECT are sent once more over a new connection if the first one broke; nothing else is.
"""

import itertools
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psycopg2  # type: ignore[import-untyped]

END, REPORT = Path(sys.argv[1]), Path(sys.argv[2])
THREADS, PAUSE = 6, 0.15


class Client(threading.Thread):
    """One connection of a web server."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self.connection: Any = None
        self.done: list[tuple[float, float]] = []
        self.kept: list[int] = []
        self.failures: list[str] = []

    def ask(self, sql: str, values: tuple[Any, ...] = (), again: bool = False) -> list[Any]:
        """Send one statement; where Rails would, once more."""
        try:
            if self.connection is None:
                self.connection = psycopg2.connect(
                    host="127.0.0.1", port=5532, dbname="mastodon_production", user="mastodon"
                )
                self.connection.autocommit = True
            with self.connection.cursor() as cursor:
                cursor.execute(sql, values)
                return cursor.fetchall() if cursor.description else []
        except psycopg2.OperationalError:
            self.connection = None
            if not again:
                raise
            return self.ask(sql, values)

    def run(self) -> None:
        """Write, read, write, read."""
        turn = 0
        while not END.exists():
            began, turn = time.time(), turn + 1
            try:
                if turn % 2:
                    self.ask("BEGIN", again=True)
                    number = self.ask("INSERT INTO heard (client) VALUES (%s) RETURNING id", (self.number,))[0][0]
                    self.ask("COMMIT")
                    self.kept.append(number)
                else:
                    self.ask("SELECT count(*) FROM heard WHERE client = %s", (self.number,), again=True)
                self.done.append((began, time.time()))
            except psycopg2.Error as error:
                self.connection = None
                self.failures.append(f"{time.time():.2f}: {' '.join(str(error).split())}")
            time.sleep(PAUSE)


def main() -> None:
    """Run the clients and count."""
    starter = Client(0)
    starter.ask("CREATE TABLE IF NOT EXISTS heard (id bigserial PRIMARY KEY, client int, at timestamptz DEFAULT now())")
    clients = [Client(number) for number in range(1, THREADS + 1)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    ends = sorted(end for client in clients for _, end in client.done)
    gaps = [later - earlier for earlier, later in itertools.pairwise(ends)]
    kept = {number for client in clients for number in client.kept}
    there = {number for (number,) in starter.ask("SELECT id FROM heard", again=True)}
    REPORT.write_text(
        json.dumps(
            {
                "requests": len(ends),
                "failures": [failure for client in clients for failure in client.failures],
                "lost": len(kept - there),
                "longest_gap": round(max(gaps), 2),
                "longest_request": round(max(end - began for client in clients for began, end in client.done), 2),
            }
        )
    )


main()
