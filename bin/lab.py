# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab: the whole site on this machine.

usage: python -m bin.lab up | down

``up`` creates the hosts, converges site.yml, verifies, and prints what is there. It is safe to repeat, and finishes what an
earlier run began. ``down`` removes the hosts, their network, their secrets and the image. The environment variable
UPSTAIRS_LAB chooses between the lab that people keep (``lab``) and the one that the tests make (``test``).
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

from bin.picture import picture
from bin.programs import (
    LOGS,
    ROOT,
    fail,
    listed,
    only_one,
    podman,
    recaps,
    remove_hosts,
    say,
    stop_on_signals,
    with_labels,
)
from bin.site import Site
from bin.vms import Vms

SITE = Site.of_environment()
NAME = SITE.name
STATE = SITE.state


def step(number: int, title: str, name: str, path: str) -> int:
    """Run one playbook of ``up``; return how many changes it made, or leave with what to do next."""
    say(f"\n=== {number}/3  {title}")
    outcome = SITE.playbook(name, path, show=True)
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
        # Somebody who was killed may have left virtual machines in the place of hosts.
        Vms(SITE).down()
        changes = step(1, "Create the hosts", "create", "molecule/shared/create.yml")
        write_settings()
        changes += step(2, "Converge site.yml", "site", "site.yml")
        step(3, "Verify every host", "verify", "playbooks/verify-fleet.yml")
        show([])
        took = time.monotonic() - start
        say(f"\n{'Nothing had to be changed' if not changes else f'{changes} changes'}, in {took:.0f} s.")


def write_private(name: str, text: str) -> None:
    """Write a file of the lab's state that only its owner may read."""
    path = STATE / name
    path.touch(mode=0o600)
    path.write_text(text)


def write_settings() -> None:
    """Write what makes commands at this lab short: settings for curl and ssh, a picture."""
    names = "".join(f'resolve = "{name}.upstairs.test:443:{SITE.edges[0]}"\n' for name in ("social", "media"))
    write_private("curlrc", f'cacert = "{STATE}/ca.pem"\nheader = "Authorization: Bearer {SITE.token}"\n{names}')
    common = (
        f"  User ops\n  IdentityFile {STATE}/id_ed25519\n  IdentitiesOnly yes\n"
        f"  StrictHostKeyChecking yes\n  UserKnownHostsFile {STATE}/known_hosts/%h\n"
        f"  ControlMaster auto\n  ControlPath ~/.ssh/upstairs-{NAME}-%h\n  ControlPersist 60\n"
    )
    hosts = "".join(f"Host {host}\n  HostName {SITE.address(host)}\n{common}" for host in SITE.features)
    (Path.home() / ".ssh").mkdir(mode=0o700, exist_ok=True)
    write_private("ssh_config", hosts)
    if not (STATE / "picture.png").exists():
        (STATE / "picture.png").write_bytes(picture())


def show(broken: list[str]) -> None:
    """Print the hosts with their health, the names, and three things to try."""
    say(f"\n{'host':<8} {'address':<12} {'site':<9} {'health':<8} features")
    for host, features in SITE.features.items():
        site = next(f for f in features if f in ("basement", "cloud"))
        rest = " ".join(f for f in features if f not in ("base", "app", site))
        say(f"{host:<8} {SITE.address(host):<12} {site:<9} {'BROKEN' if host in broken else 'healthy':<8} {rest}")
    curl = f"curl -sK {(STATE / 'curlrc').relative_to(ROOT)}"
    say(f"""
https://social.upstairs.test   the instance         (through the edges {" and ".join(SITE.edges)})
https://media.upstairs.test    the media read name  (the same edges, in front of the bucket)
https://s3.upstairs.test       the media write name (the bucket, {SITE.address("franz")})
In a browser: trust {(STATE / "ca.pem").relative_to(ROOT)}, and /etc/hosts: `{SITE.edges[0]} social.upstairs.test media.upstairs.test`.

Three things to try:
  1. Post a picture:
     id=$({curl} -F file=@.lab/{NAME}/picture.png https://social.upstairs.test/api/v2/media | sed 's/.*"id":"*\\([0-9]*\\).*/\\1/')
     {curl} -d status="Hello from upstairs" -d media_ids[]=$id https://social.upstairs.test/api/v1/statuses
  2. Look at it through the edge: the URL is in the answer; the second time it comes from the cache:
     {curl} -D - -o /dev/null URL | grep -i x-cache
  3. See the job in Sidekiq:
     {curl} https://social.upstairs.test/api/v1/admin/sidekiq

Log in:  ssh -F .lab/{NAME}/ssh_config alice         Take it away:  make lab-down""")


def down() -> None:
    """Remove the hosts, their network and their secrets; then the images, where no other host uses them."""
    with only_one(ROOT / ".lab" / f"{NAME}.lock", "make lab"):
        removed = remove_hosts(f"upstairs.lab={NAME}", f"upstairs.root={ROOT}")
        if not listed("ps", "--all", "--quiet", *with_labels(f"upstairs.lab={NAME}")):
            podman("network", "rm", f"upstairs-{NAME}")
        shutil.rmtree(STATE, ignore_errors=True)
        if not listed("ps", "--all", "--quiet", *with_labels("upstairs.root")):
            for image in listed("images", "--quiet", *with_labels("upstairs.image")):
                podman("rmi", "--force", image)
        say(f"The lab is gone, with its {removed} hosts." if removed else "There was no lab.")


def main(arguments: list[str]) -> None:
    """Do what the command line asks."""
    stop_on_signals()
    verbs = {"up": up, "down": down}
    if len(arguments) != 1 or arguments[0] not in verbs:
        fail(__doc__ or "")
    verbs[arguments[0]]()


if __name__ == "__main__":
    main(sys.argv[1:])
