# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Redis acknowledged is known, and what of it may be gone."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import IO

import pytest

from tests.rehearsals.answers import Window
from tests.rehearsals.pushes import LIST, ON_THE_MASTER, Push, lost, parse

# As the lab's: whatever a password may hold.
PASSWORD = "spaced \"out\" 'and' $more äé"


def push(number: int, sent: float, said: str = ":1", took: float = 0.1) -> Push:
    return Push(number, sent, sent + took, said)


def test_only_a_length_is_an_acknowledgement() -> None:
    assert push(1, 0, ":12").taken
    assert not any(push(1, 0, said).taken for said in ("-NOREPLICAS", "-READONLY", "silence"))


def test_a_loss_counts_if_it_was_acknowledged_outside_of_the_window() -> None:
    pushes = [push(1, 1), push(2, 11), push(3, 25), push(4, 30, "-NOREPLICAS"), push(5, 2)]
    assert lost(pushes, {5}, Window(10, 20)) == [pushes[0], pushes[2]]
    assert lost(pushes, {1, 3, 5}, Window(10, 20)) == []


def test_the_first_line_and_one_that_is_being_written_are_no_pushes() -> None:
    assert parse("4711\n1 1.0 1.5 :1\n2 2.0 2.5 -NOREPLICAS\n3 3.0") == [
        push(1, 1, took=0.5),
        push(2, 2, "-NOREPLICAS", 0.5),
    ]
    assert parse("47") == parse("4711\n") == []


class Redis:
    """One Redis that says what it is told to, to whoever connects."""

    def __init__(self) -> None:
        self._door = socket.create_server(("127.0.0.1", 0))
        self._door.settimeout(20)
        self.port = self._door.getsockname()[1]

    def close(self) -> None:
        self._door.close()

    def meet(self) -> socket.socket:
        """Wait for the next connection."""
        guest, _ = self._door.accept()
        guest.settimeout(20)
        return guest

    @staticmethod
    def asked(wire: IO[bytes]) -> list[str]:
        """Read one command."""
        words = []
        for _ in range(int(wire.readline()[1:])):
            length = int(wire.readline()[1:])
            words.append(wire.read(length + 2)[:-2].decode())
        return words


@pytest.fixture
def redis() -> Iterator[Redis]:
    door = Redis()
    yield door
    door.close()


@pytest.fixture
def writer(redis: Redis) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-c", ON_THE_MASTER, str(redis.port), LIST, "0"]
    assert not any(PASSWORD in word for word in argv)
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdin
        program.stdin.write(PASSWORD + "\n")
        program.stdin.close()
        yield program
        program.kill()


def test_the_writer_says_what_became_of_each_number_and_comes_back(redis: Redis, writer: subprocess.Popen[str]) -> None:
    begun = time.monotonic()
    assert writer.stdout
    assert int(writer.stdout.readline()) == writer.pid != os.getpid()
    with redis.meet() as guest, guest.makefile("rb") as wire:
        assert redis.asked(wire) == ["AUTH", PASSWORD]
        guest.sendall(b"+OK\r\n")
        for number, said in enumerate((b":1", b"-NOREPLICAS Not enough good replicas to write."), start=1):
            assert redis.asked(wire) == ["LPUSH", LIST, str(number)]
            guest.sendall(said + b"\r\n")
        assert redis.asked(wire) == ["LPUSH", LIST, "3"]
    with redis.meet() as guest, guest.makefile("rb") as wire:
        assert redis.asked(wire) == ["AUTH", PASSWORD]
        guest.sendall(b"+OK\r\n")
        assert redis.asked(wire) == ["LPUSH", LIST, "4"]
        guest.sendall(b":2\r\n")
        found = parse("pid\n" + "".join(writer.stdout.readline() for _ in range(4)))
    assert [(push.number, push.said) for push in found] == [(1, ":1"), (2, "-NOREPLICAS"), (3, "silence"), (4, ":2")]
    times = [moment for push in found for moment in (push.sent, push.done)]
    assert sorted(times) == times
    assert begun <= times[0] <= times[-1] <= time.monotonic()
