# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a host and whether the answer is good: the thinking behind probe, without any I/O."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from .units import Unit

EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - to be recognised, not bound
TCP_LISTENS = "0A"
UDP_UNCONNECTED = "07"
SHOWN = 300
HIDDEN = "[hidden]"
# A shorter value is a number or a flag; hiding it would garble every message.
SECRET = 6


@dataclass(frozen=True)
class Finding:
    """What a check found, in words."""

    ok: bool
    said: str


@dataclass(frozen=True)
class Socket:
    """An address at which somebody listens; the host ``*`` is every address, of IPv4 or of IPv6."""

    protocol: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'udp/' if self.protocol == 'udp' else ''}{host}:{self.port}"


@dataclass(frozen=True)
class Url:
    """The parts of a URL that a request needs."""

    scheme: str
    host: str
    port: int
    target: str


@dataclass(frozen=True)
class Response:
    """What an HTTP server answered."""

    status: int
    reason: str
    location: str
    body: str
    truncated: bool = False
    # By their names in small letters.
    headers: Mapping[str, str] = field(default_factory=dict)


def parse_listen(text: str) -> Socket:
    """Return the socket that ``[udp/]address:port`` names."""
    protocol, slash, rest = text.rpartition("/")
    if slash and protocol not in ("tcp", "udp"):
        raise ValueError(f"{text!r}: the protocol must be tcp or udp")
    host, port = split_address(rest)
    if host != "*":
        try:
            host = str(ipaddress.ip_address(host))
        except ValueError as error:
            raise ValueError(f"{text!r}: {host!r} is neither an IP address nor *") from error
    return Socket(protocol or "tcp", host, port)


def split_address(text: str) -> tuple[str, int]:
    """Return host and port of ``host:port``; an IPv6 address stands in brackets."""
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]/]+)):(\d{1,5})", text)
    if not found or not 0 < int(found[3]) < 65536:
        raise ValueError(f"{text!r} is not address:port (an IPv6 address stands in brackets)")
    return found[1] or found[2], int(found[3])


def parse_url(text: str) -> Url:
    """Return the parts of a URL; refuse what cannot be asked."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{text!r} is not a http:// or https:// URL")
    if parts.username is not None or parts.password is not None:
        raise ValueError("the URL carries a password: send it as a header")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Url(parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80), target)


def parse_sockets(table: str, protocol: str) -> set[Socket]:
    """Return who listens, from the text of /proc/net/tcp, tcp6, udp or udp6."""
    listening = set()
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 3 and fields[3] == (TCP_LISTENS if protocol == "tcp" else UDP_UNCONNECTED):
            address, port = fields[1].rsplit(":", 1)
            listening.add(Socket(protocol, _address(address), int(port, 16)))
    return listening


def _address(text: str) -> str:
    # The kernel prints 32-bit words in the byte order of the machine; every machine that Debian calls amd64 or arm64 is little-endian.
    words = bytes.fromhex(text)
    packed = b"".join(words[i : i + 4][::-1] for i in range(0, len(words), 4))
    address = ipaddress.ip_address(packed)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(address)


def judge_listen(wanted: Socket, listening: Iterable[Socket]) -> Finding:
    """Say whether somebody listens exactly there, and no wider."""
    on_port = sorted(
        {socket for socket in listening if (socket.protocol, socket.port) == (wanted.protocol, wanted.port)}, key=str
    )
    told = ", ".join(str(socket) for socket in on_port)
    everywhere = [socket for socket in on_port if socket.host in EVERY_ADDRESS]
    if wanted.host == "*":
        return Finding(
            bool(everywhere),
            f"listens on {told}" if on_port else f"nobody listens on port {wanted.port} ({wanted.protocol})",
        )
    if wanted in on_port:
        wider = [socket for socket in everywhere if wanted.host not in EVERY_ADDRESS]
        return Finding(not wider, f"listens on {told}" + (f", which is wider than {wanted}" if wider else ""))
    if not on_port:
        return Finding(False, f"nobody listens on port {wanted.port} ({wanted.protocol})")
    return Finding(False, f"port {wanted.port} is listened on at {told}, not at {wanted}")


def judge_unit(unit: Unit, enabled: bool) -> Finding:
    """Say whether a unit is up, and whether it will be after a reboot."""
    told = f"{unit.name} is {unit.describe()}"
    if unit.running and enabled and not unit.enabled:
        return Finding(False, f"{told}: it will not start at boot")
    return Finding(unit.running and (unit.enabled or not enabled), told)


def judge_command(told: str, rc: int | None, output: str, wanted_rc: int, matches: str | None) -> Finding:
    """Say whether a program ended as wanted and said what it should."""
    if rc is None:
        return Finding(False, f"`{told}`: {shown(output)}")
    said = f"`{told}` exited {rc} and said: {shown(output)}"
    if rc != wanted_rc:
        return Finding(False, f"{said} (wanted: exit {wanted_rc})")
    if matches is not None and not re.search(matches, output, re.MULTILINE):
        return Finding(False, f"{said} (wanted: a match of {matches!r})")
    return Finding(True, said)


def judge_http(asked: str, response: Response, statuses: Sequence[int], contains: str | None) -> Finding:
    """Say whether a server answered as wanted."""
    to = f", to {response.location}" if response.location else ""
    said = f"{asked} answered {response.status} {response.reason}{to}: {shown(response.body)}"
    if response.status not in statuses:
        return Finding(False, f"{said} (wanted: {' or '.join(str(status) for status in statuses)})")
    if contains is not None and contains not in response.body:
        cut = " in its first part (the rest was not read)" if response.truncated else ""
        return Finding(False, f"{said} (wanted: {contains!r}{cut})")
    return Finding(True, said)


def shown(text: str) -> str:
    """Return a text short and printable enough for a message."""
    plain = "".join(char if char.isprintable() else " " for char in text)
    plain = re.sub(r" {2,}", " ", plain).strip()
    return (plain[:SHOWN] + " ...") if len(plain) > SHOWN else plain or "nothing"


def without(text: str, secrets: Iterable[str]) -> str:
    """Return a text in which the given values are hidden, longest first."""
    for secret in sorted({secret for secret in secrets if len(secret) >= SECRET}, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def still_false(findings: Mapping[str, Finding], required: Iterable[str]) -> list[str]:
    """Return the required checks that are not true, in the order in which they were asked."""
    return [name for name in required if not findings[name].ok]


def failure(findings: Mapping[str, Finding], false: Sequence[str], waited: float, logs: Mapping[str, str]) -> str:
    """Return the message for the person who has to repair it."""
    after = f" after {waited:.0f} s" if waited >= 1 else ""
    lines = [f"{len(false)} of {len(findings)} checks {'was' if len(false) == 1 else 'were'} false{after}:"]
    lines += [f"- {name}: {findings[name].said}" for name in false]
    lines += [f"The last log lines of {unit}:\n{log}" for unit, log in logs.items()]
    return "\n".join(lines)
