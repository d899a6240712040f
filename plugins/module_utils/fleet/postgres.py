# SPDX-License-Identifier: GPL-3.0-or-later
"""What a PostgreSQL cluster holds beside its data: roles, databases, extensions. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .scram import matches


@dataclass(frozen=True)
class Role:
    """A login that the inventory asks for. It never has more rights than these."""

    name: str
    password: str = field(repr=False)
    connection_limit: int = -1
    member_of: tuple[str, ...] = ()
    # Patroni's own: made and entitled by Patroni, only the password is ours.
    system: bool = False


@dataclass(frozen=True)
class Database:
    """A database that the inventory asks for."""

    name: str
    owner: str
    extensions: tuple[str, ...] = ()


@dataclass(frozen=True)
class FoundRole:
    """A role as the server has it. ``powers`` are the attributes that a login of ours must not have."""

    verifier: str | None = field(default=None, repr=False)
    login: bool = True
    powers: frozenset[str] = frozenset()
    connection_limit: int = -1
    member_of: frozenset[str] = frozenset()


@dataclass(frozen=True)
class FoundDatabase:
    """A database as the server has it."""

    owner: str
    extensions: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Statement:
    """One change: what it is in words (safe to show), and the SQL (which is not)."""

    words: str
    sql: str = field(repr=False)
    database: str = "postgres"


def identifier(name: str) -> str:
    """Quote a name."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text."""
    # Right under standard_conforming_strings, which is on unless somebody turned it off: a backslash is a backslash.
    return "'" + text.replace("'", "''") + "'"


def plan(
    roles: Sequence[Role],
    databases: Sequence[Database],
    found_roles: Mapping[str, FoundRole],
    found_databases: Mapping[str, FoundDatabase],
    make_verifier: Callable[[str], str],
) -> list[Statement]:
    """Return what makes the server as asked: roles first, for they own databases. What nobody named is left alone."""
    return [
        *(statement for role in roles for statement in _role(role, found_roles.get(role.name), make_verifier)),
        *(statement for database in databases for statement in _database(database, found_databases.get(database.name))),
    ]


def _role(role: Role, found: FoundRole | None, make_verifier: Callable[[str], str]) -> Iterable[Statement]:
    name = identifier(role.name)
    if found is None:
        sql = f"CREATE ROLE {name} LOGIN CONNECTION LIMIT {role.connection_limit} PASSWORD {literal(make_verifier(role.password))}"
        yield Statement(f"create the user {role.name}", sql)
        found = FoundRole(connection_limit=role.connection_limit)
    elif not matches(found.verifier, role.password):
        yield Statement(
            f"set the password of {role.name}", f"ALTER ROLE {name} PASSWORD {literal(make_verifier(role.password))}"
        )
    if role.system:
        return
    if found.powers:
        taken = sorted(found.powers)
        yield Statement(
            f"take {', '.join(taken)} from {role.name}", f"ALTER ROLE {name} {' '.join('NO' + p for p in taken)}"
        )
    if not found.login:
        yield Statement(f"let {role.name} log in", f"ALTER ROLE {name} LOGIN")
    if found.connection_limit != role.connection_limit:
        yield Statement(
            f"limit {role.name} to {role.connection_limit} connections",
            f"ALTER ROLE {name} CONNECTION LIMIT {role.connection_limit}",
        )
    for group in role.member_of:
        if group not in found.member_of:
            yield Statement(f"make {role.name} a member of {group}", f"GRANT {identifier(group)} TO {name}")


def _database(database: Database, found: FoundDatabase | None) -> Iterable[Statement]:
    name, owner = identifier(database.name), identifier(database.owner)
    if found is None:
        yield Statement(
            f"create the database {database.name}, owned by {database.owner}", f"CREATE DATABASE {name} OWNER {owner}"
        )
        found = FoundDatabase(database.owner)
    elif found.owner != database.owner:
        yield Statement(
            f"give the database {database.name} to {database.owner}", f"ALTER DATABASE {name} OWNER TO {owner}"
        )
    for extension in database.extensions:
        if extension not in found.extensions:
            yield Statement(
                f"create the extension {extension} in {database.name}",
                f"CREATE EXTENSION {identifier(extension)}",
                database.name,
            )
