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
WAIT = 20.0  # haproxy_wait_for_primary of this scenario
RETURN = 5.0  # haproxy_return_after
WAITING = 4  # haproxy_max_waiting
FALL = 2  # haproxy_check_fall
# For what comes to be, however busy the machine is. How fast it is on a quiet one, the rehearsals measure.
PATIENCE = 60.0


def claim(**members: str) -> None:
    for name, words in members.items():
        # At once: a member that reads half of a change says that it has stopped.
        new = Path(f"/run/member/.{name}")
        new.write_text(words)
        new.rename(f"/run/member/{name}")


def dial(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    connection.settimeout(PATIENCE)
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


class Waited(AssertionError):
    """An answer came as late as if it had been waited for, which a busy machine looks like as well."""


def at_once(port: int) -> str:
    """Return who answers; it must be known long before the wait for a primary would be over."""
    began = time.monotonic()
    answer = who(port)
    if time.monotonic() - began > WAIT / 2:
        raise Waited(f"{answer or 'nobody'} after {time.monotonic() - began:.1f} s")
    return answer


def ends(session: socket.socket) -> None:
    """Wait until a session is ended; who answered until then is judged elsewhere."""
    deadline = time.monotonic() + PATIENCE
    while answer := say(session):
        assert time.monotonic() < deadline, f"still a session with {answer}"
        time.sleep(0.1)


def up(backend: str, rows: list[list[str]]) -> str:
    return " ".join(row[1] for row in rows if row[0] == backend and row[1] != "BACKEND" and row[17].startswith("UP"))


def get(url: str) -> str:
    return subprocess.run(["curl", "-fsS", url], check=True, capture_output=True, text=True).stdout


def stats() -> list[list[str]]:
    return [line.split(",") for line in get("http://127.0.0.1:8404/stats;csv").splitlines() if line.count(",") > 21]


def seen() -> dict[str, str]:
    """Return whom HAProxy itself would send each kind of question to."""
    rows = stats()
    return {backend: up(backend, rows) for backend in ("write", "direct", "read", "anyone")}


def waits_at_the_door(count: int) -> None:
    """Wait until HAProxy has accepted so many connections to write."""
    deadline = time.monotonic() + PATIENCE
    while (found := next(int(row[4]) for row in stats() if row[:2] == ["write", "FRONTEND"])) != count:
        assert time.monotonic() < deadline, f"{found} connections wait, wanted {count}"
        time.sleep(0.05)


def failed_checks(name: str) -> int:
    """Return how many checks a member failed while it was in."""
    return next(int(row[21]) for row in stats() if row[:2] == ["write", name])


def asked(address: str) -> int:
    """Return how often a member was asked whether it is primary."""
    return int(get(f"http://{address}:8008/asked").strip("count()"))


def until(write: str, read: str, anyone: str | None = None) -> None:
    """Wait until HAProxy writes to these members and reads from those; who else runs as a replica, if it matters."""
    wanted = {"write": write, "direct": write, "read": read, "anyone": read if anyone is None else anyone}
    deadline = time.monotonic() + PATIENCE
    while (found := seen()) != wanted:
        assert time.monotonic() < deadline, f"wanted {wanted}, HAProxy says {found}"
        time.sleep(0.05)


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
        ends(session)
        ends(migration)
    assert (who(WRITE), who(READ), who(DIRECT)) == ("bob bouncer", "alice bouncer", "bob postgres")


def nobody_is_written_to_while_two_claim_to_be_primary() -> None:
    claim(alice="primary", bob="behind")
    until(write="alice", read="")
    with dial(WRITE) as session, dial(DIRECT) as migration, dial(READ) as reader:
        assert (say(session), say(migration), say(reader)) == ("alice bouncer", "alice postgres", "alice bouncer")
        claim(alice="primary", bob="primary")
        until(write="alice bob", read="")
        for one in (session, migration, reader):
            ends(one)
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
        ends(session)
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
        began = time.monotonic()
        claim(bob="replica")
        while (answer := say(session)) and time.monotonic() - began < RETURN:
            time.sleep(0.1)
        assert answer == "alice bouncer" or time.monotonic() - began >= RETURN, (
            "ended before the replica had proven itself"
        )
        ends(session)
        until(write="alice", read="bob")
        assert say(writer) == "alice bouncer"


def reads_go_on_without_a_primary_and_writes_do_not() -> None:
    """As while etcd has no quorum: the former primary and the replicas all run, and nobody has anybody to stream from."""
    claim(alice="severed", bob="severed")
    until(write="", read="", anyone="alice bob")
    assert at_once(READ) in ("alice bouncer", "bob bouncer")
    time.sleep(WAIT)
    # After so long nobody waits any more.
    assert (at_once(WRITE), at_once(DIRECT)) == ("", "")
    with dial(READ) as session:
        assert say(session) in ("alice bouncer", "bob bouncer")
        claim(alice="primary", bob="replica")
        until(write="alice", read="bob")
        # It does not stay with a member that could not be judged.
        ends(session)


def a_new_connection_waits_for_the_primary_to_come_and_no_longer() -> None:
    claim(alice="")
    until(write="", read="bob")
    with dial(WRITE) as early:
        early.sendall(b"who")
        claim(alice="primary")
        until(write="alice", read="bob")
        began = time.monotonic()
        assert early.recv(100).decode().strip() == "alice bouncer"
        if time.monotonic() - began > WAIT / 2:
            raise Waited("although the primary was there")


def who_is_out_is_asked_more_often_than_who_is_in() -> None:
    before = asked("127.0.0.11"), asked("127.0.0.12")
    # So many questions, however long that takes: 10 s on a quiet machine.
    while (primary := asked("127.0.0.11") - before[0]) < 10:
        time.sleep(0.1)
    replica = asked("127.0.0.12") - before[1]
    assert replica > 1.5 * primary, f"{replica} and {primary} questions"


def more_than_so_many_do_not_wait() -> None:
    claim(alice="")
    until(write="", read="bob")
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(dial(WRITE)) for _ in range(WAITING)]
        waits_at_the_door(WAITING)
        assert at_once(WRITE) == ""
        claim(alice="primary")
        assert [say(connection) for connection in waiting] == ["alice bouncer"] * WAITING
    until(write="alice", read="bob")


def a_leader_is_not_written_to_before_it_is_promoted_nor_while_it_stops() -> None:
    claim(alice="stopping")
    until(write="", read="bob")
    claim(alice="", bob="promoting")
    until(write="", read="")
    claim(bob="primary")
    until(write="bob", read="")
    claim(alice="primary", bob="replica")
    until(write="alice", read="bob")


def a_former_primary_is_out_after_so_many_failed_checks() -> None:
    before = failed_checks("alice")
    claim(alice="stopping")
    until(write="", read="bob")
    assert failed_checks("alice") - before == FALL
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
    who_is_out_is_asked_more_often_than_who_is_in,
    more_than_so_many_do_not_wait,
    a_leader_is_not_written_to_before_it_is_promoted_nor_while_it_stops,
    a_former_primary_is_out_after_so_many_failed_checks,
    a_reload_disturbs_nobody,
    nobody_outside_this_host_is_served,
]


def as_at_first() -> None:
    claim(alice="primary", bob="replica", carol="")
    until(write="alice", read="bob")


def judge(promise: Callable[[], None]) -> None:
    """See that a promise is kept. Who waits always does; a machine that was busy elsewhere is asked up to twice more."""
    for _ in range(2):
        try:
            promise()
        except Waited:
            as_at_first()
        else:
            return
    promise()


def main() -> None:
    as_at_first()
    for promise in PROMISES:
        judge(promise)
        print(promise.__name__.replace("_", " "))


if __name__ == "__main__":
    main()
