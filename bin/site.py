# SPDX-License-Identifier: GPL-3.0-or-later
"""One lab as its controller knows it: name, network, hosts and their features, secrets; and how to run a playbook against it."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from bin.programs import ROOT, Outcome, fail, run

INVENTORY = ROOT / "inventories" / "lab"
SCENARIOS = ROOT / "molecule"
NETS = {"lab": "10.44", "test": "10.45"}
# The recap and what changed are for people; every task that found nothing to do is for the log of a verbose run.
QUIET = {"ANSIBLE_DISPLAY_OK_HOSTS": "no", "ANSIBLE_NOCOLOR": "1"}


@dataclass(frozen=True)
class Site:
    """The lab that people keep (``lab``) or the one that the tests make (``test``): its site, or the hosts of one scenario."""

    name: str
    # The last of them has the hosts.
    inventories: tuple[Path, ...] = (INVENTORY,)

    @classmethod
    def of_environment(cls) -> Self:
        """Return the lab that UPSTAIRS_LAB names."""
        name = os.environ.setdefault("UPSTAIRS_LAB", "lab")
        if name not in NETS:
            fail(f"UPSTAIRS_LAB is {name!r}: say {' or '.join(NETS)}")
        return cls(name)

    @classmethod
    def of_scenario(cls, scenario: str) -> Self:
        """Return the hosts of a Molecule scenario in that lab."""
        return cls(cls.of_environment().name, tuple(SCENARIOS / name / "inventory" for name in ("shared", scenario)))

    @property
    def _chosen(self) -> list[str | Path]:
        return [word for inventory in self.inventories for word in ("-i", inventory)]

    @property
    def net(self) -> str:
        """Return the first two numbers of the lab's addresses."""
        return NETS[self.name]

    @property
    def controller(self) -> str:
        """Return this machine's address as the hosts see it."""
        return f"{self.net}.0.1"

    @property
    def state(self) -> Path:
        """Return the directory of the lab's keys and settings."""
        return ROOT / ".lab" / self.name

    @cached_property
    def _tree(self) -> dict[str, Any]:
        """Return the inventory as Ansible reads it; once, because asking takes a second."""
        asked = subprocess.run(
            ["ansible-inventory", *self._chosen, "--list"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "UPSTAIRS_LAB": self.name},
        )
        tree: dict[str, Any] = json.loads(asked.stdout)
        return tree

    @cached_property
    def features(self) -> dict[str, list[str]]:
        """Return the groups of each host, hosts and groups in the inventory's order."""
        found: dict[str, list[str]] = {}

        def walk(group: str, above: tuple[str, ...]) -> None:
            for host in self._tree.get(group, {}).get("hosts", []):
                found.setdefault(host, []).extend(g for g in (*above, group) if g not in found.get(host, []))
            for child in self._tree.get(group, {}).get("children", []):
                walk(child, (*above, group))

        for top in self._tree["all"]["children"]:
            walk(top, ())
        return found

    def hosts(self, group: str) -> list[str]:
        """Return the hosts of a group and of its children."""
        return [host for host, features in self.features.items() if group in features]

    def container(self, host: str) -> str:
        """Return the name of the container that is a host."""
        return f"upstairs-{self.name}-{host}"

    def address(self, host: str) -> str:
        """Return the address of a host, from the file that gives it."""
        file = self.inventories[-1] / "host_vars" / f"{host}.yml"
        match = re.search(r"lab_net }}(\.[\d.]+)", file.read_text())
        if match is None:
            fail(f"{file.relative_to(ROOT)} gives no address")
        return self.net + match[1]

    @cached_property
    def edges(self) -> list[str]:
        """Return the addresses of the edges."""
        return [self.address(host) for host in self.hosts("edge")]

    @cached_property
    def secrets(self) -> dict[str, str]:
        """Return the generated secrets by name."""
        found: dict[str, str] = json.loads((self.state / "secrets.json").read_text())
        return found

    @property
    def token(self) -> str:
        """Return the API token of the tiny app's user: derived from a secret, as its README says."""
        key = self.secrets["secret_key_base"].encode()
        return hmac.new(key, b"tiny-mastodon-api-token", hashlib.sha256).hexdigest()

    @property
    def settings(self) -> dict[str, str]:
        """Return what the environment says to a playbook that runs against the lab."""
        return {**QUIET, "UPSTAIRS_LAB": self.name}

    def command(self, path: str, *arguments: str) -> list[str | Path]:
        """Return how one playbook is run against the lab."""
        return ["ansible-playbook", *self._chosen, ROOT / path, *arguments]

    def playbook(self, log: str, path: str, *arguments: str, show: bool = False) -> Outcome:
        """Run one playbook against the lab; its output is in .cache/logs too."""
        return run(f"{self.name}-{log}", self.command(path, *arguments), show=show, environment=self.settings)
