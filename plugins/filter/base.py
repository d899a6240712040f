# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with an administrator, a firewall rule or a certificate, in sentences for the person who wrote it.

These run on the controller before anything is changed. A filter cannot import the project's module_utils, so this file
stands alone.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

RSA_BITS = 3072
KEY_TYPES = {
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-rsa",
}
GOOD_KEYS = f"use ssh-ed25519, a hardware key (sk-) or ssh-rsa of at least {RSA_BITS} bits"
# What may stand before the key in an authorized_keys line: options, in which quotes protect spaces.
OPTIONS = re.compile(r'^(?:"(?:\\.|[^"\\])*"|[^\s"])+[ \t]+')
ACCOUNT = re.compile(r"^[a-z_][a-z0-9_-]{0,31}$")
RULE_KEYS = {"name", "protocol", "ports", "from"}
# It becomes a quoted comment of nftables, which ends at a quote and holds 128 bytes.
RULE_NAME = re.compile(r"^[ !#-\[\]-~]{1,100}\Z")
# Written out, because an empty list is what a group without hosts computes to: that must never open a port to the world.
ANYWHERE = "anywhere"
FILE_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*$")


def _fields(blob: bytes) -> list[bytes]:
    """Return the length-prefixed fields of a key's blob; ValueError where it ends too early."""
    fields = []
    while blob:
        size = int.from_bytes(blob[:4], "big")
        if len(blob) < 4 + size:
            raise ValueError
        fields.append(blob[4 : 4 + size])
        blob = blob[4 + size :]
    return fields


def _split(line: str) -> tuple[str, str]:
    """Return the type and the base64 text of an authorized_keys line, whatever options come first."""
    words = line.split()
    if words and words[0] not in KEY_TYPES and not words[0].startswith("ssh-"):
        words = OPTIONS.sub("", line, count=1).split()
    return (words[0], words[1]) if len(words) > 1 else (words[0] if words else "", "")


def key_fault(line: str) -> str | None:
    """Return what is wrong with a public key, or None."""
    line = line.strip()
    if "PRIVATE KEY" in line:
        return "is a private key: take it out of the inventory, consider it stolen, and give its public half"
    if "\n" in line:
        return "has more than one line: give one list entry for each key"
    kind, text = _split(line)
    if kind == "ssh-dss":
        return f"is a DSA key, which is broken: {GOOD_KEYS}"
    if kind not in KEY_TYPES:
        return f"has no type that is known ({kind or 'it is empty'}): {GOOD_KEYS}"
    try:
        fields = _fields(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return f"is malformed ({kind}): copy the whole line of the .pub file"
    if len(fields) < 2 or fields[0] != kind.encode():
        return f"is malformed ({kind}): copy the whole line of the .pub file"
    bits = int.from_bytes(fields[-1], "big").bit_length()
    if kind == "ssh-rsa" and bits < RSA_BITS:
        return f"is ssh-rsa of {bits} bits: {GOOD_KEYS}"
    if kind.endswith("ed25519") and len(fields[1]) != 32:
        return f"is malformed ({kind}): copy the whole line of the .pub file"
    return None


def administrator_faults(administrators: Sequence[Mapping[str, Any]], connecting: str) -> list[str]:
    """Return what is wrong with a list of administrators, seen by a run that comes in as ``connecting``."""
    faults = []
    names = [administrator["name"] for administrator in administrators]
    for name in sorted({name for name in names if names.count(name) > 1}):
        faults.append(f"{name} is there twice: put all keys into one entry.")
    for administrator in administrators:
        name = administrator["name"]
        if not ACCOUNT.match(name) or name == "root":
            faults.append(
                f"{name!r} is no name for an administrator: use lower case letters, digits, - and _; root is not one."
            )
        if administrator["state"] == "absent":
            continue
        if not administrator["keys"]:
            faults.append(f"{name} has no key: add one, or set state: absent.")
        for number, key in enumerate(administrator["keys"], start=1):
            if fault := key_fault(str(key)):
                faults.append(f"{name}: key {number} {fault}.")
    return faults + _lock_out(administrators, connecting)


def _lock_out(administrators: Iterable[Mapping[str, Any]], connecting: str) -> list[str]:
    """Return why the run that comes in as ``connecting`` could not come back."""
    sudo = {one["name"]: one["sudo"] for one in administrators if one["state"] == "present"}
    if connecting not in sudo:
        return [
            f"{connecting}, who this run comes in as, would be locked out:"
            " add that account with your key, or connect as an administrator (ansible_user)."
        ]
    if not sudo[connecting]:
        return [f"{connecting}, who this run comes in as, could not become root any more: set sudo: true there."]
    return []


def _network_faults(networks: Any) -> list[str]:
    if not isinstance(networks, list):
        return [f"`from` is not a list of networks; [{ANYWHERE}] is anywhere."]
    if not networks:
        return [f"`from` is empty, which opens to nobody: write [{ANYWHERE}], or take the rule away."]
    if networks == [ANYWHERE]:
        return []
    faults = []
    for network in networks:
        try:
            ipaddress.ip_network(str(network), strict=True)
        except ValueError as error:
            faults.append(f"`from` has {error}: write it as 10.0.0.0/8, 10.1.2.3 or fd00::/8.")
    return faults


def _port_faults(ports: Any) -> list[str]:
    if not isinstance(ports, list) or not ports:
        return ["`ports` is not a list with a port in it."]
    faults = []
    for port in ports:
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", str(port))
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if isinstance(port, bool) or not 1 <= first <= last <= 65535:
            faults.append(f"port {port} is neither a port (1 to 65535) nor a range (3000-3015).")
    return faults


def _rule_faults(rule: Any) -> list[str]:
    if not isinstance(rule, Mapping):
        return ["it is not a rule {name, protocol, ports, from}."]
    if unknown := sorted(str(key) for key in set(rule) - RULE_KEYS):
        return [f"unknown: {', '.join(unknown)}. A rule has name, protocol, ports and from."]
    if missing := sorted(RULE_KEYS - set(rule)):
        return [f"missing: {', '.join(missing)}. A rule has name, protocol, ports and from."]
    faults = []
    if not RULE_NAME.match(str(rule["name"])):
        faults.append(
            "the name is a comment in the firewall: 1 to 100 characters of ASCII, without quotation marks and backslashes."
        )
    if rule["protocol"] not in ("tcp", "udp"):
        faults.append(f"protocol {rule['protocol']} is neither tcp nor udp.")
    return faults + _port_faults(rule["ports"]) + _network_faults(rule["from"])


def firewall_faults(variables: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the rules of each variable, naming the variable and the rule."""
    faults = []
    for variable, rules in variables.items():
        if not isinstance(rules, list):
            faults.append(f"{variable} is not a list of rules.")
            continue
        for number, rule in enumerate(rules, start=1):
            name = rule.get("name", "") if isinstance(rule, Mapping) else ""
            where = f"{variable}: rule {number}{f' ({name})' if name else ''}"
            faults += [f"{where}: {fault}" for fault in _rule_faults(rule)]
    return faults


def certificate_faults(certificates: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return what is wrong with certificates that hosts are to trust."""
    faults = []
    for certificate in certificates:
        name, pem = str(certificate["name"]), str(certificate["pem"])
        if not FILE_NAME.match(name):
            faults.append(f"{name!r} cannot be a file's name: use letters, digits, dots, - and _.")
        if "PRIVATE KEY" in pem:
            faults.append(f"{name} holds a private key: hosts need the certificate alone.")
        elif certificate["state"] == "present" and pem.count("-----BEGIN CERTIFICATE-----") != 1:
            faults.append(f"{name} is not one certificate in PEM: give one entry for each certificate.")
    return faults


class FilterModule:
    """The filters of this file, as Ansible looks for them."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {
            "administrator_faults": administrator_faults,
            "certificate_faults": certificate_faults,
            "firewall_faults": firewall_faults,
        }
