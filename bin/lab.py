# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab: the whole site on this machine.

usage: python -m bin.lab up | down

``up`` creates the hosts, converges site.yml, verifies, and prints what is there. It is safe to repeat, and finishes what an
earlier run began. ``down`` removes the hosts, their network, their secrets and the image. The environment variable
UPSTAIRS_LAB chooses between the lab that people keep (``lab``) and the one that the tests make (``test``).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import shutil
import subprocess
import sys
import time
import zlib
from pathlib import Path

from bin.programs import LOGS, ROOT, Outcome, fail, listed, only_one, podman, recaps, run, say, stop_on_signals

NAME = os.environ.setdefault("UPSTAIRS_LAB", "lab")
NETS = {"lab": "10.44", "test": "10.45"}
if NAME not in NETS:
    fail(f"UPSTAIRS_LAB is {NAME!r}: say lab or test")
NET = NETS[NAME]
STATE = ROOT / ".lab" / NAME
INVENTORY = ROOT / "inventories" / "lab"
# The recap and what changed are for people; every task that found nothing to do is for the log of a verbose run.
QUIET = {"ANSIBLE_DISPLAY_OK_HOSTS": "no", "ANSIBLE_NOCOLOR": "1"}


def playbook(name: str, path: str, *arguments: str, show: bool = True) -> Outcome:
    """Run one playbook against the lab."""
    return run(
        f"{NAME}-{name}", ["ansible-playbook", "-i", INVENTORY, ROOT / path, *arguments], show=show, environment=QUIET
    )


def step(number: int, title: str, name: str, path: str) -> int:
    """Run one playbook of ``up``; return how many changes it made, or leave with what to do next."""
    say(f"\n=== {number}/3  {title}")
    outcome = playbook(name, path)
    if outcome.status != 0:
        broken = [host for host, recap in recaps(outcome.output).items() if recap.broken]
        if name == "verify" and broken:
            show(broken)
        fail(
            f"\n{title}: failed after {outcome.seconds:.0f} s. The whole output is in {LOGS.relative_to(ROOT)}/{NAME}-{name}.log;"
            f" `make lab` goes on from where this stopped."
        )
    changes = sum(r.changed for r in recaps(outcome.output).values())
    say(f"--- {title}: {changes} changes in {outcome.seconds:.0f} s")
    return changes


def up() -> None:
    """Create, converge, verify and show."""
    start = time.monotonic()
    with only_one(ROOT / ".lab" / f"{NAME}.lock", "make lab"):
        say(
            f"The lab `{NAME}`: create the hosts, converge site.yml, verify, show. The first run takes about ten minutes."
        )
        changes = step(1, "Create the hosts", "create", "molecule/shared/create.yml")
        write_settings()
        changes += step(2, "Converge site.yml", "site", "site.yml")
        step(3, "Verify every host", "verify", "playbooks/verify-fleet.yml")
        show([])
        took = time.monotonic() - start
        say(f"\n{'Nothing had to be changed' if not changes else f'{changes} changes'}, in {took:.0f} s.")


def groups() -> dict[str, list[str]]:
    """Return the groups (features) of each host of the inventory."""
    listed = subprocess.run(
        ["ansible-inventory", "-i", str(INVENTORY), "--list"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    tree = json.loads(listed.stdout)
    found: dict[str, list[str]] = {}

    def walk(group: str, above: tuple[str, ...]) -> None:
        for host in tree.get(group, {}).get("hosts", []):
            found.setdefault(host, []).extend(g for g in (*above, group) if g not in found.get(host, []))
        for child in tree.get(group, {}).get("children", []):
            walk(child, (*above, group))

    for top in tree["all"]["children"]:
        walk(top, ())
    return found


def address(host: str) -> str:
    """Return a lab host's address, from the file that gives it."""
    text = (INVENTORY / "host_vars" / f"{host}.yml").read_text()
    return text.split("ansible_host:")[1].strip().strip('"').replace("{{ lab_net }}", NET)


def edges() -> list[str]:
    """Return the addresses of the edges."""
    return [address(host) for host, features in groups().items() if "edge" in features]


def write_private(name: str, text: str) -> None:
    """Write a file of the lab's state that only its owner may read."""
    path = STATE / name
    path.touch(mode=0o600)
    path.write_text(text)


def write_settings() -> None:
    """Write what makes commands at this lab short: settings for curl and ssh, the API token, a picture."""
    token = app_token()
    write_private("token", token + "\n")
    names = "".join(f'resolve = "{name}.upstairs.test:443:{edges()[0]}"\n' for name in ("social", "media"))
    write_private("curlrc", f'cacert = "{STATE}/ca.pem"\nheader = "Authorization: Bearer {token}"\n{names}')
    common = (
        f"  User ops\n  IdentityFile {STATE}/id_ed25519\n  IdentitiesOnly yes\n  StrictHostKeyChecking yes\n"
        f"  ControlMaster auto\n  ControlPath ~/.ssh/upstairs-{NAME}-%h\n  ControlPersist 60\n"
    )
    hosts = "".join(
        f"Host {host}\n  HostName {address(host)}\n  UserKnownHostsFile {STATE}/known_hosts/{host}\n{common}"
        for host in groups()
    )
    (Path.home() / ".ssh").mkdir(mode=0o700, exist_ok=True)
    write_private("ssh_config", hosts)
    if not (STATE / "picture.png").exists():
        (STATE / "picture.png").write_bytes(picture())


def picture(side: int = 256) -> bytes:
    """Return a PNG of two slopes that meet: something to post."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    rows = b"".join(b"\0" + b"".join(bytes((x, y, abs(x - y))) for x in range(side)) for y in range(side))
    head = side.to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def show(broken: list[str]) -> None:
    """Print the hosts with their health, the names, and three things to try."""
    say(f"\n{'host':<8} {'address':<12} {'site':<9} {'health':<8} features")
    for host, features in groups().items():
        site = next(f for f in features if f in ("basement", "cloud"))
        rest = " ".join(f for f in features if f not in ("base", "app", site))
        say(f"{host:<8} {address(host):<12} {site:<9} {'BROKEN' if host in broken else 'healthy':<8} {rest}")
    curl = f"curl -sK {(STATE / 'curlrc').relative_to(ROOT)}"
    say(f"""
https://social.upstairs.test   the instance         (through the edges {" and ".join(edges())})
https://media.upstairs.test    the media read name  (the same edges, in front of the bucket)
https://s3.upstairs.test       the media write name (the bucket, {address("franz")})
In a browser: trust {(STATE / "ca.pem").relative_to(ROOT)} and put `{edges()[0]} social.upstairs.test media.upstairs.test` into /etc/hosts.

Three things to try:
  1. Post a picture:
     id=$({curl} -F file=@.lab/{NAME}/picture.png https://social.upstairs.test/api/v2/media | sed 's/.*"id":"*\\([0-9]*\\).*/\\1/')
     {curl} -d status="Hello from upstairs" -d media_ids[]=$id https://social.upstairs.test/api/v1/statuses
  2. Look at it through the edge: the URL is in the answer; the second time it comes from the cache:
     {curl} -D - -o /dev/null URL | grep -i x-cache
  3. See the job in Sidekiq:
     {curl} https://social.upstairs.test/api/v1/admin/sidekiq

Log in:  ssh -F .lab/{NAME}/ssh_config alice         Take it away:  make lab-down""")


def app_token() -> str:
    """Return the API token of the tiny app's user: derived from a secret, as its README says."""
    secrets: dict[str, str] = json.loads((STATE / "secrets.json").read_text())
    return hmac.new(secrets["secret_key_base"].encode(), b"tiny-mastodon-api-token", hashlib.sha256).hexdigest()


def down() -> None:
    """Remove the hosts, their network and their secrets; then the images, where no other host uses them."""
    with only_one(ROOT / ".lab" / f"{NAME}.lock", "make lab"):
        hosts = listed(
            "ps",
            "--all",
            "--quiet",
            "--filter",
            f"label=upstairs.lab={NAME}",
            "--filter",
            f"label=upstairs.root={ROOT}",
        )
        if hosts:
            say(f"Remove {len(hosts)} hosts")
            listed("rm", "--force", "--time", "0", *hosts)
        if not listed("ps", "--all", "--quiet", "--filter", f"label=upstairs.lab={NAME}"):
            podman("network", "rm", f"upstairs-{NAME}")
        shutil.rmtree(STATE, ignore_errors=True)
        if not listed("ps", "--all", "--quiet", "--filter", "label=upstairs.root"):
            for image in listed("images", "--quiet", "--filter", "label=upstairs.image"):
                podman("rmi", "--force", image)
        say("The lab is gone." if hosts else "There was no lab.")


def main(arguments: list[str]) -> None:
    """Do what the command line asks."""
    stop_on_signals()
    verbs = {"up": up, "down": down}
    if len(arguments) != 1 or arguments[0] not in verbs:
        fail(__doc__ or "")
    verbs[arguments[0]]()


if __name__ == "__main__":
    main(sys.argv[1:])
