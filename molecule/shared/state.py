# SPDX-License-Identifier: GPL-3.0-or-later
"""Make what a lab needs and git must never hold: keys, certificates, passwords, the tiny app's repository.

usage: state.py DIRECTORY APP_SOURCE

Makes only what is missing, so a lab keeps its secrets over runs, and prints a line for each thing that it made.
Every file is private to its owner. The directory may be deleted with the lab (``make lab-down``).
"""

from __future__ import annotations

import base64
import datetime
import fcntl
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NAMES = ("social.upstairs.test", "media.upstairs.test", "s3.upstairs.test", "*.upstairs.test")
VALID_DAYS = 90


def plain() -> str:
    """Return a password of hexadecimal digits."""
    return secrets.token_hex(24)


def awkward() -> str:
    """A password with all that people's passwords hold: what cannot carry it is found here and not in production."""
    return f"{secrets.token_hex(16)} '\"$\\ %#"


def vapid() -> tuple[str, str]:
    """Return (private, public) of a Web Push key pair, base64url as Mastodon's rake task prints them."""
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_numbers().private_value.to_bytes(32, "big")
    public = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return base64.urlsafe_b64encode(private).decode(), base64.urlsafe_b64encode(public).decode()


SECRETS: dict[str, Callable[[], str]] = {
    "postgres_superuser": plain,
    "postgres_replication": plain,
    "postgres_rewind": plain,
    "patroni_rest": plain,
    "database": awkward,
    "redis_data": awkward,
    "redis_cache": awkward,
    "redis_admin": plain,
    "redis_replication": plain,
    "redis_sentinel": plain,
    "redis_sentinel_client": awkward,
    "s3_access_key": lambda: secrets.token_hex(10).upper(),
    "s3_secret_key": plain,
    "backup_access_key": lambda: secrets.token_hex(10).upper(),
    "backup_secret_key": plain,
    "backup_passphrase": plain,
    "restic_password": plain,
    "secret_key_base": lambda: secrets.token_hex(64),
    "ar_encryption_primary_key": plain,
    "ar_encryption_deterministic_key": plain,
    "ar_encryption_key_derivation_salt": plain,
    "smtp": awkward,
    "tsig": lambda: base64.b64encode(secrets.token_bytes(32)).decode(),
}


def write_private(path: Path, data: bytes) -> None:
    """Write whole or not at all: a run that is cut off leaves no half secret behind."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    temporary.touch(mode=0o600)
    temporary.write_bytes(data)
    temporary.replace(path)


def make_secrets(path: Path) -> bool:
    """Add the passwords and keys that are missing; return whether any was."""
    have: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    missing = {name: make() for name, make in SECRETS.items() if name not in have}
    if "vapid_private_key" not in have:
        missing["vapid_private_key"], missing["vapid_public_key"] = vapid()
    if missing:
        write_private(path, json.dumps(have | missing, indent=1).encode())
    return bool(missing)


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key as PEM, unencrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def certificate(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name | None = None,
    issuer_key: ec.EllipticCurvePrivateKey | None = None,
) -> x509.Certificate:
    """Return a certificate for ``key``: a CA where no issuer is given, else a server's for NAMES."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer or name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    signer = issuer_key or key
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
    )
    if issuer is None:
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(usage, critical=True)
    else:
        names = x509.SubjectAlternativeName([x509.DNSName(n) for n in NAMES])
        builder = builder.add_extension(names, critical=False).add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
        )
    return builder.sign(signer, hashes.SHA256())


def expires_soon(path: Path) -> bool:
    """Tell whether less than a third of a certificate's time is left."""
    left = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    return left < datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=VALID_DAYS // 3)


def make_certificates(directory: Path) -> bool:
    """A CA and one server certificate for the lab's names; made anew when a third of their time is left."""
    ca, server = directory / "ca.pem", directory / "server.pem"
    if ca.exists() and server.exists() and not expires_soon(server):
        return False
    ca_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_certificate = certificate("Upstairs lab CA", ca_key)
    server_certificate = certificate("upstairs.test", server_key, ca_certificate.subject, ca_key)
    # The CA's key is not kept: nobody can sign with a CA that a developer's browser was told to trust.
    write_private(directory / "server.key", pem(server_key))
    write_private(ca, ca_certificate.public_bytes(serialization.Encoding.PEM))
    write_private(server, server_certificate.public_bytes(serialization.Encoding.PEM))
    return True


def make_ssh_key(path: Path) -> bool:
    """Make the controller's key if there is none; return whether it was made."""
    if path.exists():
        return False
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "upstairs-lab", "-f", path], check=True)
    return True


def git(*arguments: str | Path, **variables: str) -> str:
    """Run git with extra environment variables and return what it printed."""
    done = subprocess.run(
        ["git", *arguments], check=True, capture_output=True, text=True, env={**os.environ, **variables}
    )
    return done.stdout.strip()


def make_app_repository(bare: Path, source: Path) -> bool:
    """Commit the tiny app as it is now to ``main`` of a bare repository, if that differs from what is there.

    The commit's dates and author are fixed, so the same tree is the same commit on every machine.
    """
    if not bare.exists():
        git("init", "-q", "--bare", "-b", "main", bare)
    who = {
        f"GIT_{role}_{what}": value
        for role in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "Upstairs"), ("EMAIL", "lab@upstairs.test"), ("DATE", "2026-01-01T00:00:00Z"))
    }
    index = {"GIT_INDEX_FILE": str(bare / "lab-index")}
    git("--git-dir", bare, "--work-tree", source, "add", "--all", ".", **index)
    tree = git("--git-dir", bare, "write-tree", **index)
    have = subprocess.run(
        ["git", "--git-dir", bare, "rev-parse", "-q", "--verify", "main^{tree}"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    if tree == have:
        return False
    commit = git("--git-dir", bare, "commit-tree", tree, "-m", "The tiny app", **who)
    git("--git-dir", bare, "update-ref", "refs/heads/main", commit)
    return True


def main(directory: Path, source: Path) -> None:
    """Make what is missing, and say what was made."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    (directory / "known_hosts").mkdir(exist_ok=True)
    # Several scenarios start at once: the first makes, the others find.
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = {
            "an SSH key": make_ssh_key(directory / "id_ed25519"),
            "passwords and keys": make_secrets(directory / "secrets.json"),
            "a CA and a certificate": make_certificates(directory),
            "the tiny app's repository": make_app_repository(directory / "app.git", source),
        }
    for what in (name for name, new in made.items() if new):
        print(f"made {what}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), Path(sys.argv[2]).absolute())
