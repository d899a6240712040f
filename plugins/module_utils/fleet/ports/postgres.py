# SPDX-License-Identifier: GPL-3.0-or-later
"""This host's PostgreSQL and the console of its PgBouncer: over their sockets, as the account that runs them."""

from __future__ import annotations

import contextlib
import os
import pwd
from collections.abc import Iterator
from typing import Any


class Unreachable(Exception):
    """There is no connection, or it did not do as asked."""


@contextlib.contextmanager
def as_account(name: str) -> Iterator[None]:
    """Be somebody else for a moment: servers ask the kernel who opens their socket."""
    before = os.geteuid()
    os.seteuid(pwd.getpwnam(name).pw_uid)
    try:
        yield
    finally:
        os.seteuid(before)


class Session:
    """One connection, outside of any transaction."""

    def __init__(self, socket: str, port: int, account: str, user: str, database: str) -> None:
        """Connect."""
        import psycopg2  # type: ignore[import-untyped]

        self._error = psycopg2.Error
        try:
            with as_account(account):
                self._connection = psycopg2.connect(
                    host=socket, port=port, user=user, dbname=database, connect_timeout=5, application_name="upstairs"
                )
        except (psycopg2.Error, KeyError) as error:
            raise Unreachable(" ".join(str(error).split())) from error
        self._connection.autocommit = True

    def run(self, sql: str) -> list[dict[str, Any]]:
        """Run one statement and return its rows."""
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(sql)
                names = [column.name for column in cursor.description or ()]
                return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()] if names else []
        except self._error as error:
            raise Unreachable(" ".join(str(error).split())) from error

    def close(self) -> None:
        """End it."""
        self._connection.close()
