# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may log in to a host: from the accounts that are there to those that are wanted, as a plan."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from dataclasses import dataclass

# Debian gives people numbers from here on; below are the accounts of programs, and root.
FIRST_PERSON = 1000
ANYWHERE = "anywhere"


@dataclass(frozen=True)
class Account:
    """An account as it is on the host."""

    uid: int
    closed: bool


@dataclass(frozen=True)
class Observed:
    """What a host says about its accounts and about the connection through which it is asked."""

    accounts: Mapping[str, Account]
    group_exists: bool
    members: frozenset[str]
    comes_from: str | None


@dataclass(frozen=True)
class Wanted:
    """Who is to get in, who is not, and from where."""

    group: str
    present: Collection[str]
    absent: Collection[str]
    ssh_from: Collection[str]


@dataclass(frozen=True)
class Change:
    """One change: a sentence, the command that makes it, and the return codes with which that has worked."""

    says: str
    command: tuple[str, ...]
    good: frozenset[int] = frozenset({0})


def veto(seen: Observed, wanted: Wanted) -> str | None:
    """Return why the change must not be made, or None."""
    for name in (*wanted.present, *wanted.absent):
        account = seen.accounts.get(name)
        if account and account.uid < FIRST_PERSON:
            return f"{name} (uid {account.uid}) is an account of the system: give the administrator another name"
    somewhere = seen.comes_from and ANYWHERE not in wanted.ssh_from
    if somewhere and not _within(str(seen.comes_from), wanted.ssh_from):
        return (
            f"you come from {seen.comes_from}, which is in none of the networks {', '.join(wanted.ssh_from)}:"
            " the firewall would let nobody from there back in. Add your network to ssh_from"
        )
    return None


def _within(address: str, networks: Collection[str]) -> bool:
    # A scope (fe80::1%eth0) says through which interface, not from where.
    plain = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(plain, "ipv4_mapped", None)
    return any((mapped or plain) in ipaddress.ip_network(network) for network in networks)


def plan(seen: Observed, wanted: Wanted) -> list[Change]:
    """Return the changes that make ``wanted`` true, openings first."""
    changes = []
    if not seen.group_exists:
        changes.append(Change(f"add the group {wanted.group}", ("groupadd", "--system", wanted.group)))
    for name in wanted.present:
        changes += _open(name, seen, wanted.group)
    left = (seen.members | set(wanted.absent)) - set(wanted.present)
    for name in sorted(left):
        changes += _close(name, seen, wanted.group)
    return changes


def _open(name: str, seen: Observed, group: str) -> list[Change]:
    account = seen.accounts.get(name)
    if account is None:
        # "*" is no password and no lock: nothing matches it, and sshd still takes a key.
        options = ("--create-home", "--shell", "/bin/bash", "--password", "*", "--groups", group)
        return [Change(f"add the account {name}", ("useradd", *options, name))]
    changes = []
    if account.closed:
        changes.append(Change(f"open the account {name}", ("usermod", "--expiredate", "", name)))
    if name not in seen.members:
        changes.append(Change(f"let {name} in", ("usermod", "--append", "--groups", group, name)))
    return changes


def _close(name: str, seen: Observed, group: str) -> list[Change]:
    account = seen.accounts.get(name)
    changes = []
    if name in seen.members:
        changes.append(Change(f"let {name} in no more", ("gpasswd", "--delete", name, group)))
    if account is None or account.closed:
        return changes
    # Expired accounts are refused by every way in (ssh, su, cron). Home and files stay: they may be evidence.
    changes.append(Change(f"close the account {name}", ("usermod", "--expiredate", "1", name)))
    # 1: there was none.
    ended = ("pkill", "-KILL", "--uid", name)
    return [*changes, Change(f"end the sessions of {name}", ended, frozenset({0, 1}))]
