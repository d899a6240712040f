# SPDX-License-Identifier: GPL-3.0-or-later
"""What base refuses, and in which words."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from plugins.filter.base import administrator_faults, certificate_faults, firewall_faults, key_fault


def field(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content


def line(kind: str, *fields: bytes) -> str:
    return f"{kind} {base64.b64encode(b''.join(map(field, (kind.encode(), *fields)))).decode()}"


def openssh(key: Any) -> str:
    encoding, form = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    return str(key.public_key().public_bytes(encoding, form).decode())


ED25519 = openssh(ed25519.Ed25519PrivateKey.generate())
HARDWARE = line("sk-ssh-ed25519@openssh.com", bytes(32), b"ssh:")
HARDWARE_EC = line("sk-ecdsa-sha2-nistp256@openssh.com", b"nistp256", b"\x04" + bytes(64), b"ssh:")
RSA_1024 = line("ssh-rsa", b"\x01\x00\x01", b"\x00\x80" + bytes(127))


def person(name: str = "ada", **more: Any) -> dict[str, Any]:
    return {"name": name, "keys": [ED25519], "sudo": True, "state": "present", **more}


@pytest.mark.parametrize(
    "key",
    [
        ED25519,
        f"{ED25519} ada@laptop",
        f"  {ED25519} ada@laptop\n",
        HARDWARE,
        HARDWARE_EC,
        f"verify-required {HARDWARE} ada's token",
        f'from="192.0.2.0/24,10.0.0.1",no-pty {ED25519} a',
        f'command="echo \\"hi there\\"" {ED25519}',
        openssh(ec.generate_private_key(ec.SECP384R1())),
    ],
)
def test_a_good_key_is_taken(key: str) -> None:
    assert key_fault(key) is None


def test_rsa_is_taken_from_3072_bits_on() -> None:
    assert key_fault(openssh(rsa.generate_private_key(65537, 3072))) is None
    assert "ssh-rsa of 2048 bits" in str(key_fault(openssh(rsa.generate_private_key(65537, 2048))))
    assert "ssh-rsa of 1024 bits" in str(key_fault(RSA_1024))


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("", "no type that is known (it is empty)"),
        ("hello", "no type that is known (hello)"),
        ("ssh-ed25519", "is malformed"),
        (ED25519[:40], "is malformed"),
        (ED25519.replace("ssh-ed25519 ", "ssh-rsa ", 1), "is malformed"),
        (line("ssh-ed25519", bytes(31)), "is malformed"),
        (f"ssh-ed25519 {'!' * 68}", "is malformed"),
        (f"{ED25519}\n{ED25519}", "more than one line"),
        ("-----BEGIN OPENSSH PRIVATE " + "KEY-----", "is a private key"),
        (line("ssh-dss", b"p", b"q", b"g", b"y"), "is a DSA key"),
    ],
)
def test_a_bad_key_is_refused_in_words(key: str, says: str) -> None:
    assert says in str(key_fault(key))


@given(st.text())
def test_no_text_at_all_breaks_the_judge_of_keys(text: str) -> None:
    key_fault(text)
    key_fault(f"ssh-rsa {text}")


@given(st.binary())
def test_no_blob_breaks_the_judge_of_keys(blob: bytes) -> None:
    assert key_fault(f"ssh-ed25519 {base64.b64encode(blob).decode()}")


def test_a_good_list_is_taken() -> None:
    gone = person("kris", keys=[], state="absent")
    assert administrator_faults([person(), person("grace", sudo=False), gone], "ada") == []


@pytest.mark.parametrize(
    ("people", "says"),
    [
        ([person("grace")], "ada, who this run comes in as, would be locked out"),
        ([], "ada, who this run comes in as, would be locked out"),
        ([person(state="absent")], "would be locked out"),
        ([person(sudo=False)], "could not become root any more"),
        ([person(keys=[])], "ada has no key"),
        ([person(keys=[ED25519, RSA_1024])], "ada: key 2 is ssh-rsa of 1024 bits"),
        ([person(), person()], "ada is there twice"),
        ([person(), person("root")], "'root' is no name"),
        ([person(), person("Ada L")], "'Ada L' is no name"),
        ([person(), person("../ada")], "'../ada' is no name"),
    ],
)
def test_a_list_that_locks_somebody_out_is_refused(people: list[dict[str, Any]], says: str) -> None:
    assert says in " ".join(administrator_faults(people, "ada"))


def rule(**changes: Any) -> dict[str, list[dict[str, Any]]]:
    return {
        "base_firewall_rules_x": [{"name": "web", "protocol": "tcp", "ports": [443], "from": ["anywhere"], **changes}]
    }


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"ports": [1, 65535, "3000-3015", "53"]},
        {"from": ["10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "::1"]},
        {"protocol": "udp"},
        {"name": "Puma, for the edges"},
    ],
)
def test_a_good_rule_is_taken(changes: dict[str, Any]) -> None:
    assert firewall_faults(rule(**changes)) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"ports": [0]}, "port 0 is neither"),
        ({"ports": [65536]}, "port 65536 is neither"),
        ({"ports": [-1]}, "port -1 is neither"),
        ({"ports": [True]}, "port True is neither"),
        ({"ports": ["443; drop"]}, "port 443; drop is neither"),
        ({"ports": ["30-20"]}, "port 30-20 is neither"),
        ({"ports": []}, "`ports` is not a list with a port in it"),
        ({"ports": 443}, "`ports` is not a list"),
        ({"from": ["10.0.0.0/33"]}, "`from` has"),
        ({"from": ["10.0.0.1/8"]}, "has host bits set"),
        ({"from": ["example.org"]}, "`from` has"),
        ({"from": "10.0.0.0/8"}, "`from` is not a list"),
        ({"protocol": "icmp"}, "neither tcp nor udp"),
        ({"port": 443}, "unknown: port"),
        ({"name": 'x" accept'}, "without quotation marks"),
        ({"name": "web\n"}, "without quotation marks"),
        ({"from": []}, "`from` is empty, which opens to nobody"),
        ({"from": ["anywhere", "10.0.0.0/8"]}, "`from` has 'anywhere'"),
    ],
)
def test_a_bad_rule_is_refused_and_the_variable_is_named(changes: dict[str, Any], says: str) -> None:
    faults = " ".join(firewall_faults(rule(**changes)))
    assert says in faults
    assert faults.startswith("base_firewall_rules_x: rule 1 (")


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ({"a": 443}, "a is not a list of rules"),
        ({"a": [443]}, "a: rule 1: it is not a rule"),
        ({"a": [{"name": "web"}]}, "missing: from, ports, protocol"),
    ],
)
def test_what_is_no_rule_is_refused(rules: dict[str, Any], says: str) -> None:
    assert says in " ".join(firewall_faults(rules))


PEM = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"


def test_a_certificate_is_taken_and_so_is_one_that_goes() -> None:
    good = {"name": "lab", "pem": PEM, "state": "present"}
    assert certificate_faults([good, {"name": "old", "pem": "", "state": "absent"}]) == []


@pytest.mark.parametrize(
    ("certificate", "says"),
    [
        ({"name": "../lab", "pem": PEM}, "cannot be a file's name"),
        ({"name": "lab", "pem": ""}, "not one certificate"),
        ({"name": "lab", "pem": PEM * 2}, "not one certificate"),
        ({"name": "lab", "pem": PEM + "-----BEGIN PRIVATE " + "KEY-----"}, "holds a private key"),
    ],
)
def test_what_is_no_certificate_is_refused(certificate: dict[str, str], says: str) -> None:
    assert says in " ".join(certificate_faults([{"state": "present", **certificate}]))
