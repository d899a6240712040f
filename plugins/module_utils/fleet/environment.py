# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold an environment against Mastodon's contract: everything that is wrong with it, at once and in words.

No message repeats the value of a secret.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from .environment_kinds import ANYTHING, SECRET, Kind, WrongValueError, judge, text_of
from .environment_names import CONTRACT, ELSEWHERE, SERIES, Variable

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
Values = Mapping[str, object]
Texts = Mapping[str, str]


@dataclass(frozen=True)
class Environment:
    """What the inventory asks for: public values, secrets, and names that the contract does not know."""

    public: Values
    secrets: Values
    extra: Values = field(default_factory=dict)
    series: str = SERIES[-1]
    pooled: bool = True


@dataclass(frozen=True)
class Judgement:
    """What is wrong, what is worth a note, and the texts that go into the file if nothing is wrong."""

    faults: tuple[str, ...]
    notes: tuple[str, ...]
    texts: Texts


@dataclass(frozen=True)
class Need:
    """Where ``name`` has ``value`` (or any, if empty), one of ``any_of`` must be set."""

    name: str
    value: str
    any_of: tuple[str, ...]


def _needs(name: str, value: str, *needed: str) -> tuple[Need, ...]:
    return tuple(Need(name, value, tuple(one.split("|"))) for one in needed)


NEEDS = (
    *_needs("S3_ENABLED", "true", "S3_BUCKET", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "S3_REGION|S3_ENDPOINT"),
    *_needs("S3_ENDPOINT", "", "S3_ALIAS_HOST|S3_HOSTNAME|S3_CLOUDFRONT_HOST"),
    *_needs(
        "SWIFT_ENABLED",
        "true",
        "SWIFT_USERNAME",
        "SWIFT_PASSWORD",
        "SWIFT_AUTH_URL",
        "SWIFT_CONTAINER",
        "SWIFT_OBJECT_URL",
    ),
    *_needs("AZURE_ENABLED", "true", "AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCESS_KEY", "AZURE_CONTAINER_NAME"),
    *_needs("ES_ENABLED", "true", "ES_HOST"),
    *_needs("ES_USER", "", "ES_PASS"),
    *_needs("SMTP_LOGIN", "", "SMTP_PASSWORD"),
    *_needs("SMTP_PASSWORD", "", "SMTP_LOGIN"),
    *_needs("BULK_SMTP_SERVER", "", "BULK_SMTP_PORT"),
    *_needs("BULK_SMTP_LOGIN", "", "BULK_SMTP_SERVER", "BULK_SMTP_PASSWORD"),
    *_needs("CACHE_BUSTER_SECRET", "", "CACHE_BUSTER_SECRET_HEADER"),
    *_needs("CACHE_BUSTER_SECRET_HEADER", "", "CACHE_BUSTER_SECRET"),
    *_needs("LDAP_ENABLED", "true", "LDAP_HOST", "LDAP_BASE", "LDAP_BIND_DN", "LDAP_PASSWORD"),
    *_needs("CAS_ENABLED", "true", "CAS_URL|CAS_HOST"),
    *_needs(
        "SAML_ENABLED",
        "true",
        "SAML_ACS_URL",
        "SAML_ISSUER",
        "SAML_IDP_SSO_TARGET_URL",
        "SAML_IDP_CERT|SAML_IDP_CERT_FINGERPRINT",
    ),
    *_needs(
        "OIDC_ENABLED",
        "true",
        "OIDC_ISSUER",
        "OIDC_SCOPE",
        "OIDC_UID_FIELD",
        "OIDC_CLIENT_ID",
        "OIDC_CLIENT_SECRET",
        "OIDC_REDIRECT_URI",
    ),
    *_needs("HCAPTCHA_SECRET_KEY", "", "HCAPTCHA_SITE_KEY"),
    *_needs("HCAPTCHA_SITE_KEY", "", "HCAPTCHA_SECRET_KEY"),
    *_needs("LIBRE_TRANSLATE_API_KEY", "", "LIBRE_TRANSLATE_ENDPOINT"),
)

FEATURES = ("S3", "SWIFT", "AZURE", "ES", "LDAP", "PAM", "CAS", "SAML", "OIDC", "CACHE_BUSTER")


def judge_environment(wanted: Environment) -> Judgement:
    """Return all that is wrong with an environment, and its texts."""
    faults: list[str] = []
    texts: dict[str, str] = {}
    for where, values in (("app_environment", wanted.public), ("app_environment_secrets", wanted.secrets)):
        for name, value in values.items():
            faults.extend(_judge_one(wanted, where, str(name), value, texts))
    for name, value in wanted.extra.items():
        faults.extend(_judge_extra(wanted, str(name), value, texts))
    # A name whose value is refused is there all the same: its absence is not a second fault.
    given = {**dict.fromkeys(_names(wanted), ""), **texts}
    for rule in (_required, _needed, _features, _stores, _database, _replica, _redis, _proxies, _mail):
        faults.extend(rule(given, wanted))
    notes = tuple(
        f"{name}: {CONTRACT[name].note}." for name in sorted(texts) if name in CONTRACT and CONTRACT[name].note
    )
    return Judgement(tuple(sorted(faults)), notes, texts)


def _names(wanted: Environment) -> list[str]:
    return [str(name) for values in (wanted.public, wanted.secrets, wanted.extra) for name in values]


def _judge_one(wanted: Environment, where: str, name: str, value: object, texts: dict[str, str]) -> Iterator[str]:
    if name in texts or (where == "app_environment_secrets" and name in wanted.public):
        yield f"{name} is in app_environment and in app_environment_secrets; keep one of them."
        return
    if name in ELSEWHERE:
        yield f"{name} cannot be in the environment file: {ELSEWHERE[name]}."
        return
    variable = CONTRACT.get(name)
    if variable is None:
        yield f"{name} is no name that Mastodon {wanted.series} reads; {_remedy(name, wanted.series)}"
        return
    yield from _wrong_series(variable, wanted.series)
    if variable.kind.secret and where == "app_environment":
        yield f"{name} is a secret; move it to app_environment_secrets."
    yield from _accept(name, variable.kind, value, texts, secret=where == "app_environment_secrets")


def _judge_extra(wanted: Environment, name: str, value: object, texts: dict[str, str]) -> Iterator[str]:
    if name in ELSEWHERE:
        yield f"{name} cannot be in the environment file: {ELSEWHERE[name]}."
    elif name in CONTRACT:
        yield f"{name} is a name of the contract; move it from app_environment_extra to app_environment."
    elif not NAME.fullmatch(name):
        yield f"{name!r} cannot be the name of a variable; a name has letters, digits and _."
    else:
        yield from _accept(name, ANYTHING, value, texts, secret=True)


def _accept(name: str, kind: Kind, value: object, texts: dict[str, str], *, secret: bool) -> Iterator[str]:
    try:
        text = text_of(kind, value)
        judge(kind, text)
    except WrongValueError as wrong:
        # A public kind of value may stand among the secrets: then it is treated as one.
        said = (
            str(wrong)
            if kind.secret or not secret or kind in (ANYTHING, SECRET)
            else _without_value(wrong, value, kind)
        )
        yield f"{name} {said}."
    else:
        texts[name] = text


def _without_value(wrong: WrongValueError, value: object, kind: Kind) -> str:
    said = str(wrong)
    return f"is not {kind.name}" if str(value) and str(value) in said else said


def _wrong_series(variable: Variable, series: str) -> Iterator[str]:
    now = SERIES.index(series)
    if variable.since and now < SERIES.index(variable.since):
        yield f"{variable.name} is read from Mastodon {variable.since} on; take it out, or set app_series if this is not {series}."
    if variable.removed and now >= SERIES.index(variable.removed):
        note = f": {variable.note}" if variable.note else ""
        yield f"{variable.name} is gone from Mastodon since {variable.removed}; take it out{note}."


def _remedy(name: str, series: str) -> str:
    now = SERIES.index(series)
    known = [v.name for v in CONTRACT.values() if not (v.removed and now >= SERIES.index(v.removed))]
    exact = {one.upper(): one for one in known}
    if name.upper() in exact:
        return f"did you mean {exact[name.upper()]}?"
    near = difflib.get_close_matches(name.upper(), exact, n=1, cutoff=0.75)
    if near:
        return f"did you mean {exact[near[0]]}?"
    return "if the application does read it (a fork, a gem), put it into app_environment_extra."


def _required(given: Texts, wanted: Environment) -> Iterator[str]:
    for variable in CONTRACT.values():
        if variable.required and variable.name not in given:
            where = "app_environment_secrets" if variable.kind.secret else "app_environment"
            yield f"{variable.name} is missing from {where} ({variable.about})."


def _needed(given: Texts, wanted: Environment) -> Iterator[str]:
    for need in NEEDS:
        if (
            need.name in given
            and (not need.value or given[need.name] == need.value)
            and not set(need.any_of) & set(given)
        ):
            value = f"={need.value}" if need.value else ""
            yield f"{need.name}{value} needs {' or '.join(need.any_of)}."


def _features(given: Texts, wanted: Environment) -> Iterator[str]:
    for feature in FEATURES:
        switch = f"{feature}_ENABLED"
        names = sorted(name for name in given if name.startswith(f"{feature}_") and name in CONTRACT)
        if names and switch not in given:
            yield f"{names[0]} is set and {switch} is not; set {switch} to true or false."


def _stores(given: Texts, wanted: Environment) -> Iterator[str]:
    stores = [name for name in ("S3_ENABLED", "SWIFT_ENABLED", "AZURE_ENABLED") if given.get(name) == "true"]
    if len(stores) > 1:
        yield f"{' and '.join(stores)} are both true; media go to one place."
    alias = given.get("S3_ALIAS_HOST", "").partition("/")[0]
    endpoint = urlsplit(given.get("S3_ENDPOINT", "")).hostname
    if alias and alias == endpoint:
        yield (
            f"S3_ALIAS_HOST is the host of S3_ENDPOINT ({alias}); give media a name to read that is not the name to write: "
            "it is in every URL that other servers keep, and it is what a move to another provider leaves as it is."
        )


def _database(given: Texts, wanted: Environment) -> Iterator[str]:
    parts = [name for name in ("DB_HOST", "DB_PORT", "DB_NAME", "DB_USER", "DB_PASS") if name in given]
    if "DATABASE_URL" in given:
        if parts:
            yield f"DATABASE_URL wins over {', '.join(parts)}; keep one of the two ways."
    else:
        if "DB_HOST" not in given:
            yield "DB_HOST is missing from app_environment (the database, or the pooler in front of it)."
        if "DB_PASS" not in given and not given.get("DB_HOST", "/").startswith("/"):
            yield "DB_PASS is missing from app_environment_secrets (the database's password)."
    if wanted.pooled and given.get("PREPARED_STATEMENTS", "true") == "true":
        yield "PREPARED_STATEMENTS must be false, as app_database_pooled says that a transaction pooler is in front of the database."
    if wanted.pooled and given.get("REPLICA_PREPARED_STATEMENTS") == "true":
        yield "REPLICA_PREPARED_STATEMENTS must be false, as app_database_pooled says that a transaction pooler is in between."


def _replica(given: Texts, wanted: Environment) -> Iterator[str]:
    parts = sorted(n for n in given if n.startswith("REPLICA_DB_") and n != "REPLICA_DB_TASKS")
    if "REPLICA_DATABASE_URL" in given and parts:
        yield f"REPLICA_DATABASE_URL wins over {', '.join(parts)}; keep one of the two ways."
    elif parts and not {"REPLICA_DB_HOST", "REPLICA_DB_NAME"} & set(given):
        yield f"{parts[0]} does nothing without REPLICA_DB_HOST."
    replica = bool(parts) or "REPLICA_DATABASE_URL" in given
    if (
        replica
        and SERIES.index(wanted.series) >= SERIES.index("4.4")
        and given.get("REPLICA_DB_TASKS", "true") == "true"
    ):
        yield "REPLICA_DB_TASKS must be false where there is a replica, or migrations run against the copy too."


def _redis(given: Texts, wanted: Environment) -> Iterator[str]:
    for prefix in ("", "CACHE_", "SIDEKIQ_"):
        yield from _one_redis(given, f"{prefix}REDIS_")
    if not {"REDIS_HOST", "REDIS_URL", "REDIS_SENTINELS"} & set(given):
        yield "REDIS_HOST is missing from app_environment (or REDIS_SENTINELS, or REDIS_URL among the secrets)."


def _one_redis(given: Texts, prefix: str) -> Iterator[str]:
    mine = sorted(
        name for name in given if name.startswith(prefix) and name not in ("REDIS_DRIVER", f"{prefix}NAMESPACE")
    )
    url, host, sentinels, master = (f"{prefix}{name}" for name in ("URL", "HOST", "SENTINELS", "SENTINEL_MASTER"))
    if url in given:
        others = [name for name in mine if name != url]
        if others:
            yield f"{url} wins over {', '.join(others)}; keep one of the two ways."
        if given[url].startswith("rediss://") and given.get("REDIS_DRIVER") != "ruby":
            yield f"{url} with rediss:// needs REDIS_DRIVER=ruby."
    elif sentinels in given:
        if master not in given:
            yield f"{sentinels} needs {master}."
        if host in given:
            yield f"{sentinels} wins over {host}; keep one of them."
    elif mine and host not in given:
        yield f"{mine[0]} does nothing without {host}, {sentinels} or {url}."
    if re.search("%[0-9a-fA-F]{2}", given.get(f"{prefix}PASSWORD", "")):
        yield f"{prefix}PASSWORD holds a % before two hexadecimal digits, which Mastodon would read as an escape; choose another."


def _proxies(given: Texts, wanted: Environment) -> Iterator[str]:
    if re.search(r"(^|[\s,])(0\.0\.0\.0|::)/0", given.get("TRUSTED_PROXY_IP", "")):
        yield "TRUSTED_PROXY_IP trusts everybody, so anybody can claim any address; list the edges' addresses."


def _mail(given: Texts, wanted: Environment) -> Iterator[str]:
    if given.get("SMTP_DELIVERY_METHOD", "smtp") == "smtp" and "SMTP_SERVER" not in given:
        yield "SMTP_SERVER is missing from app_environment (the mail server; without it nobody can confirm an account)."
