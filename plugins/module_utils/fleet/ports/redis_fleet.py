# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask all copies and all Sentinels at once: one that is silent must not hold up the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ..redis import Copy, Member, Opinion, copy_of, opinion_of, parse_info, parse_pairs
from .redis import Connection, Login, RedisError

Key = TypeVar("Key")
Answer = TypeVar("Answer")


def ask_all(names: Sequence[Key], question: Callable[[Key], Answer]) -> dict[Key, Answer | None]:
    """Ask everybody the same; None for who refuses or is silent."""

    def safely(name: Key) -> Answer | None:
        try:
            return question(name)
        except (OSError, RedisError, ValueError):
            return None

    with ThreadPoolExecutor(max_workers=max(1, len(names))) as pool:
        return dict(zip(names, pool.map(safely, names), strict=True))


class Fleet:
    """The members of a site's Redis, and who watches them."""

    def __init__(
        self, members: Sequence[Member], sentinels: Sequence[str], sentinel_password: str, user: str = ""
    ) -> None:
        """``user`` is who asks the Sentinels."""
        self.members, self.sentinels = members, sentinels
        self._watch = Login(sentinel_password, user)

    def copies(self, port: int, password: str, user: str = "") -> dict[str, Copy | None]:
        """Return each member's own word."""

        def question(member: Member) -> Copy:
            connection = Connection(member.address, port, Login(password, user))
            try:
                return copy_of(parse_info(connection.ask("INFO")))
            finally:
                connection.close()

        found = ask_all(self.members, question)
        return {member.name: copy for member, copy in found.items()}

    def sentinel(self, address: str, timeout: float = 2.0) -> Connection:
        """Return a connection to a Sentinel."""
        host, _, port = address.rpartition(":")
        return Connection(host, int(port), self._watch, timeout)

    def opinions(self, instance: str) -> dict[str, Opinion | None]:
        """Return what each Sentinel says of one instance."""

        def question(address: str) -> Opinion:
            connection = self.sentinel(address)
            try:
                pairs = parse_pairs(connection.ask("SENTINEL", "MASTER", instance))
                return opinion_of(pairs, quorum_said(connection, instance))
            finally:
                connection.close()

        return ask_all(self.sentinels, question)


def quorum_said(connection: Connection, instance: str) -> str:
    """Return a Sentinel's word on whether a failover could be decided."""
    try:
        return str(connection.ask("SENTINEL", "CKQUORUM", instance))
    except RedisError as error:
        return str(error)
