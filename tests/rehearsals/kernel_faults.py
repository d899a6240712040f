# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong with kernels, planted in hosts that are virtual machines: before the new kernel is installed, or after."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field

from bin.vms import Vm
from tests.rehearsals.faults import Faults

# Debian's packages of kernels call these in order, and end where one fails; by its name this one is the first.
HOOK = "/etc/kernel/postinst.d/aaa-planted"
FILLER = "/boot/planted"
# Where an initial file system lies that was taken out of /boot, and where the one that panics is in a machine with both kernels
# (molecule/shared/vm/prepare.sh): it is well made, and lists as one that is.
ASIDE, PANICS = "/var/tmp/planted-initrd", "/var/tmp/planted-panics"


@dataclass
class KernelFaults(Faults):
    """Faults for hosts of which some are virtual machines: those are reached over SSH, and have a power button of their own."""

    vms: Mapping[str, Vm] = field(default_factory=dict)

    def on(self, host: str, *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command on a host as root: in a machine by its network, which may be cut off with it."""
        if host in self.vms:
            return self.vms[host].on(*command, stdin=stdin)
        return super().on(host, *command, stdin=stdin)

    def start_host(self, host: str) -> None:
        """Give a host its power back, if it has none, and wait until it has booted."""
        if host not in self.vms:
            super().start_host(host)
            return
        if not self.vms[host].running:
            self.vms[host].start()
        self.vms[host].wait()

    def never_return(self, host: str) -> None:
        """Let a machine stay off when it next reboots, whoever asks for that."""
        self.also(f"{host} is off", lambda: self.start_host(host))
        self.vms[host].never_return()

    def panic(self, host: str, release: str) -> None:
        """Let a kernel panic at each boot. Its files are there, and look well."""
        self.no_initrd(host, release)
        self.do(host, "sh", "-ec", 'cp "$1" "$2"; sync', "sh", PANICS, f"/boot/initrd.img-{release}")

    def no_initrd(self, host: str, release: str) -> None:
        """Let a kernel have no initial file system, whose making went wrong without a word."""
        image = f"/boot/initrd.img-{release}"
        self.also(f"initrd of {host}", lambda: self._move(host, ASIDE, image))
        self._move(host, image, ASIDE)

    def _move(self, host: str, old: str, new: str) -> None:
        self.do(host, "sh", "-ec", 'mv "$1" "$2"; sync', "sh", old, new)

    def half_configure(self, host: str, release: str) -> None:
        """Let the package of a kernel be half configured: something that it called has failed."""
        package = f"linux-image-{release}"
        self.also(f"hook of {host}", lambda: self._configure(host))
        self._write(host, HOOK, "#!/bin/sh\nexit 1\n")
        # As if it had just been unpacked; that it is half configured then, dpkg writes down itself.
        unpacked = f"/^Package: {package}$/,/^$/ s/^Status: install ok installed$/Status: install ok unpacked/"
        self.do(host, "sed", "-i", unpacked, "/var/lib/dpkg/status")
        failed = self.on(host, "dpkg", "--configure", package)
        assert failed.returncode != 0, f"{host}: {package} is configured: {failed.stderr}"

    def _configure(self, host: str) -> None:
        self.do(host, "rm", "-f", HOOK)
        self.do(host, "dpkg", "--configure", "--pending")

    def fill_boot(self, host: str, left_kib: int = 1024) -> None:
        """Fill /boot so that no other kernel finds room there."""
        self.also(f"/boot of {host}", lambda: self._empty_boot(host))
        free = int(self.do(host, "df", "--output=avail", "-k", "/boot").split()[-1])
        self.do(host, "fallocate", "-l", f"{max(free - left_kib, 1)}KiB", FILLER)

    def _empty_boot(self, host: str) -> None:
        self.do(host, "rm", "-f", FILLER)

    def hold(self, host: str, package: str = "linux-image-cloud-amd64") -> None:
        """Let somebody have put a package on hold."""
        self.also(f"{package} of {host}", lambda: self._unhold(host, package))
        self.do(host, "apt-mark", "hold", package)

    def _unhold(self, host: str, package: str) -> None:
        self.do(host, "apt-mark", "unhold", package)

    def forget_firewall(self, host: str) -> None:
        """Let the firewall be loaded now, and not after the next boot."""
        self.also(f"firewall of {host}", lambda: self._enable_firewall(host))
        self.do(host, "systemctl", "disable", "nftables.service")

    def _enable_firewall(self, host: str) -> None:
        self.do(host, "systemctl", "enable", "--now", "nftables.service")

    def break_unit(self, host: str, unit: str, release: str) -> None:
        """Let a unit fail under one kernel, and under no other."""
        place = f"/etc/systemd/system/{unit}.d/zzz-planted.conf"
        self.also(f"{unit} of {host}", lambda: self._mend_unit(host, unit, place))
        condition = f"""ExecStartPre=/bin/sh -c 'test "$(uname -r)" != "{release}"'"""
        self._write(host, place, f"[Service]\n{condition}\n", mode="0644")
        self.do(host, "systemctl", "daemon-reload")

    def _mend_unit(self, host: str, unit: str, place: str) -> None:
        self.do(host, "rm", "-f", place)
        self.do(host, "systemctl", "daemon-reload")
        self.do(host, "systemctl", "restart", unit)

    def _write(self, host: str, path: str, text: str, mode: str = "0755") -> None:
        """Write a file that is on the disk when this returns."""
        place = 'install -D -m "$2" /dev/stdin "$1" && sync'
        self.do(host, "sh", "-ec", place, "sh", path, mode, stdin=text)
