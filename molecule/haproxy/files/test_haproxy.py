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
RETURN = 1.0  # haproxy_return_after
DOUBT = 1.0  # of ways.lua: seconds that two may be primary
WAITING = 4  # haproxy_max_waiting


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


def seen() -> dict[str, str]:
    """Return whom HAProxy itself would send each kind of question to."""
    url = "http://127.0.0.1:8404/stats;csv"
    said = subprocess.run(["curl", "-fsS", url], check=True, capture_output=True, text=True).stdout
    rows = [line.split(",") for line in said.splitlines() if line.count(",") > 17]
    return {backend: up(backend, rows) for backend in ("write", "direct", "read", "anyone")}


def until(write: str, read: str, anyone: str | None = None) -> None:
    """Wait until HAProxy writes to these members and reads from those; who else runs as a replica, if it matters."""
    wanted = {"write": write, "direct": write, "read": read, "anyone": read if anyone is None else anyone}
    # For what comes to be, however busy the machine is; how fast it is, is judged elsewhere.
    deadline = time.monotonic() + 40
    while (found := seen()) != wanted:
        assert time.monotonic() < deadline, f"wanted {wanted}, HAProxy says {found}"
        time.sleep(0.05)


def primary_is(name: str) -> float:
    """Wait until writes lead to this member alone, and return how long that took."""
    began = time.monotonic()
    while seen()["write"] != name:
        assert time.monotonic() < began + 8, seen()
        time.sleep(0.02)
    return time.monotonic() - began


def each_port_leads_to_its_member() -> None:
    assert (who(WRITE), who(READ), who(DIRECT)) == ("alice bouncer", "bob bouncer", "alice postgres")


def reads_fall_back_to_the_primary_while_the_replica_lags_and_return() -> None:
    claim(bob="behind")
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
    claim(alice="primary", bob="behind")
    until(write="alice", read="")
    with dial(WRITE) as session, dial(DIRECT) as migration, dial(READ) as reader:
        assert (say(session), say(migration), say(reader)) == ("alice bouncer", "alice postgres", "alice bouncer")
        claim(alice="primary", bob="primary")
        until(write="alice bob", read="")
        time.sleep(DOUBT + 0.5)
        assert (say(session), say(migration), say(reader)) == ("", "", ""), "an open session still leads to one of two"
    assert (who(WRITE), who(DIRECT), who(READ)) == ("", "", "")
    claim(carol="replica")
    until(write="alice bob", read="carol")
    assert (who(WRITE), who(DIRECT), who(READ)) == ("", "", "carol bouncer")
    claim(alice="primary", bob="replica", carol="")
    until(write="alice", read="bob")


def a_replica_that_gets_nothing_more_is_not_read_from_though_its_lag_is_small() -> None:
    with dial(READ) as session:
        assert say(session) == "bob bouncer"
        claim(bob="severed", carol="replica")
        until(write="alice", read="carol", anyone="bob carol")
        assert say(session) == ""
    assert {who(READ) for _ in range(5)} == {"carol bouncer"}
    claim(carol="")
    until(write="alice", read="", anyone="bob")
    assert who(READ) == "alice bouncer"
    claim(bob="replica")
    until(write="alice", read="bob")


def reads_return_to_the_replica_when_it_is_back() -> None:
    claim(bob="behind")
    until(write="alice", read="")
    with dial(READ) as session, dial(WRITE) as writer:
        assert (say(session), say(writer)) == ("alice bouncer", "alice bouncer")
        claim(bob="replica")
        until(write="alice", read="bob")
        assert say(session) == "alice bouncer", "ended before the replica had proven itself"
        time.sleep(RETURN + 0.5)
        assert (say(session), say(writer)) == ("", "alice bouncer")


def reads_go_on_without_a_primary_and_writes_do_not() -> None:
    """As while etcd has no quorum: the former primary and the replicas all run, and nobody has anybody to stream from."""
    claim(alice="severed", bob="severed")
    until(write="", read="", anyone="alice bob")
    began = time.monotonic()
    assert who(READ) in ("alice bouncer", "bob bouncer")
    assert time.monotonic() - began < 1
    time.sleep(WAIT)
    began = time.monotonic()
    assert (who(WRITE), who(DIRECT)) == ("", "")
    assert time.monotonic() - began < 1, "after so long nobody waits any more"
    with dial(READ) as session:
        assert say(session) in ("alice bouncer", "bob bouncer")
        claim(alice="primary", bob="replica")
        until(write="alice", read="bob")
        time.sleep(RETURN + 0.5)
        assert say(session) == "", "it stayed with a member that it could not judge"


def a_new_connection_waits_for_the_primary_to_come_and_no_longer() -> None:
    claim(alice="")
    until(write="", read="bob")
    with dial(WRITE) as early:
        early.sendall(b"who")
        claim(alice="primary")
        took = primary_is("alice")
        began = time.monotonic()
        assert early.recv(100).decode().strip() == "alice bouncer"
        assert time.monotonic() - began < 0.3, "it waited on although the primary was there"
    assert took < 0.8, f"the new primary was noticed after {took:.1f} s"


def more_than_so_many_do_not_wait() -> None:
    claim(alice="")
    until(write="", read="bob")
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(dial(WRITE)) for _ in range(WAITING)]
        time.sleep(0.2)
        began = time.monotonic()
        assert who(WRITE) == ""
        assert time.monotonic() - began < 0.5
        claim(alice="primary")
        assert [say(connection) for connection in waiting] == ["alice bouncer"] * WAITING
    until(write="alice", read="bob")


def a_leader_is_not_written_to_before_it_is_promoted_nor_while_it_stops() -> None:
    claim(alice="stopping")
    until(write="", read="bob")
    claim(alice="", bob="promoting")
    until(write="", read="")
    claim(bob="primary")
    assert primary_is("bob") < 0.8
    claim(alice="primary", bob="replica")
    until(write="alice", read="bob")


def a_former_primary_is_noticed_soon() -> None:
    claim(alice="stopping")
    took = primary_is("")
    assert took < 1.6, f"the former primary was noticed after {took:.1f} s"
    claim(alice="primary")
    until(write="alice", read="bob")


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
    a_replica_that_gets_nothing_more_is_not_read_from_though_its_lag_is_small,
    reads_return_to_the_replica_when_it_is_back,
    reads_go_on_without_a_primary_and_writes_do_not,
    a_new_connection_waits_for_the_primary_to_come_and_no_longer,
    more_than_so_many_do_not_wait,
    a_leader_is_not_written_to_before_it_is_promoted_nor_while_it_stops,
    a_former_primary_is_noticed_soon,
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
