# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab: the whole site on this machine.

usage: python -m bin.lab up | down | show

``up`` creates the hosts, converges site.yml, verifies, and prints what is there. It is safe to repeat, and finishes what an
earlier run began. ``down`` removes the hosts, their network, their secrets and the image. The environment variable
UPSTAIRS_LAB chooses between the lab that people keep (``lab``) and the one that the tests make (``test``).
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from bin.programs import ROOT, LOGS, Outcome, fail, only_one, recaps, run, say, tail

NAME = os.environ.setdefault("UPSTAIRS_LAB", "lab")
NET = {"lab": "10.44", "test": "10.45"}.get(NAME) or fail(f"UPSTAIRS_LAB is {NAME!r}: say lab or test") or ""
STATE = ROOT / ".lab" / NAME
INVENTORY = ROOT / "inventories" / "lab"
# The recap and what changed are for people; every task that found nothing to do is for the log of a verbose run.
QUIET = {"ANSIBLE_DISPLAY_OK_HOSTS": "no", "ANSIBLE_NOCOLOR": "1"}


def playbook(name: str, path: str, *arguments: str, show: bool = True) -> Outcome:
    """Run one playbook against the lab."""
    return run(f"{NAME}-{name}", ["ansible-playbook", "-i", INVENTORY, ROOT / path, *arguments],
               show=show, environment=QUIET)


def step(number: int, title: str, name: str, path: str) -> int:
    """Run one playbook of ``up``; return how many changes it made, or leave with what to do next."""
    say(f"\n=== {number}/3  {title}")
    outcome = playbook(name, path)
    if outcome.status != 0:
        fail(f"\n{title}: failed after {outcome.seconds:.0f} s. The whole output is in {LOGS.relative_to(ROOT)}/{NAME}-{name}.log;"
             f" `make lab` goes on from where this stopped.")
    changes = sum(r.changed for r in recaps(outcome.output).values())
    say(f"--- {title}: {changes} changes in {outcome.seconds:.0f} s")
    return changes


def up() -> None:
    """Create, converge, verify and show."""
    start = time.monotonic()
    with only_one(ROOT / ".lab" / f"{NAME}.lock", "make lab"):
        say(f"The lab `{NAME}`: create the hosts, converge site.yml, verify, show. The first run takes about ten minutes.")
        changes = step(1, "Create the hosts", "create", "molecule/shared/create.yml")
        changes += step(2, "Converge site.yml", "site", "site.yml")
        step(3, "Verify every host", "verify", "playbooks/verify-fleet.yml")
        write_curl_settings()
        show({})
        took = time.monotonic() - start
        say(f"\n{'Nothing had to be changed' if not changes else f'{changes} changes'}, in {took:.0f} s.")


def groups() -> dict[str, list[str]]:
    """Return the groups (features) of each host of the inventory."""
    listed = subprocess.run(["ansible-inventory", "-i", str(INVENTORY), "--list"], cwd=ROOT, check=True,
                            capture_output=True, text=True)
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


def write_curl_settings() -> None:
    """Write .lab/NAME/curlrc, so that what is shown to try is one short line each."""
    edge = edges()[0]
    token = app_token()
    lines = [f'cacert = "{STATE}/ca.pem"', f'header = "Authorization: Bearer {token}"']
    lines += [f'resolve = "{name}.upstairs.test:443:{edge}"' for name in ("social", "media")]
    path = STATE / "curlrc"
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n")


def show(health: dict[str, bool]) -> None:
    """Print the hosts, the names, and three things to try."""
    say(f"\n{'host':<8} {'address':<12} {'site':<9} {'health':<8} features")
    for host, features in groups().items():
        site = next(f for f in features if f in ("basement", "cloud"))
        rest = " ".join(f for f in features if f not in ("base", "app", site))
        say(f"{host:<8} {address(host):<12} {site:<9} {'healthy' if health.get(host, True) else 'BROKEN':<8} {rest}")
    curl = f"curl -sK {(STATE / 'curlrc').relative_to(ROOT)}"
    say(f"""
https://social.upstairs.test   the instance         (through the edges {' and '.join(edges())})
https://media.upstairs.test    the media read name  (the same edges, in front of the bucket)
https://s3.upstairs.test       the media write name (the bucket, {address('franz')})
In a browser: trust {(STATE / 'ca.pem').relative_to(ROOT)} and put `{edges()[0]} social.upstairs.test media.upstairs.test` into /etc/hosts.

Three things to try:
  1. Post a picture:
     id=$({curl} -F file=@docs/picture.png https://social.upstairs.test/api/v2/media | jq -r .id)
     {curl} -d status="Hello from upstairs" -d media_ids[]=$id https://social.upstairs.test/api/v1/statuses
  2. Look at it through the edge: the URL is in the answer; the second time it comes from the cache:
     {curl} -D - -o /dev/null URL | grep -i x-cache
  3. See the job in Sidekiq:
     {curl} https://social.upstairs.test/api/v1/admin/sidekiq

Log in:  ssh -F .lab/{NAME}/ssh_config alice         Take it away:  make lab-down""")


def app_token() -> str:
    """Return the API token of the tiny app's user."""
    raise NotImplementedError


def down() -> None:
    """Remove the hosts, the network, the secrets; then the images that nothing else uses."""
    with only_one(ROOT / ".lab" / f"{NAME}.lock", "make lab"):
        pass


def main(arguments: list[str]) -> None:
    """Do what the command line asks."""
    verbs = {"up": up, "down": down}
    if len(arguments) != 1 or arguments[0] not in verbs:
        fail(__doc__ or "")
    verbs[arguments[0]]()


if __name__ == "__main__":
    main(sys.argv[1:])
