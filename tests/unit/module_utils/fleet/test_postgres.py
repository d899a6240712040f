# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to a server so that it holds what was asked."""

from __future__ import annotations

from plugins.module_utils.fleet.postgres import Database, FoundDatabase, FoundRole, Role, identifier, literal, plan
from plugins.module_utils.fleet.scram import verifier

KEPT = verifier("pencil", b"salt", 1)
APP = Role("app", "pencil")
SITE = Database("site", "app", ("pg_stat_statements",))


def words(*args: object, **found: object) -> list[str]:
    roles = [item for item in args if isinstance(item, Role)]
    databases = [item for item in args if isinstance(item, Database)]
    found_roles = {name: item for name, item in found.items() if isinstance(item, FoundRole)}
    found_databases = {name: item for name, item in found.items() if isinstance(item, FoundDatabase)}
    return [s.words for s in plan(roles, databases, found_roles, found_databases, lambda _: KEPT)]


def test_a_server_that_has_everything_is_left_alone() -> None:
    there = FoundDatabase("app", frozenset({"plpgsql", "pg_stat_statements"}))
    assert words(APP, SITE, app=FoundRole(KEPT), site=there, other=FoundRole(KEPT)) == []


def test_users_come_before_the_databases_that_they_own() -> None:
    assert words(APP, SITE) == [
        "create the user app",
        "create the database site, owned by app",
        "create the extension pg_stat_statements in site",
    ]


def test_a_login_loses_what_it_must_not_have() -> None:
    found = FoundRole(KEPT, login=False, powers=frozenset({"SUPERUSER", "CREATEDB"}), connection_limit=3)
    assert words(APP, app=found) == [
        "take CREATEDB, SUPERUSER from app",
        "let app log in",
        "limit app to -1 connections",
    ]


def test_another_password_and_an_md5_hash_are_replaced() -> None:
    assert words(APP, app=FoundRole(verifier("ink", b"salt", 1))) == ["set the password of app"]
    assert words(APP, app=FoundRole("md5" + 32 * "0")) == ["set the password of app"]


def test_a_limit_is_set_on_a_user_that_had_no_password_too() -> None:
    found = FoundRole(None, connection_limit=3)
    assert words(APP, app=found) == ["set the password of app", "limit app to -1 connections"]


def test_patronis_own_roles_keep_their_powers() -> None:
    found = FoundRole(KEPT, powers=frozenset({"REPLICATION"}))
    assert words(Role("app", "pencil", system=True), app=found) == []


def test_a_membership_is_given_once() -> None:
    role = Role("app", "pencil", member_of=("pg_monitor",))
    assert words(role, app=FoundRole(KEPT)) == ["make app a member of pg_monitor"]
    assert words(role, app=FoundRole(KEPT, member_of=frozenset({"pg_monitor"}))) == []


def test_no_password_is_in_what_is_shown() -> None:
    statements = plan([APP], [SITE], {}, {}, lambda _: KEPT)
    assert "pencil" not in repr(statements)
    assert KEPT not in repr(statements)
    assert "pencil" not in "".join(statement.sql for statement in statements)


def test_names_and_texts_cannot_end_their_quotes() -> None:
    assert identifier('a"; drop') == '"a""; drop"'
    assert literal("it's \\") == "'it''s \\'"
