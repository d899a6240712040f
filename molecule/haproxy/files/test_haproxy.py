# SPDX-License-Identifier: GPL-3.0-or-later
"""Says what an application sees at the three ports of 127.0.0.1 while the members change what they claim."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

WRITE, READ, DIRECT = 5532, 5533, 5534
WAIT = 3.0  # haproxy_wait_for_primary of this scenario


def claim(**members: str) -> None:
    for name, words in members.items():
        Path(f"/run/member/{name}").write_text(words)


def dial(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=5)
    connection.settimeout(WAIT + 3)
    return connection


def say(connection: socket.socket) -> str:
    """Speak, and return who answers; an empty string if the connection is closed instead."""
    with contextlib.suppress(ConnectionError):
        connection.sendall(b"who")
        return connection.recv(100).decode().strip()
    return ""


def who(port: int) -> str:
    with dial(port) as connection:
        return say(connection)


def up(backend: str, rows: list[list[str]]) -> str:
    return " ".join(row[1] for row in rows if row[0] == backend and row[1] != "BACKEND" and row[17].startswith("UP"))


def until(write: str, read: str) -> None:
    """Wait until HAProxy itself says that these members are written to and read from."""
    deadline = time.monotonic() + 8
    while True:
        url = "http://127.0.0.1:8404/stats;csv"
        said = subprocess.run(["curl", "-fsS", url], check=True, capture_output=True, text=True).stdout
        rows = [line.split(",") for line in said.splitlines() if line.count(",") > 17]
        seen = {backend: up(backend, rows) for backend in ("write", "direct", "read")}
        if seen == {"write": write, "direct": write, "read": read}:
            return
        assert time.monotonic() < deadline, f"wanted write={write!r} read={read!r}, HAProxy says {seen}"
        time.sleep(0.1)


def each_port_leads_to_its_member() -> None:
    assert (who(WRITE), who(READ), who(DIRECT)) == ("alice bouncer", "bob bouncer", "alice postgres")


def reads_fall_back_to_the_primary_while_the_replica_lags_and_return() -> None:
    claim(bob="lagging")
    until(write="alice", read="")
    assert who(READ) == "alice bouncer"
    claim(bob="replica")
    until(write="alice", read="bob")
    assert who(READ) == "bob bouncer"


def reads_fall_back_when_the_replica_dies() -> None:
    subprocess.run(["systemctl", "stop", "member@bob"], check=True)
    until(write="alice", read="")
    assert who(READ) == "alice bouncer"
    subprocess.run(["systemctl", "start", "member@bob"], check=True)
    until(write="alice", read="bob")


def a_member_without_pgbouncer_is_out_whatever_patroni_says() -> None:
    claim(bob="replica closed")
    until(write="alice", read="")
    assert who(READ) == "alice bouncer"
    claim(bob="replica")
    until(write="alice", read="bob")


def a_switchover_ends_the_sessions_with_the_former_primary() -> None:
    with dial(WRITE) as session, dial(DIRECT) as migration:
        assert (say(session), say(migration)) == ("alice bouncer", "alice postgres")
        claim(alice="replica", bob="primary")
        until(write="bob", read="alice")
        assert (say(session), say(migration)) == ("", "")
    assert (who(WRITE), who(READ), who(DIRECT)) == ("bob bouncer", "alice bouncer", "bob postgres")


def nobody_is_written_to_while_two_claim_to_be_primary() -> None:
    claim(alice="primary", bob="primary")
    until(write="alice bob", read="")
    assert (who(WRITE), who(DIRECT), who(READ)) == ("", "", "")
    claim(carol="replica")
    until(write="alice bob", read="carol")
    assert (who(WRITE), who(DIRECT), who(READ)) == ("", "", "carol bouncer")
    claim(alice="primary", bob="replica", carol="")
    until(write="alice", read="bob")


def reads_go_on_without_a_primary() -> None:
    claim(alice="")
    until(write="", read="bob")
    began = time.monotonic()
    assert who(READ) == "bob bouncer"
    assert time.monotonic() - began < 1
    assert who(WRITE) == ""


def a_new_connection_waits_for_the_primary_to_come() -> None:
    claim(alice="")
    until(write="", read="bob")
    with dial(WRITE) as early:
        claim(alice="primary")
        assert say(early) == "alice bouncer"


def a_reload_disturbs_nobody() -> None:
    with dial(WRITE) as session:
        assert say(session) == "alice bouncer"
        reload = subprocess.Popen(["systemctl", "reload", "haproxy"])
        deadline = time.monotonic() + 2.5
        while time.monotonic() < deadline:
            assert who(WRITE) == "alice bouncer"
            assert say(session) == "alice bouncer"
            time.sleep(0.1)
        assert reload.wait() == 0


def nobody_outside_this_host_is_served() -> None:
    address = sys.argv[1]
    for port in (WRITE, READ, DIRECT, 8404):
        with socket.socket() as stranger:
            assert stranger.connect_ex((address, port)) != 0, f"{address}:{port} answers"


PROMISES: list[Callable[[], None]] = [
    each_port_leads_to_its_member,
    reads_fall_back_to_the_primary_while_the_replica_lags_and_return,
    reads_fall_back_when_the_replica_dies,
    a_member_without_pgbouncer_is_out_whatever_patroni_says,
    a_switchover_ends_the_sessions_with_the_former_primary,
    nobody_is_written_to_while_two_claim_to_be_primary,
    reads_go_on_without_a_primary,
    a_new_connection_waits_for_the_primary_to_come,
    a_reload_disturbs_nobody,
    nobody_outside_this_host_is_served,
]


def main() -> None:
    claim(alice="primary", bob="replica", carol="")
    until(write="alice", read="bob")
    for promise in PROMISES:
        promise()
        print(promise.__name__.replace("_", " "))


if __name__ == "__main__":
    main()
