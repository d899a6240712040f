# SPDX-License-Identifier: GPL-3.0-or-later
"""The example is whole: with its secrets filled in, every role takes it; with one missing, the refusal names it."""

from __future__ import annotations

import base64
import datetime as dt
import os
import re
import secrets
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bin.programs import ROOT
from tests.inventories.hcloud_api import hcloud_api

EXAMPLE = ROOT / "inventories/example"
LIST = "group_vars/all/vault.yml.example"


def names() -> list[str]:
    """Return the names of the secrets, as a volunteer finds them."""
    listed: dict[str, Any] = yaml.safe_load((EXAMPLE / LIST).read_text())
    assert not any(listed.values()), f"{LIST} holds a secret: everybody can read it"
    return list(listed)


def certificate(*server_names: str) -> tuple[str, str]:
    """Return a certificate for the names and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, server_names[0])])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in server_names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pkcs8, open_ = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    return made.public_bytes(pem).decode(), key.private_bytes(pem, pkcs8, open_).decode()


def filled_in() -> dict[str, str]:
    """Return a value for every secret, made as the list says."""
    values = {name: secrets.token_hex(32) for name in names()}
    for name in values:
        if name.startswith("vault_nameserver_"):
            values[name] = base64.b64encode(secrets.token_bytes(32)).decode()
    pair = certificate("social.example.org", "media.example.org")
    values["vault_edge_certificate"], values["vault_edge_private_key"] = pair
    return values


def production(where: Path, vault: dict[str, str]) -> Path:
    """Return a copy of the example with these secrets."""
    inventory = where / "production"
    shutil.copytree(EXAMPLE, inventory)
    (inventory / LIST).with_name("vault.yml").write_text(yaml.safe_dump(vault, explicit_start=True))
    return inventory


def check_input(inventory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    with hcloud_api() as endpoint:
        return subprocess.run(
            ["ansible-playbook", "-i", str(inventory), "playbooks/check-input.yml", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "HCLOUD_TOKEN": "example", "HCLOUD_ENDPOINT": endpoint},
        )


def test_the_list_names_every_secret_that_is_used_and_no_other() -> None:
    files = [*(EXAMPLE / "group_vars").rglob("*.yml"), *(EXAMPLE / "host_vars").rglob("*.yml")]
    used = {name for file in files for name in re.findall(r"\bvault_\w+", file.read_text())}
    assert sorted(names()) == sorted(used)


def test_every_role_takes_the_example_with_its_secrets_filled_in(tmp_path: Path) -> None:
    done = check_input(production(tmp_path, filled_in()))
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-4000:]
    assert "[WARNING]" not in said, said[-4000:]
    judged = set(re.findall(r"^(\w+) +: ok=[1-9]", done.stdout, re.MULTILINE))
    assert judged == {"alice", "yakko", "wakko", "dot", "nixie", "freud", "franz", "esme", "slappy"}


@pytest.mark.parametrize(
    ("missing", "tags"),
    [("vault_redis_data_password", "redis"), ("vault_smtp_password", "app")],
)
def test_a_secret_that_is_missing_is_named(missing: str, tags: str, tmp_path: Path) -> None:
    vault = filled_in()
    del vault[missing]
    done = check_input(production(tmp_path, vault), "--tags", tags)
    assert done.returncode != 0, "it was taken"
    assert missing in done.stdout + done.stderr, done.stdout[-3000:]
