# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults, planted in the machines themselves, and each undone by its name: also after a failure, and after Ctrl-C."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bin.programs import as_root, podman, start_host
from bin.vms import Vms
from tests.visitors import Site

TABLE = "inet rehearsal"
TRIES = 3


@dataclass(frozen=True)
class Program:
    """A program that was started on a host and says into a file what it finds, first of all its process id."""

    faults: Faults
    host: str
    file: Path
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """Kill it; to end `podman exec` would not end what that runs."""
        self.faults.kill(self.host, self.file.read_text().split("\n")[0])
        self.wait()

    def wait(self) -> None:
        """Wait until it has ended."""
        self.process.wait(timeout=60)


@dataclass
class Faults:
    """What is broken now, and how it is mended."""

    site: Site
    _mend: dict[str, Callable[[], None]] = field(default_factory=dict)

    def on(self, host: str, *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command on a host as root, past its network, and return how it ended."""
        return podman("exec", "--interactive", self.site.container(host), *command, stdin=stdin)

    def asked(self, host: str, *question: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command that may be run again, and again where it printed nothing: podman exec now and then loses what was said."""
        for _ in range(TRIES - 1):
            done = self.on(host, *question, stdin=stdin)
            if done.returncode != 0 or done.stdout:
                return done
        return self.on(host, *question, stdin=stdin)

    def start_on(self, host: str, file: Path, user: str, *command: str, stdin: str = "") -> Program:
        """Start a program on a host that says what it finds, and tell it by standard input what is nobody else's to read."""
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w") as said:
            process = subprocess.Popen(
                as_root("podman", "exec", "--interactive", "--user", user, self.site.container(host), *command),
                stdin=subprocess.PIPE,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
        assert process.stdin
        with process.stdin as ear:
            ear.write(stdin.encode())
        return Program(self, host, file, process)

    def also(self, name: str, mend: Callable[[], None]) -> None:
        """Remember how to mend something that a story changes by itself."""
        self._mend[name] = mend

    def do(self, host: str, *command: str, stdin: str = "") -> str:
        """Run a command on a host as root, and insist that it ends well."""
        done = self.on(host, *command, stdin=stdin)
        assert done.returncode == 0, f"{host}: {' '.join(command)}: {done.stderr}"
        return done.stdout

    def lose_host(self, host: str) -> None:
        """Take the power from a host."""
        self._mend[host] = lambda: self.start_host(host)
        done = podman("kill", self.site.container(host))
        assert done.returncode == 0, done.stderr

    def start_host(self, host: str) -> None:
        """Give a host its power back and wait until it has booted."""
        start_host(self.site.container(host))

    def stop(self, host: str, unit: str) -> None:
        """Stop a unit."""
        self._mend[f"{unit} on {host}"] = lambda: self.start(host, unit)
        self.do(host, "systemctl", "stop", unit)

    def start(self, host: str, unit: str) -> None:
        """Start a unit."""
        self.do(host, "systemctl", "start", unit)

    def restart(self, host: str, unit: str) -> None:
        """Restart the units of this name that run."""
        self.do(host, "systemctl", "restart", unit)

    def kill(self, host: str, *pids: str) -> None:
        """Kill processes on a host without a word."""
        self.do(host, "kill", "-9", *pids)

    def cut_off(self, host: str, network: str) -> None:
        """Drop all that goes between a host and a network."""
        self._mend[f"{host} without {network}"] = lambda: self.reconnect(host)
        chains = "\n".join(
            f"chain {hook} {{ type filter hook {hook} priority -300; policy accept; ip {end} {network} drop; }}"
            for hook, end in (("input", "saddr"), ("output", "daddr"))
        )
        self.do(host, "nft", "-f", "-", stdin=f"table {TABLE} {{\n{chains}\n}}\n")

    def reconnect(self, host: str) -> None:
        """Undo every cut of a host."""
        self.do(host, "nft", f"destroy table {TABLE}")

    def mend(self, *names: str) -> None:
        """Mend these faults, or all; the last one first. One that cannot be mended does not keep the others, and may be tried again."""
        failed: list[Exception] = []
        for name in reversed(names or list(self._mend)):
            try:
                self._mend[name]()
                del self._mend[name]
            except Exception as error:
                error.add_note(f"while mending: {name}")
                failed.append(error)
        if failed:
            raise ExceptionGroup("not everything is mended", failed)

    def mend_what_others_left(self) -> None:
        """Mend what a rehearsal left that was killed: machines in hosts' places, hosts without power, networks that are cut."""
        Vms(self.site).down()
        for host in self.site.features:
            if podman("inspect", "--format", "{{.State.Running}}", self.site.container(host)).stdout.strip() == "false":
                self.start_host(host)
            else:
                self.reconnect(host)
