# SPDX-License-Identifier: GPL-3.0-or-later
"""What Mastodon would misread is refused, in words, at once, and without repeating a secret."""

from __future__ import annotations

from typing import Any

import pytest

from plugins.module_utils.fleet.environment import Environment, judge_environment
from plugins.module_utils.fleet.environment_names import CONTRACT, ELSEWHERE, SERIES

PUBLIC: dict[str, object] = {
    "LOCAL_DOMAIN": "social.example.org",
    "TRUSTED_PROXY_IP": ["192.0.2.1", "2001:db8::/64"],
    "DB_HOST": "127.0.0.1",
    "PREPARED_STATEMENTS": False,
    "REDIS_HOST": "10.0.0.5",
    "SMTP_SERVER": "mail.example.org",
    "SMTP_FROM_ADDRESS": "Social <notifications@social.example.org>",
    "VAPID_PUBLIC_KEY": "BOx",
}
SECRETS: dict[str, object] = {
    "DB_PASS": 'it\'s a "pass" $word \\',
    "SECRET_KEY_BASE": "k" * 64,
    "VAPID_PRIVATE_KEY": "v" * 40,
    "ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY": "a" * 32,
    "ACTIVE_RECORD_ENCRYPTION_DETERMINISTIC_KEY": "b" * 32,
    "ACTIVE_RECORD_ENCRYPTION_KEY_DERIVATION_SALT": "c" * 32,
}
S3: dict[str, object] = {
    "S3_ENABLED": True,
    "S3_BUCKET": "media",
    "S3_ENDPOINT": "https://s3.example.org",
    "S3_ALIAS_HOST": "media.example.org",
    "AWS_ACCESS_KEY_ID": "me",
}
KEY: dict[str, object] = {"AWS_SECRET_ACCESS_KEY": "0123456789abcdef"}


def faults(
    public: dict[str, object] | None = None,
    secrets: dict[str, object] | None = None,
    without: tuple[str, ...] = (),
    **more: Any,
) -> str:
    first = {name: value for name, value in {**PUBLIC, **(public or {})}.items() if name not in without}
    second = {name: value for name, value in {**SECRETS, **(secrets or {})}.items() if name not in without}
    return "\n".join(judge_environment(Environment(first, second, **more)).faults)


def test_what_is_right_is_let_through() -> None:
    assert faults() == ""
    assert faults({**S3, "S3_HOSTNAME": "s3.example.org", "EXTRA_MEDIA_HOSTS": ["https://old.example.org"]}, KEY) == ""


def test_yaml_becomes_what_mastodon_compares_with() -> None:
    texts = judge_environment(Environment(PUBLIC, SECRETS, {"MY_OWN": True})).texts
    assert texts["PREPARED_STATEMENTS"] == "false"
    assert texts["TRUSTED_PROXY_IP"] == "192.0.2.1,2001:db8::/64"
    assert texts["MY_OWN"] == "true"


@pytest.mark.parametrize("name", sorted(v.name for v in CONTRACT.values() if v.required))
def test_each_required_name_is_missed(name: str) -> None:
    assert f"{name} is missing" in faults(without=(name,))


def test_all_faults_are_said_at_once() -> None:
    said = faults({"3_BUCKET": "x", "S3_ENABLED": "TRUE"}, without=("DB_PASS", "LOCAL_DOMAIN"))
    assert said.count("\n") == 3


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("3_BUCKET", "S3_BUCKET"),
        ("S3_BUKET", "S3_BUCKET"),
        ("LOCAL_DOMIAN", "LOCAL_DOMAIN"),
        ("HTTP_PROXY", "http_proxy"),
        ("REDIS_PASS", "REDIS_PASSWORD"),
    ],
)
def test_a_mistyped_name_is_answered_with_the_one_that_was_meant(name: str, meant: str) -> None:
    assert f"{name} is no name that Mastodon 4.7 reads; did you mean {meant}?" in faults({name: "x"})


def test_a_name_like_no_other_is_shown_the_way_out() -> None:
    assert "put it into app_environment_extra" in faults({"MAX_TOOT_CHARS": 5000})
    assert faults(extra={"MAX_TOOT_CHARS": 5000}) == ""


@pytest.mark.parametrize("value", ["TRUE", "True", "yes", "1", "on"])
def test_what_looks_true_and_is_false_to_mastodon_is_refused(value: str) -> None:
    said = faults({**S3, "S3_ENABLED": value}, KEY)
    assert "takes for false, whatever it looks like; write true" in said


@pytest.mark.parametrize(
    ("public", "said"),
    [
        ({"DB_PORT": 70000}, "a whole number from 1 to 65535"),
        ({"DB_PORT": "5432 "}, "a whole number"),
        ({"LOCAL_DOMAIN": "https://social.example.org"}, "without https://"),
        ({"LOCAL_DOMAIN": "Social.Example.org"}, "lower case"),
        ({"DB_HOST": "db:5432"}, "without port or path"),
        ({"TRUSTED_PROXY_IP": "192.0.2.1/24"}, "has host bits set"),
        ({"TRUSTED_PROXY_IP": ["192.0.2.1", "::/0"]}, "trusts everybody"),
        ({"WEB_DOMAIN": None}, "has no value"),
        ({"WEB_DOMAIN": ""}, "like social.example.org"),
        ({"SOURCE_TAG": ""}, "is empty"),
        ({"SOURCE_TAG": ["a", "b"]}, "it takes one value"),
        ({"SOURCE_TAG": {"a": "b"}}, "is a mapping"),
        ({"RAILS_LOG_LEVEL": "verbose"}, "is one of debug, info"),
        ({"MAX_FOLLOWS_RATIO": "1,1"}, "a number like 1.1"),
        ({"LIBRE_TRANSLATE_ENDPOINT": "translate.example.org"}, "is no URL that begins with http://"),
        ({"DB_PASS": "x"}, "is a secret; move it to app_environment_secrets"),
        ({"FETCH_REPLIES_ENABLED": True}, "gone from Mastodon since 4.5"),
        ({"PREPARED_STATEMENTS": True}, "PREPARED_STATEMENTS must be false"),
        ({"REPLICA_DB_HOST": "127.0.0.1"}, "REPLICA_DB_TASKS must be false"),
        ({"REPLICA_DB_PORT": 5433, "REPLICA_DB_TASKS": False}, "does nothing without REPLICA_DB_HOST"),
        ({"CACHE_REDIS_PORT": 6380}, "does nothing without CACHE_REDIS_HOST"),
        ({"REDIS_SENTINELS": "10.0.0.1"}, "REDIS_SENTINELS needs REDIS_SENTINEL_MASTER"),
        ({"S3_BUCKET": "media"}, "S3_BUCKET is set and S3_ENABLED is not"),
        ({"S3_ENABLED": True}, "S3_ENABLED=true needs S3_BUCKET"),
        ({**S3, "S3_ALIAS_HOST": "s3.example.org"}, "S3_ALIAS_HOST is the host of S3_ENDPOINT"),
        ({**S3, "AZURE_ENABLED": True}, "media go to one place"),
        (
            {"S3_ENABLED": False, "S3_ENDPOINT": "https://s3.example.org"},
            "S3_ENDPOINT needs S3_ALIAS_HOST or S3_HOSTNAME",
        ),
        ({"SMTP_LOGIN": "me"}, "SMTP_LOGIN needs SMTP_PASSWORD"),
        ({"ES_ENABLED": True}, "ES_ENABLED=true needs ES_HOST"),
    ],
)
def test_a_wrong_value_is_refused_with_what_to_write(public: dict[str, object], said: str) -> None:
    assert said in faults(public)


@pytest.mark.parametrize(
    ("secrets", "said"),
    [
        ({"DB_PASS": "two\nlines"}, "DB_PASS holds a newline"),
        ({"DB_PASS": "tab\there"}, "DB_PASS holds a tab"),
        ({"DB_PASS": "nul\0"}, "DB_PASS holds a control character"),
        ({"DB_PASS": "it's $(so"}, "DB_PASS holds $( together with a single quote"),
        ({"DB_PASS": ""}, "DB_PASS is empty"),
        ({"DB_PASS": "CHANGEME"}, "DB_PASS is a placeholder"),
        ({"SECRET_KEY_BASE": "short"}, "has 5 characters; it needs 32"),
        ({"ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY": "x" * 20 + "DO_NOT_USE_IN_PRODUCTION"}, "of the test environment"),
        ({"REDIS_URL": "redis://:x@10.0.0.5:6379"}, "REDIS_URL wins over REDIS_HOST"),
        ({"DATABASE_URL": "postgresql://x@db/y"}, "DATABASE_URL wins over DB_HOST, DB_PASS"),
        ({"REDIS_PASSWORD": "a%41b"}, "REDIS_PASSWORD holds a % before two hexadecimal digits"),
        ({"LOCAL_DOMAIN": "social.example.org"}, "is in app_environment and in app_environment_secrets"),
    ],
)
def test_a_wrong_secret_is_refused(secrets: dict[str, object], said: str) -> None:
    assert said in faults(secrets=secrets)


@pytest.mark.parametrize("kind", ["two\nlines", "CHANGEME", "", "sho\x00rt", "https://me:hunter2@x"])
@pytest.mark.parametrize("name", sorted(v.name for v in CONTRACT.values() if v.kind.secret))
def test_no_message_repeats_a_secret(name: str, kind: str) -> None:
    said = faults(secrets={name: kind})
    assert not [part for part in kind.split("\n") if len(part) > 3 and part in said]


def test_a_public_name_among_the_secrets_is_treated_as_one() -> None:
    assert "hunter2" not in faults(
        secrets={"LIBRE_TRANSLATE_ENDPOINT": "hunter2", "DB_PORT": "hunter2"}, without=("DB_PORT",)
    )


@pytest.mark.parametrize("name", sorted(ELSEWHERE))
def test_what_belongs_to_a_process_is_refused_everywhere(name: str) -> None:
    assert f"{name} cannot be in the environment file" in faults({name: "x"})
    assert f"{name} cannot be in the environment file" in faults(extra={name: "x"})


def test_a_known_name_is_no_extra() -> None:
    assert "move it from app_environment_extra" in faults(extra={"S3_BUCKET": "x"})
    assert "cannot be the name of a variable" in faults(extra={"A-B": "x"})


def test_every_name_is_in_one_place() -> None:
    assert not set(CONTRACT) & set(ELSEWHERE)
    assert all(
        v.about and (v.since or SERIES[0]) in SERIES and (v.removed or SERIES[0]) in SERIES for v in CONTRACT.values()
    )


def test_a_series_reads_what_it_reads() -> None:
    assert "is read from Mastodon 4.4 on" in faults({"EXTRA_MEDIA_HOSTS": "https://x.example.org"}, series="4.3")
    assert faults({"FETCH_REPLIES_ENABLED": True}, series="4.4") == ""


def test_an_old_secret_is_let_through_with_a_note() -> None:
    judgement = judge_environment(Environment(PUBLIC, {**SECRETS, "OTP_SECRET": "o" * 64}))
    assert judgement.faults == ()
    assert "take it out after that" in judgement.notes[0]


def test_without_a_pooler_statements_may_be_prepared() -> None:
    assert faults(without=("PREPARED_STATEMENTS",), pooled=False) == ""
