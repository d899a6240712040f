# SPDX-License-Identifier: GPL-3.0-or-later
"""SCRAM verifiers are what PostgreSQL itself would have made."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.module_utils.fleet.scram import matches, prepare, verifier

# The example of RFC 7677: user "user", password "pencil".
SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
SERVER_KEY = base64.b64decode("wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=")


def test_the_verifier_is_the_one_of_the_standard() -> None:
    kept = verifier("pencil", SALT, 4096)
    assert kept == (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
        ":" + base64.b64encode(SERVER_KEY).decode()
    )


@pytest.mark.parametrize("kept", [None, "", "md5" + 32 * "0", "SCRAM-SHA-256$4096:!!$a:b", "pencil"])
def test_what_is_no_verifier_matches_nothing(kept: str | None) -> None:
    assert not matches(kept, "pencil")


@pytest.mark.parametrize("password", ["two\nlines", "' \" $ \\ `", "fünf", " "])
def test_any_password_matches_its_verifier_and_no_other(password: str) -> None:
    kept = verifier(password, b"salt", 1)
    assert matches(kept, password)
    assert not matches(kept, password + "x")


@given(st.text(st.characters(codec="ascii")))
def test_ascii_is_taken_as_it_is(password: str) -> None:
    assert prepare(password) == password.encode()


def test_others_are_normalised_as_libpq_does() -> None:
    assert prepare("\u2168") == b"IX"
    assert prepare("I\u00adXé") == "IXé".encode()
    assert prepare("a\u00a0é") == "a é".encode()


def test_what_saslprep_forbids_is_taken_as_it_is() -> None:
    assert prepare("é\u0007") == "é\u0007".encode()
    assert prepare("\u0627" + "1") == "\u06271".encode()
