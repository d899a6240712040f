# SPDX-License-Identifier: GPL-3.0-or-later
"""What a value of an environment variable may be.

A kind turns what the inventory says into the text that goes into the file, or says what is wrong with it. It never
repeats the value of a secret.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

HOST = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?)*", re.I)
PLACEHOLDER = re.compile(r"(?i)(change[-_ ]?me|replace[-_ ]?me|placeholder|todo|xxx+|secret|password|example|<.*>)")
# Every line end that a shell, systemd or a dotenv library knows, and what a terminal would obey.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class WrongValueError(ValueError):
    """A value that the variable cannot have; the message ends with what to write instead."""


Check = Callable[[str], None]


@dataclass(frozen=True)
class Kind:
    """How a value is written (``name``), what text is accepted, and whether it may be shown."""

    name: str
    check: Check
    secret: bool = False
    separator: str = ""


def text_of(kind: Kind, value: object) -> str:
    """Return ``value`` as it goes into the file: YAML's true is ``true``, a YAML list is joined."""
    if value is None:
        raise WrongValueError("has no value; leave the name out to use the application's default")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Sequence) and kind.separator:
        return kind.separator.join(text_of(kind, item) for item in value)
    if isinstance(value, Sequence):
        raise WrongValueError("is a list; it takes one value")
    raise WrongValueError("is a mapping; it takes one value")


def judge(kind: Kind, text: str) -> None:
    """Raise WrongValueError if ``text`` is no value of this kind."""
    if found := CONTROL.search(text):
        name = {"\n": "a newline", "\r": "a carriage return", "\t": "a tab"}.get(found[0], "a control character")
        raise WrongValueError(
            f"holds {name}, which an environment file cannot carry unchanged; "
            "take it out (a block written with | in YAML ends in a newline: write |- instead)"
        )
    if "$(" in text and ("'" in text or text.endswith("\\")):
        raise WrongValueError(
            "holds $( together with a single quote or with a backslash at its end: no quoting carries that to a shell and to "
            "dotenv alike; choose another"
        )
    kind.check(text)


def _one_of(*allowed: str) -> Check:
    def check(text: str) -> None:
        if text not in allowed:
            raise WrongValueError(f"is {text!r}; it is one of {', '.join(allowed)}")

    return check


def _boolean(text: str) -> None:
    # Mastodon compares with the very text 'true': anything else is silently false.
    if text in ("true", "false"):
        return
    meant = {
        "yes": "true",
        "on": "true",
        "1": "true",
        "true": "true",
        "t": "true",
        "no": "false",
        "off": "false",
        "0": "false",
        "false": "false",
        "f": "false",
    }.get(text.lower())
    remedy = f"write {meant}" if meant else "write true or false"
    raise WrongValueError(f"is {text!r}, which Mastodon takes for false, whatever it looks like; {remedy}")


def _integer(low: int, high: int) -> Check:
    def check(text: str) -> None:
        if not re.fullmatch(r"-?[0-9]+", text) or not low <= int(text) <= high:
            raise WrongValueError(f"is {text!r}; it is a whole number from {low} to {high}")

    return check


def _number(text: str) -> None:
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        raise WrongValueError(f"is {text!r}; it is a number like 1.1")


def _text(text: str) -> None:
    if not text.strip():
        raise WrongValueError("is empty; leave the name out to use the application's default")
    if text != text.strip():
        raise WrongValueError("begins or ends with a space; take it out")


def _anything(text: str) -> None:
    del text


def _secret(text: str) -> None:
    if not text.strip():
        raise WrongValueError("is empty; it is a secret of this site")
    if PLACEHOLDER.fullmatch(text.strip()):
        raise WrongValueError("is a placeholder and no secret; generate one")
    if text.endswith("DO_NOT_USE_IN_PRODUCTION"):
        raise WrongValueError("is the public value of the test environment; generate one")


def _long_secret(length: int) -> Check:
    def check(text: str) -> None:
        _secret(text)
        if len(text) < length:
            raise WrongValueError(f"has {len(text)} characters; it needs {length} or more: generate one")

    return check


def is_address(text: str) -> bool:
    """Return whether ``text`` is an IP address."""
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return False
    return True


def _host(text: str) -> None:
    if text.startswith("/"):  # a directory with a Unix socket
        return
    if "://" in text:
        raise WrongValueError(f"is {text!r}; it is a name without {text.split('://')[0]}://")
    if not HOST.fullmatch(text) and not is_address(text):
        raise WrongValueError(f"is {text!r}; it is a host name or an address, without port or path")


def _domain(text: str) -> None:
    if is_address(text) or not HOST.fullmatch(text) or "." not in text:
        raise WrongValueError(f"is {text!r}; it is a domain like social.example.org, without https:// and without /")
    if text != text.lower():
        raise WrongValueError(f"is {text!r}; write it in lower case")


def _alias(text: str) -> None:
    # Mastodon allows a path here: media.example.org/bucket
    host, _, path = text.partition("/")
    if not HOST.fullmatch(host) or path.endswith("/") or " " in path:
        raise WrongValueError(f"is {text!r}; it is a host name like media.example.org, without https://")


def _host_or_url(text: str) -> None:
    if text.startswith(("http://", "https://")):
        _url("http", "https")(text)
    else:
        _host(text)


def _url(*schemes: str) -> Check:
    def check(text: str) -> None:
        scheme, _, rest = text.partition("://")
        if scheme not in schemes or not rest.split("/")[0] or re.search(r"\s", text):
            raise WrongValueError(f"is no URL that begins with {' or '.join(s + '://' for s in schemes)}")

    return check


def _network(text: str) -> None:
    try:
        ipaddress.ip_network(text)
    except ValueError as wrong:
        raise WrongValueError(f"holds {text!r}, which is no address or network: {wrong}") from None


def _each(separator: str, check_one: Check) -> Check:
    def check(text: str) -> None:
        items = re.split(r"\s*,\s*|\s+", text.strip()) if separator == "," else text.split(separator)
        if not text.strip() or not all(items):
            raise WrongValueError(f"has an empty entry; write the entries with {separator!r} between them")
        for item in items:
            check_one(item)

    return check


BOOLEAN = Kind("true or false", _boolean)
PORT = Kind("a port", _integer(1, 65535))
TEXT = Kind("text", _text)
ANYTHING = Kind("text, also empty", _anything)
PATH = Kind("a path", _text)
NUMBER = Kind("a number", _number)
HOST_NAME = Kind("a host", _host)
HOST_OR_URL = Kind("a host or URL", _host_or_url)
DOMAIN = Kind("a domain", _domain)
ALIAS = Kind("a host, perhaps with a path", _alias)
SECRET = Kind("a secret", _secret, secret=True)
URL = Kind("a URL", _url("http", "https"))
URL_WITH_PASSWORD = Kind(
    "a URL with a password", _url("postgres", "postgresql", "redis", "rediss", "unix"), secret=True
)
SOCKET_URL = Kind("a URL", _url("ws", "wss", "http", "https"))
NETWORKS = Kind("addresses and networks", _each(",", _network), separator=",")
HOSTS = Kind("domains", _each(",", _domain), separator=",")
TEXTS = Kind("a list", _each(",", _text), separator=",")
URLS = Kind("URLs", _each(",", _url("http", "https")), separator=",")
PIPED_HOSTS = Kind("domains", _each("|", _domain), separator="|")


def integer(low: int, high: int) -> Kind:
    """Return the kind of whole numbers from ``low`` to ``high``."""
    return Kind(f"{low} to {high}", _integer(low, high))


def choice(*allowed: str) -> Kind:
    """Return the kind of the given words."""
    return Kind(" | ".join(allowed), _one_of(*allowed))


def long_secret(length: int) -> Kind:
    """Return the kind of secrets of at least ``length`` characters."""
    return Kind("a secret", _long_secret(length), secret=True)
