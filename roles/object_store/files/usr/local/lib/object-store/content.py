# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the users and buckets that /etc/object-store/content.json declares, or check that they are there.

usage: content.py make|check

No secret is ever in an argument: radosgw-admin reads it from its environment (CEPH_ARGS) and curl from its standard input.
Uses the standard library only, and of radosgw-admin only `user create` for a user who is not there: on a database instead
of a cluster much else crashes, never ends or loses data (see the role's README).
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

CONTENT = Path("/etc/object-store/content.json")
DATABASE = Path("/var/lib/object-store/dbstore-default_ns.db")
ADMIN = ("radosgw-admin", "--conf", "/etc/object-store/ceph.conf", "--name", "client.rgw", "--no-mon-config")
WAIT = 40.0
# What curl says while the store is starting: refused, no TLS yet, nothing said, cut off.
STARTING = (7, 35, 52, 56)


def exists(name: str) -> bool:
    """Look into the database itself, which is the only sure answer: whether a user is there decides whether data is lost."""
    table = f"{DATABASE.with_suffix('')}_user_table"
    with contextlib.closing(sqlite3.connect(f"file:{DATABASE}?mode=ro", uri=True)) as database:
        return bool(database.execute(f'SELECT 1 FROM "{table}" WHERE UserID = ?', (name,)).fetchone())  # noqa: S608 - our own path


def create(user: dict[str, Any]) -> None:
    """Create a user; at its end radosgw-admin may spin for ever (one run in ten), when its work is done."""
    secret = f"--access-key={user['access_key']} --secret-key={user['secret_key']}"
    command = [*ADMIN, "user", "create", "--uid", user["name"], "--display-name", user["name"]]
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(
            command,
            # Only this user and root can read a process's environment; everybody can read its arguments.
            env={**os.environ, "CEPH_ARGS": secret},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=10,
            check=False,
        )


def make_user(content: dict[str, Any], user: dict[str, Any]) -> None:
    """Create a user. One that is there is never touched: that would delete all its buckets."""
    if ask(content, user, "GET", "") == 200:
        return
    if exists(user["name"]):
        sys.exit(
            f"the user {user['name']} has other keys than declared, and changing a user deletes all its buckets. Declare "
            "a new user, or stop object-store.service, remove /var/lib/object-store and start again with an empty store"
        )
    create(user)
    status = ask(content, user, "GET", "")
    if status != 200:
        sys.exit(f"the user {user['name']} was created and is refused: status {status}")
    print(f"made the user {user['name']}")


def ask(content: dict[str, Any], user: dict[str, Any], method: str, bucket: str) -> int:
    """Send one signed request for a bucket, and again while the store is starting; return the status."""
    host, address = content["name"], content["address"]
    lines = [
        f'url = "https://{host}/{bucket}"',
        f'user = "{user["access_key"]}:{user["secret_key"]}"',
        f'aws-sigv4 = "aws:amz:{content["region"]}:s3"',
        # By its real name, but at its own address: names may come later than this host.
        f'resolve = "{host}:443:{address}"',
        # Exactly the certificate that it must show.
        'cacert = "/etc/object-store/tls.pem"',
        "head" if method == "HEAD" else f'request = "{method}"',
        "silent",
        'noproxy = "*"',
        'output = "/dev/null"',
        'write-out = "%{http_code}"',
        "max-time = 20",
    ]
    deadline = time.monotonic() + WAIT
    while True:
        done = subprocess.run(
            ["curl", "--config", "-"], input="\n".join(lines), capture_output=True, text=True, timeout=30, check=False
        )
        late = time.monotonic() > deadline
        # A gateway that is starting answers with 5xx, which says nothing of users and buckets.
        if done.returncode == 0 and (late or int(done.stdout) < 500):
            return int(done.stdout)
        if late or done.returncode not in (0, *STARTING):
            sys.exit(f"the store at {address} does not serve {host}: curl exit {done.returncode}")
        time.sleep(0.2)


def make_bucket(content: dict[str, Any], user: dict[str, Any], bucket: str) -> None:
    """Create a bucket if it is not there; it is private, as buckets are."""
    status = ask(content, user, "HEAD", bucket)
    if status == 404:
        status = ask(content, user, "PUT", bucket)
        print(f"made the bucket {bucket} of {user['name']}")
    if status != 200:
        sys.exit(f"the bucket {bucket} is not {user['name']}'s: status {status}")


def check(content: dict[str, Any]) -> None:
    """Say whether each user reaches each bucket."""
    for user in content["users"]:
        for bucket in user["buckets"]:
            status = ask(content, user, "HEAD", bucket)
            if status != 200:
                sys.exit(f"{user['name']} asks for the bucket {bucket} and gets {status}")
    print("all there")


def main() -> None:
    """Make, or check."""
    content = json.loads(CONTENT.read_text())
    if sys.argv[1:] == ["check"]:
        check(content)
        return
    for user in content["users"]:
        make_user(content, user)
        for bucket in user["buckets"]:
            make_bucket(content, user, bucket)


if __name__ == "__main__":
    main()
