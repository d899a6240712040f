# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual machines in the place of a lab's hosts: a kernel of their own, which containers cannot have.

usage: python -m bin.vms up HOST[:old|:both]... | down

``up`` stops the containers of hosts of the lab that UPSTAIRS_LAB names, makes each one's files the disk of a virtual machine with the
oldest kernel that apt offers, and starts that at the host's own address: with its SSH keys, its data, its services. The newest
kernel's package waits in the cache of apt; with ``:both`` it is installed already, and has not been booted. ``down`` removes the
machines, with all that was written there, and starts the containers as they were left.

The roles are converged before, in the container, because an emulated processor does everything twenty times as slowly.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bin.programs import (
    ROOT,
    HostError,
    as_root,
    fail,
    listed,
    must,
    one_at_a_time,
    podman,
    run,
    say,
    start_host,
    stop_on_signals,
    tail,
    with_labels,
)
from bin.site import Site

SCRIPTS = ROOT / "molecule" / "shared" / "vm"
KERNELS = ("old", "both")
MEMORY_MIB = 1024
# Two cores: more at once only wait for each other.
LANES = 2
# Seconds. A boot takes half a minute on a machine that does nothing else, and on a busy one as long as it takes.
PATIENCE = 1200


@dataclass(frozen=True)
class Boot:
    """What a machine says of the boot that it is in."""

    id: str
    release: str


@dataclass(frozen=True)
class Vm:
    """A virtual machine in the place of one host. Its container ends when the machine is off, and holds its disk and its console."""

    site: Site
    host: str

    @property
    def container(self) -> str:
        """Return the container whose place it takes."""
        return self.site.container(self.host)

    @property
    def name(self) -> str:
        """Return the container that it runs in."""
        return f"{self.container}-vm"

    def make(self, image: str, kernels: str) -> None:
        """Stop the host's container and make its files the machine's disk."""
        must("stop", "--time", "90", self.container)
        podman("rm", "--force", "--time", "0", self.name)
        self._create(image, kernels)
        pipe = 'podman export "$1" | podman start --attach --interactive "$2"'
        argv = as_root("bash", "-o", "pipefail", "-c", pipe, "bash", self.container, self.name)
        made = run(f"{self.site.name}-vm-{self.host}", argv)
        if made.status != 0:
            raise HostError(f"{self.host}: its files do not become a disk:\n{tail(made.output, 40)}")

    def told(self, resolvers: Sequence[str], kernels: str) -> dict[str, str]:
        """Return what molecule/shared/vm/machine.sh is told of this host by its environment."""
        address = self.site.address(self.host)
        return {
            "VM_HOST": self.host,
            "VM_ADDRESS": f"{address}/16",
            "VM_GATEWAY": self.site.controller,
            "VM_DNS": " ".join(resolvers),
            # The container's: nobody's neighbour table has to learn.
            "VM_MAC": "02:00:" + ":".join(f"{int(number):02x}" for number in address.split(".")),
            "VM_MEMORY": str(MEMORY_MIB),
            "VM_KERNELS": kernels,
        }

    def _create(self, image: str, kernels: str) -> None:
        inspected: dict[str, Any] = json.loads(must("inspect", self.container))[0]
        address = self.site.address(self.host)
        told = self.told(inspected["HostConfig"]["Dns"], kernels)
        environment = [word for name, value in told.items() for word in ("--env", f"{name}={value}")]
        wire = ["--network", f"upstairs-{self.site.name}", "--ip", address, "--device", "/dev/net/tun"]
        # NET_ADMIN: the bridge. SYS_ADMIN: what the scripts of packages need to be mounted.
        powers = ["--cap-add", "NET_ADMIN", "--cap-add", "SYS_ADMIN", "--interactive"]
        # With a full share of a core, though a scenario's container has a quarter (molecule/shared/tasks/host.yml): beside many that
        # want one, an emulated processor would not boot within the hour.
        label = ["--label", f"upstairs.vm={self.host}"]
        create(self.site, self.name, image, "/vm/machine.sh", *label, *wire, *powers, *environment)
        must("cp", f"{self.site.state}/app.git", f"{self.name}:/vm/app.git")

    def start(self) -> None:
        """Press the power button of a machine that is off."""
        must("start", self.name)

    @property
    def running(self) -> bool:
        """Tell whether it has power; one that does not come back after a reboot has none."""
        return podman("inspect", "--format", "{{.State.Running}}", self.name).stdout.strip() == "true"

    def lose_power(self) -> None:
        """Take the power from it; what it has written and not synced may be lost."""
        if self.running:
            must("kill", self.name)
            # Until it is seen to have ended, a start does nothing.
            must("wait", self.name)

    def remember(self) -> None:
        """Write down the machine as it is, memory and disk: what ``anew`` goes back to."""
        self._qemu("human-monitor-command", {"command-line": "savevm booted"})

    def anew(self) -> None:
        """Let it be as it was when it had first booted; whatever was done there since is undone, and that boot goes on."""
        if not self.running:
            self.start()
        must("exec", self.name, "touch", "/vm/anew")
        self.lose_power()
        self.start()
        # For its clock no time has passed since.
        until(self.boot, f"{self.host} goes on", PATIENCE)
        self.on("date", "--set", f"@{time.time():.3f}")

    def _qemu(self, command: str, arguments: Mapping[str, str]) -> None:
        must("exec", self.name, "python3", "/vm/qmp.py", command, json.dumps(arguments))

    def never_return(self) -> None:
        """Let the machine stay off at its next reboot; the power button brings it back."""
        self._qemu("set-action", {"reboot": "shutdown"})

    def on(self, *command: str, stdin: str = "", seconds: float = 900) -> subprocess.CompletedProcess[str]:
        """Run a command in the machine as root and return how it ended: with 255 where nobody answered."""
        # A connection that is shared does not know of a reboot.
        words = ["-F", "none", "-o", "ControlPath=none", "-o", "ConnectTimeout=30", "-o", "ServerAliveInterval=15"]
        keys = {"IdentityFile": "id_ed25519", "UserKnownHostsFile": "known_hosts/%h"}
        words += [word for name, path in keys.items() for word in ("-o", f"{name}={self.site.state / path}")]
        argv = ["ssh", *words, f"ops@{self.site.address(self.host)}", f"sudo -- {shlex.join(command)}"]
        return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, timeout=seconds)

    def boot(self) -> Boot | None:
        """Return the boot that it is in, or nothing where it does not answer."""
        try:
            said = self.on("sh", "-c", "cat /proc/sys/kernel/random/boot_id; uname -r", seconds=60).stdout.split()
        except subprocess.TimeoutExpired:
            return None
        return Boot(*said) if len(said) == len(Boot.__dataclass_fields__) else None

    def wait(self, after: str = "", seconds: float = PATIENCE) -> Boot:
        """Wait until all that starts at a boot other than ``after`` has started, and return that boot."""

        def booted() -> Boot | None:
            if not self.running:
                raise HostError(f"{self.host} is off. The end of its console:\n{tail(self.console(), 40)}")
            found = self.boot()
            return found if found and found.id != after else None

        found = until(booted, f"{self.host} has booted", seconds)
        self.on("systemctl", "is-system-running", "--wait", seconds=seconds)
        return found

    def console(self) -> str:
        """Return all that it has printed on its console."""
        return podman("logs", self.name).stdout


def until(question: Callable[[], Boot | None], what: str, seconds: float) -> Boot:
    """Ask until there is an answer, and return it; say what was still false."""
    deadline = time.monotonic() + seconds
    while (answer := question()) is None:
        if time.monotonic() > deadline:
            raise HostError(f"still not true after {seconds:.0f} s: {what}")
        time.sleep(1)
    return answer


def create(site: Site, name: str, image: str, command: str, *options: str) -> None:
    """Create a container that belongs to a lab and holds the programs of molecule/shared/vm."""
    labels = ["--label", f"upstairs.lab={site.name}", "--label", f"upstairs.root={ROOT}"]
    argv = as_root("env", f"CONTAINERS_CONF={site.state}/containers.conf", "podman", "create", "--name", name)
    made = subprocess.run(
        [*argv, *labels, "--ulimit", "host", *options, image, command], capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        raise HostError(f"{name}: {made.stderr.strip()}")
    must("cp", f"{SCRIPTS}/.", f"{name}:/vm")


@dataclass(frozen=True)
class Vms:
    """The virtual machines of one lab."""

    site: Site

    @cached_property
    def image(self) -> str:
        """Return the image that machines are made in and run in, made now if need be: what hosts are made of, and QEMU."""
        host = podman("inspect", "--format", "{{.Image}}", self.site.container(next(iter(self.site.features))))
        if host.returncode != 0:
            raise HostError(f"the lab {self.site.name} has no hosts: run `make lab` first")
        base = host.stdout.strip()
        made_of = base.encode() + b"".join(path.read_bytes() for path in sorted(SCRIPTS.glob("*.*")))
        image = f"localhost/upstairs-vm:{hashlib.sha256(made_of).hexdigest()[:12]}"
        # Two scenarios may want it at the same time.
        with one_at_a_time(ROOT / ".lab" / "vm-image.lock"):
            if podman("image", "exists", image).returncode != 0:
                self._make_image(base, image)
        return image

    def _make_image(self, base: str, image: str) -> None:
        name = f"upstairs-{self.site.name}-vm-image"
        podman("rm", "--force", "--time", "0", name)
        create(self.site, name, base, "/vm/prepare.sh", "--network", "host", "--cap-add", "SYS_ADMIN")
        made = run(f"{self.site.name}-vm-image", as_root("podman", "start", "--attach", name))
        if made.status != 0:
            raise HostError(f"the image of the virtual machines is not made:\n{tail(made.output, 40)}")
        must("commit", "--quiet", name, image)
        must("rm", name)

    def up(self, kernels: Mapping[str, str]) -> dict[str, Vm]:
        """Put machines into the place of hosts, each with the old kernel or with both; return them when all have booted."""
        image, found = self.image, {host: Vm(self.site, host) for host in kernels}

        def one(host: str) -> Boot:
            found[host].make(image, kernels[host])
            found[host].start()
            boot = found[host].wait()
            found[host].remember()
            return boot

        with ThreadPoolExecutor(LANES) as pool:
            boots = list(pool.map(one, found))
        for host, boot in zip(found, boots, strict=True):
            say(f"{host} is a virtual machine: {self.site.address(host)}, Linux {boot.release}")
        return found

    def here(self) -> list[str]:
        """Return the hosts that are virtual machines now, or were when somebody was killed; a lab's scenarios have others."""
        mine = with_labels(f"upstairs.lab={self.site.name}", "upstairs.vm")
        hosts = listed("ps", "--all", *mine, "--format", '{{index .Labels "upstairs.vm"}}')
        return [host for host in hosts if host in self.site.features]

    def down(self) -> None:
        """Remove the machines and start the containers whose place they took."""
        for host in self.here():
            must("rm", "--force", "--time", "0", Vm(self.site, host).name)
            start_host(self.site.container(host))
            say(f"{host} is a container again")


def main(arguments: list[str]) -> None:
    """Do what the command line asks."""
    stop_on_signals()
    try:
        do(arguments)
    except HostError as error:
        fail(str(error))


def do(arguments: list[str]) -> None:
    """Do what the command line asks, if that can be done."""
    vms = Vms(Site.of_environment())
    match arguments:
        case ["up", *hosts] if hosts:
            wanted = {host: kernels or "old" for host, _, kernels in (word.partition(":") for word in hosts)}
            if unknown := [host for host in wanted if host not in vms.site.features]:
                fail(f"no hosts of the lab: {', '.join(unknown)}")
            if strange := set(wanted.values()) - set(KERNELS):
                fail(f"{', '.join(sorted(strange))}: say {' or '.join(KERNELS)}")
            vms.up(wanted)
        case ["down"]:
            vms.down()
        case _:
            fail(__doc__ or "")


if __name__ == "__main__":
    main(sys.argv[1:])
