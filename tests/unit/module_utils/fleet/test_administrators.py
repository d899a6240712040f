# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is let in, who is not, and when the plan is refused."""

from __future__ import annotations

from typing import Any

import pytest

from plugins.module_utils.fleet.administrators import Account, Observed, Wanted, plan, veto

OPEN, CLOSED = Account(1000, closed=False), Account(1001, closed=True)


def seen(members: tuple[str, ...] = (), comes_from: str | None = None, **accounts: Account) -> Observed:
    return Observed(accounts, group_exists=True, members=frozenset(members), comes_from=comes_from)


def wanted(*present: str, **more: Any) -> Wanted:
    return Wanted(**{"group": "g", "present": present, "absent": (), "ssh_from": ("anywhere",), **more})


def says(observed: Observed, want: Wanted) -> list[str]:
    return [change.says for change in plan(observed, want)]


def test_what_is_so_already_is_left_alone() -> None:
    assert plan(seen(("ada",), ada=OPEN, bob=OPEN), wanted("ada")) == []


def test_a_fresh_host_gets_the_group_before_its_members() -> None:
    fresh = Observed({}, group_exists=False, members=frozenset(), comes_from=None)
    assert says(fresh, wanted("ada")) == ["add the group g", "add the account ada"]


def test_an_account_that_is_there_joins() -> None:
    assert says(seen(ada=OPEN), wanted("ada")) == ["let ada in"]


def test_an_account_that_was_closed_opens_again() -> None:
    assert says(seen(ada=CLOSED), wanted("ada")) == ["open the account ada", "let ada in"]


def test_whoever_is_not_wanted_any_more_is_out_with_the_sessions() -> None:
    assert says(seen(("ada", "bob"), ada=OPEN, bob=OPEN), wanted("ada")) == [
        "let bob in no more",
        "close the account bob",
        "end the sessions of bob",
    ]


def test_whoever_is_absent_is_closed_without_ever_having_been_a_member() -> None:
    assert says(seen(("ada",), ada=OPEN, bob=OPEN), wanted("ada", absent=("bob",)))[0] == "close the account bob"


def test_whoever_is_absent_and_never_was_there_is_no_change() -> None:
    assert plan(seen(("ada",), ada=OPEN), wanted("ada", absent=("bob",))) == []


def test_a_member_without_an_account_leaves_the_group() -> None:
    assert says(seen(("ada", "ghost"), ada=OPEN), wanted("ada")) == ["let ghost in no more"]


def test_other_peoples_accounts_are_not_touched() -> None:
    assert plan(seen(("ada",), ada=OPEN, deploy=OPEN), wanted("ada")) == []


def test_having_no_session_to_end_is_no_failure() -> None:
    assert plan(seen(("bob",), bob=OPEN), wanted())[-1].good == {0, 1}


def test_no_password_is_ever_set() -> None:
    command = plan(seen(), wanted("ada"))[-1].command
    assert command[command.index("--password") + 1] == "*"


@pytest.mark.parametrize("want", [wanted("postgres"), wanted(absent=("postgres",))])
def test_accounts_of_the_system_are_refused(want: Wanted) -> None:
    assert "postgres (uid 101) is an account of the system" in str(
        veto(seen(postgres=Account(101, closed=False)), want)
    )


@pytest.mark.parametrize(
    ("comes_from", "networks"),
    [
        (None, ("10.0.0.0/8",)),
        ("192.0.2.1", ("anywhere",)),
        ("10.1.2.3", ("192.0.2.0/24", "10.0.0.0/8")),
        ("::ffff:10.1.2.3", ("10.0.0.0/8",)),
        ("fe80::1%eth0", ("fe80::/10",)),
        ("2001:db8::5", ("10.0.0.0/8", "2001:db8::/32")),
    ],
)
def test_whoever_can_come_back_may_go_on(comes_from: str | None, networks: tuple[str, ...]) -> None:
    assert veto(seen(comes_from=comes_from), wanted("ada", ssh_from=networks)) is None


@pytest.mark.parametrize("comes_from", ["192.0.2.1", "2001:db8::5"])
def test_whoever_could_not_come_back_is_stopped(comes_from: str) -> None:
    assert f"you come from {comes_from}" in str(
        veto(seen(comes_from=comes_from), wanted("ada", ssh_from=("10.0.0.0/8",)))
    )
