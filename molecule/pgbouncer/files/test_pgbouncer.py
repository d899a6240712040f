# SPDX-License-Identifier: GPL-3.0-or-later
"""Says what clients of PgBouncer see; the users' passwords come by the environment.

usage: test_pgbouncer.py ADDRESS
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg2  # type: ignore[import-untyped]

ADDRESS = sys.argv[1]
PASSWORDS = {"mastodon": os.environ["JUDGE_MASTODON"], "second": os.environ["JUDGE_SECOND"]}


def dial(user: str = "mastodon", database: str = "mastodon", password: str | None = None, host: str = ADDRESS) -> Any:
    secret = PASSWORDS[user] if password is None else password
    connection = psycopg2.connect(host=host, port=6432, user=user, dbname=database, password=secret, connect_timeout=30)
    connection.autocommit = True
    return connection


@contextlib.contextmanager
def clients(number: int) -> Iterator[list[Any]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(contextlib.closing(dial())) for _ in range(number)]


def ask(connection: Any, query: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone()[0]


def refusal(**login: str) -> str:
    try:
        dial(**login)
    except psycopg2.OperationalError as refused:
        return str(refused)
    return "let in"


def console(command: str, user: str = "postgres") -> subprocess.CompletedProcess[str]:
    psql = ["psql", "-XAt", "-h", "/run/postgresql", "-p", "6432", "-U", "pgbouncer", "pgbouncer", "-c", command]
    login = {"PATH": os.environ["PATH"], "PGPASSWORD": "guess"}
    return subprocess.run(["runuser", "-u", user, "--", *psql], capture_output=True, text=True, check=False, env=login)


def the_awkward_passwords_log_in_to_their_databases() -> None:
    assert ask(dial(), "SELECT current_database()") == "mastodon"
    assert ask(dial("second", "other-name"), "SELECT current_database()") == "it's another"


def a_wrong_password_is_refused_by_scram() -> None:
    assert "SASL authentication failed" in refusal(password=PASSWORDS["mastodon"] + " ")
    assert "SASL authentication failed" in refusal(password=PASSWORDS["second"])
    assert "no such database" in refusal(database="nothing")


def the_console_is_for_the_unix_socket_alone() -> None:
    assert "let in" not in refusal(database="pgbouncer")
    assert console("SHOW VERSION").stdout.startswith("PgBouncer")
    assert console("SHOW VERSION", user="ops").returncode != 0


def many_clients_share_two_connections() -> None:
    with clients(30) as many:
        pids: set[int] = set()

        def work(client: Any) -> None:
            for _ in range(3):
                pids.add(ask(client, "SELECT pg_backend_pid() FROM pg_sleep(0.01)"))

        threads = [threading.Thread(target=work, args=(client,)) for client in many]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(pids) <= 2, pids


def a_connection_is_a_clients_for_a_transaction_only() -> None:
    """Two clients hold a transaction each, that is all there is; the others get their turn when one ends."""
    with clients(3) as (one, two, three):
        for holder in (one, two):
            ask(holder, "BEGIN; SELECT 1")
        answers: list[int] = []
        waiting = threading.Thread(target=lambda: answers.append(ask(three, "SELECT 42")))
        waiting.start()
        waiting.join(0.5)
        assert answers == []
        ask(one, "COMMIT; SELECT 1")
        waiting.join(60)
        assert answers == [42]


def protocol_level_prepared_statements_survive_the_change_of_connections() -> None:
    bench = ["/usr/lib/postgresql/17/bin/pgbench", "-n", "-M", "prepared", "-c", "10", "-t", "20", "-f", "/dev/stdin"]
    login = {
        "PGHOST": ADDRESS,
        "PGPORT": "6432",
        "PGUSER": "mastodon",
        "PGDATABASE": "mastodon",
        "PGPASSWORD": PASSWORDS["mastodon"],
    }
    done = subprocess.run(
        bench, input="SELECT 21 * 2;\n", capture_output=True, text=True, check=False, env={**os.environ, **login}
    )
    assert "processed: 200/200" in done.stdout, done.stdout + done.stderr


def a_reload_keeps_the_clients() -> None:
    with clients(1) as (client,):
        ask(client, "BEGIN; SELECT 1")
        subprocess.run(["systemctl", "reload", "pgbouncer"], check=True)
        time.sleep(0.5)
        assert ask(client, "SELECT 42") == 42


def a_stop_lets_a_transaction_end() -> None:
    with clients(1) as (client,):
        ask(client, "CREATE TABLE IF NOT EXISTS kept (id int); BEGIN; INSERT INTO kept VALUES (1); SELECT 1")
        stop = subprocess.Popen(["systemctl", "stop", "pgbouncer"])
        time.sleep(1)
        assert stop.poll() is None
        ask(client, "COMMIT; SELECT 1")
        # Less than systemd waits until it kills, which ends well too.
        assert stop.wait(45) == 0
    subprocess.run(["systemctl", "start", "pgbouncer"], check=True)
    assert ask(dial(), "DELETE FROM kept RETURNING id") == 1


def no_password_is_in_a_process_list_or_a_readable_file() -> None:
    listing = subprocess.run(["ps", "-eo", "args"], check=True, capture_output=True, text=True).stdout
    assert not any(secret in listing for secret in PASSWORDS.values())
    read = subprocess.run(
        ["runuser", "-u", "nobody", "--", "cat", "/etc/pgbouncer/userlist.txt"], capture_output=True, check=False
    )
    assert read.returncode != 0


PROMISES: list[Callable[[], None]] = [
    the_awkward_passwords_log_in_to_their_databases,
    a_wrong_password_is_refused_by_scram,
    the_console_is_for_the_unix_socket_alone,
    many_clients_share_two_connections,
    a_connection_is_a_clients_for_a_transaction_only,
    protocol_level_prepared_statements_survive_the_change_of_connections,
    a_reload_keeps_the_clients,
    a_stop_lets_a_transaction_end,
    no_password_is_in_a_process_list_or_a_readable_file,
]


def main() -> None:
    for promise in PROMISES:
        promise()
        print(promise.__name__.replace("_", " "))


if __name__ == "__main__":
    main()
