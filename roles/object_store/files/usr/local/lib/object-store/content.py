# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the users and buckets that /etc/object-store/content.json declares, or check that they are there.

usage: content.py make|check

No secret is ever in an argument: radosgw-admin reads it from its environment (CEPH_ARGS) and curl from its standard input.
Uses the standard library only, and of radosgw-admin only `user info` and `user create`: on a database instead of a cluster
many other commands never end, crash, or lose data (see the role's README).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

CONTENT = Path("/etc/object-store/content.json")
ADMIN = ("radosgw-admin", "--conf", "/etc/object-store/ceph.conf", "--name", "client.rgw", "--no-mon-config")
WAIT = 40.0
# What curl says while the store is starting.
REFUSED = 7


def admin(*words: str, more: str = "") -> subprocess.CompletedProcess[str]:
    """Run radosgw-admin; ``more`` arguments travel in its environment, which only its user and root can read."""
    environment = {**os.environ, "CEPH_ARGS": more}
    return subprocess.run(
        [*ADMIN, *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=20,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def keys(name: str) -> list[tuple[str, str]] | None:
    """Return the keys of a user, or nothing if there is no such user."""
    found = admin("user", "info", "--uid", name)
    if found.returncode == 0:
        return [(key["access_key"], key["secret_key"]) for key in json.loads(found.stdout)["keys"]]
    if "no user info saved" in found.stderr:
        return None
    sys.exit(f"radosgw-admin cannot tell whether the user {name} is there: {found.stderr[-500:]}")


def make_user(user: dict[str, Any]) -> None:
    """Create a user. One that is there is never touched: that would delete all its buckets."""
    have = keys(user["name"])
    if have == [(user["access_key"], user["secret_key"])]:
        return
    if have is not None:
        sys.exit(
            f"the user {user['name']} has other keys than declared, and changing a user deletes all its buckets. Declare a new "
            "user, or stop object-store.service, remove /var/lib/object-store and start again with an empty store"
        )
    secret = f"--access-key={user['access_key']} --secret-key={user['secret_key']}"
    made = admin("user", "create", "--uid", user["name"], "--display-name", user["name"], more=secret)
    if made.returncode != 0:
        sys.exit(f"radosgw-admin cannot create the user {user['name']}: exit {made.returncode}")
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
        if done.returncode == 0:
            return int(done.stdout)
        if done.returncode != REFUSED or time.monotonic() > deadline:
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
    # The database is made by the store; whoever comes first would make it a second time.
    ask(content, {"access_key": "nobody", "secret_key": "nobody"}, "HEAD", "nothing")
    for user in content["users"]:
        make_user(user)
        for bucket in user["buckets"]:
            make_bucket(content, user, bucket)


if __name__ == "__main__":
    main()
