# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a name of the lab's edges leads when a story begins, what an operator declares in it, and how all is put back."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bin.programs import ROOT
from bin.site import INVENTORY
from tests.rehearsals.faults import Faults
from tests.rehearsals.names import Names
from tests.rehearsals.records import LOCK, forget
from tests.rehearsals.tier import until
from tests.visitors import Site

# Seconds: an everyday TTL and a bake that are short enough to be waited for, and a transit TTL that is much shorter.
TTL, TRANSIT, BAKE = 15, 3, 6
# Seconds in which people may still come after the TTL: what was resolved is still to be read.
GRACE = 10
KEY = "hmac-sha256:upstairs-update"


def declared(name: str = "media") -> dict[str, Any]:
    """Return a split that the lab's inventory declares, its templates as they are."""
    found = yaml.safe_load((INVENTORY / "group_vars" / "all" / "dns_split.yml").read_text())
    split: dict[str, Any] = next(one for one in found["dns_split_splits"] if one["id"] == name)
    return split


def edited(split: Mapping[str, Any], addresses: Sequence[str], ttl: int = TTL) -> dict[str, Any]:
    """Return what an operator writes to lead the read name elsewhere, and need not wait for long."""
    changed = copy.deepcopy(dict(split))
    changed["read"] = {"name": split["read"]["name"], "addresses": list(addresses)}
    return {**changed, "ttl": ttl, "transit_ttl": TRANSIT}


def update(server: str, zone: str, key: str, leads: Mapping[str, Sequence[str]], ttl: int) -> str:
    """Return a script for knsupdate: names lead there, and are nobody's, in one update."""
    lines = [f"server {server}", f"zone {zone}.", f"key {key}"]
    for name, addresses in leads.items():
        lines.append(f"update delete {name}.{zone}. A")
        lines += [f"update add {name}.{zone}. {ttl} A {address}" for address in addresses]
        lines.append(f"update delete _upstairs-owner.{name}.{zone}. TXT")
    return "\n".join([*lines, "send", ""])


def told(names: Names, operation: str, began: float, seconds: float) -> None:
    """Print when servers changed what they say, for the runbook."""
    for sight in names.watch.sights:
        if sight.at > began:
            print(f"  {operation}: +{sight.at - began:5.1f} s  {sight.server} says {sight.lead}")
    print(f"  {operation}: over after {seconds:.1f} s")


@dataclass
class Stage:
    """A split of the lab, moved by hand before and after a story. Nobody else moves it meanwhile."""

    faults: Faults
    id: str = "media"

    def __post_init__(self) -> None:
        self.site = self.faults.site
        self.split = declared(self.id)
        self.zone, self.name = str(self.split["zone"]), str(self.split["read"]["name"])
        self.servers = [self.site.address(host) for host in self.site.hosts("nameserver")]

    @property
    def _record(self) -> str:
        return f"ledger/dns_split/{self.id}"

    def lead(self, addresses: Sequence[str], ttl: int) -> None:
        """Write its names at the primary, behind the back of whoever moves them, and wait until all servers have them."""
        primary = self.site.hosts("nameserver")[0]
        key = f"{KEY} {self.site.secrets['tsig']}"
        # A move gives both names its TTLs, so both are put back.
        stores = [self.site.address(host) for host in self.site.hosts("object_store")]
        leads = {self.name: addresses}
        if "write" in self.split:
            leads[str(self.split["write"]["name"])] = stores
        self.faults.do(primary, "knsupdate", stdin=update(self.site.address(primary), self.zone, key, leads, ttl))
        want = {(name, str(ttl), address) for name, values in leads.items() for address in values}
        until(lambda: all(self._said(one, leads) == want for one in self.servers), f"{self.servers} say {want}", 30)

    def _said(self, server: str, names: Iterable[str]) -> set[tuple[str, str, str]]:
        """Return name, TTL and address of each record that a server has at these names."""
        asker, found = self.site.hosts("nameserver")[0], set()
        for name in names:
            words = ("kdig", "+noall", "+answer", f"@{server}", f"{name}.{self.zone}", "A")
            lines = [line.split() for line in self.faults.on(asker, *words).stdout.splitlines()]
            found |= {(name, line[1], line[4]) for line in lines if line[3:4] == ["A"]}
        return found

    def set_up(self, addresses: Sequence[str], ttl: int = TTL) -> None:
        """Let the read name lead to these edges, and its names be put back when the story is over, however it ends."""
        self.faults.also(f"split {self.id}", self._put_back)
        # An edge that left and rejoined in another story has left a record of where the name led: who reads it sees a stranger's hand here.
        forget(self.faults, self._record)
        self.lead(addresses, ttl)

    def _put_back(self) -> None:
        # What a story that failed in the middle left: its move, who was out, and the lock of its run.
        forget(self.faults, self._record, "ledger/dns_split_out/", LOCK)
        for edge in self.site.hosts("edge"):
            self.faults.on(edge, "rm", "-f", "/var/lib/edge/out")
        self.lead(self.site.edges, int(self.split["ttl"]))

    def declare(self, *addresses: str, ttl: int = TTL) -> tuple[str, ...]:
        """Write what an operator would, and return the arguments of the playbook."""
        return (*written(self.site, [edited(self.split, addresses, ttl)]), "-e", f"split={self.split['id']}")


def all_names(faults: Faults) -> tuple[str, ...]:
    """Let all names of the edges lead to all of them, with a TTL that can be waited for; return what an operator declares then."""
    stages = [Stage(faults, name) for name in ("media", "social")]
    for stage in stages:
        stage.set_up(faults.site.edges)
    return written(faults.site, [edited(stage.split, faults.site.edges) for stage in stages])


def written(site: Site, splits: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Write splits as an inventory has them, and return the arguments of the playbook."""
    named = "-".join(f"{split['id']}-{'-'.join(split['read']['addresses'])}" for split in splits)
    file: Path = ROOT / ".cache" / f"{site.name}-split-{named}.json"
    file.write_text(json.dumps({"dns_split_splits": splits, "dns_split_bake": BAKE}, indent=2))
    return ("-e", f"@{file}")
