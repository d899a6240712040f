# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernels for hosts that are containers: a tree stands in for each, and a container that stops is started again, as by a reboot."""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import dataclass, field
from typing import Any, Self

from bin.programs import ROOT, podman
from tests.kernel_tree import NEW, pack
from tests.rehearsals.faults import Faults
from tests.rehearsals.records import LOCK, forget

TREE = "/srv/kernel"
BOOT = "/usr/local/lib/boot_tree.py"
UNIT = "kernel-tree.service"
# At each start of the container, and before anybody is let in.
SERVICE = f"""\
[Unit]
Description=Boot the kernel that stands in for one
DefaultDependencies=no
Before=ssh.service
[Service]
Type=oneshot
ExecStart=/usr/bin/python3 {BOOT} {TREE}
[Install]
WantedBy=sysinit.target
"""
PLANT = f"""\
set -e
systemctl disable --quiet {UNIT} 2>/dev/null || true
rm -rf {TREE}; mkdir -p {TREE}
base64 -d | tar -x -C {TREE}
"""


@dataclass
class Kernels:
    """The kernels of all hosts, the newer one installed and not booted; use as a context manager, which gives power to hosts that stop."""

    faults: Faults
    _over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.site = self.faults.site
        self._power = threading.Thread(target=self._give_power, daemon=True)

    def plant(self, *hosts: str) -> None:
        """Give hosts an old kernel, and a new one that is not booted."""
        file = ROOT / ".cache" / f"{self.site.name}-kernel.tar"
        file.parent.mkdir(exist_ok=True)
        pack(str(file))
        tree = base64.b64encode(file.read_bytes()).decode()
        for host in hosts:
            self._write(host, BOOT, (ROOT / "tests" / "boot_tree.py").read_text())
            self.faults.do(host, "sh", "-c", PLANT, stdin=tree)
            self._write(host, f"/etc/systemd/system/{UNIT}", SERVICE)
            self.faults.do(host, "systemctl", "enable", "--quiet", UNIT)

    def remove(self) -> None:
        """Leave the hosts as they were, containers without a kernel of their own, and nobody who remembers another one."""
        forget(self.faults, "ledger/kernel_roll/", "ledger/kernel_denied/", LOCK)
        for host in self.site.features:
            self.faults.do(
                host,
                "sh",
                "-c",
                f"systemctl disable --quiet {UNIT} 2>/dev/null; rm -rf {TREE} {BOOT} /etc/systemd/system/{UNIT}",
            )

    def _write(self, host: str, path: str, text: str) -> None:
        self.faults.do(host, "sh", "-c", f"cat > {path}", stdin=text)

    def booted(self) -> dict[str, list[str]]:
        """Return the releases that each host has booted since its tree was planted."""
        found = {}
        for host in self.site.features:
            said = self.faults.asked(host, "cat", f"{TREE}/boots")
            found[host] = said.stdout.split() if said.returncode == 0 else []
        return found

    def _give_power(self) -> None:
        # One question about all: asked of each host, it took a tenth of the processor while the site was rolled.
        off = (
            "--filter",
            f"label=upstairs.lab={self.site.name}",
            "--filter",
            "status=exited",
            "--format",
            "{{.Names}}",
        )
        mine = {self.site.container(host) for host in self.site.features}
        while not self._over.wait(1):
            for container in mine.intersection(podman("ps", "--all", *off).stdout.split()):
                podman("start", container)

    def __enter__(self) -> Self:
        self._power.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._power.join(timeout=30)

    def arguments(self, *only: str, **more: Any) -> tuple[str, ...]:
        """Return what an operator types to roll these hosts, or all."""
        settings = {
            "kernel_update_root": TREE,
            "kernel_update_reboot_command": "systemctl poweroff",
            "kernel_update_reboot_within": 400,
            "base_verify_within": 60,
            "kernel_update_waves": [],
            "kernel_update_bake_time": 2,
            "kernel_update_checks": 1,
            **({"only": ",".join(only)} if only else {}),
            **more,
        }
        return ("-e", json.dumps(settings))


def new_once(booted: dict[str, list[str]], *hosts: str) -> bool:
    """Tell whether these hosts have booted the new kernel, each exactly once, and no other host anything."""
    return all(releases == ([NEW] if host in hosts else []) for host, releases in booted.items())
