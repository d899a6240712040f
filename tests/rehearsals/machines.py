# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that are virtual machines while stories go on: which boot each is in, and how each one begins again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from uuid import UUID

from bin.vms import Boot, Vm, Vms
from tests.rehearsals.kernel_faults import KernelFaults
from tests.rehearsals.records import LOCK, forget
from tests.rehearsals.tier import until
from tests.visitors import Site

META = "linux-image-cloud-amd64"


@dataclass
class Machines:
    """The machines of one lab, and what is wrong with them."""

    site: Site
    vms: dict[str, Vm] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.faults = KernelFaults(self.site, vms=self.vms)

    def become(self, hosts: Mapping[str, str]) -> None:
        """Put machines in the place of hosts, each with the old kernel or with both."""
        self.vms.update(Vms(self.site).up(hosts))

    def leave(self) -> None:
        """Let all hosts be containers again, as they were."""
        Vms(self.site).down()
        self.vms.clear()

    def fresh(self, *hosts: str) -> list[Boot]:
        """Let machines be as they were at first, with nothing wrong, and return their boots."""
        self.faults = KernelFaults(self.site, vms=self.vms)

        def one(host: str) -> Boot:
            self.vms[host].anew()
            return self.vms[host].wait()

        with ThreadPoolExecutor(len(hosts)) as pool:
            return list(pool.map(one, hosts))

    def boot(self, host: str) -> Boot:
        """Return the boot that a machine is in."""
        try:
            found = until(self.vms[host].boot, f"{host} answers", 120)
        except AssertionError as error:
            error.add_note(self.vms[host].console()[-2000:])
            raise
        assert found
        return found

    def others(self, host: str) -> dict[str, Boot]:
        """Return the boots of all machines but one."""
        return {other: self.boot(other) for other in self.vms if other != host}

    def booted_since(self, host: str, first: Boot) -> list[str]:
        """Return the ids of the boots after ``first``, as the machine's journal has them; before it, it was a container."""
        said = json.loads(self.faults.do(host, "journalctl", "--list-boots", "--output=json"))
        ids = [str(UUID(boot["boot_id"])) for boot in said]
        return ids[ids.index(first.id) + 1 :]

    def newest(self, host: str) -> str:
        """Return the newest kernel that the archive has for a machine."""
        needed = self.faults.do(host, "apt-cache", "depends", "--no-recommends", "--no-suggests", META).split()[-1]
        return needed.removeprefix("linux-image-")

    def is_out(self, edge: str) -> bool:
        """Tell whether somebody took an edge out."""
        return "out" in self.faults.do(edge, "ls", "/var/lib/edge").split()

    def serves(self, edge: str) -> bool:
        """Tell whether an edge is up, and in."""
        return bool(self.vms[edge].boot()) and not self.is_out(edge)

    def lock(self) -> str:
        """Return what is known of whoever holds the fleet's lock; nothing if nobody does."""
        member = self.site.hosts("etcd")[0]
        endpoint = f"http://{self.site.address(member)}:2379"
        words = ("etcdctl", "--endpoints", endpoint, "get", "--print-value-only", f"/upstairs/{LOCK}")
        return self.faults.do(member, *words).strip()

    def forget_rolls(self) -> None:
        """Let nothing be known of any roll, and nobody hold the fleet's lock."""
        forget(self.faults, "ledger/kernel_", LOCK)
