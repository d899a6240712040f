# SPDX-License-Identifier: GPL-3.0-or-later
"""A resolver with a cache, as a visitor's provider has one: Debian's unbound on a host of the lab, for as long as a story needs it."""

from __future__ import annotations

from dataclasses import dataclass, field

import yaml

from bin.programs import LOGS
from bin.site import INVENTORY
from tests.rehearsals.faults import Faults, Program
from tests.rehearsals.tier import until

PORT = 5354
HOME = "/run/rehearsal-resolver"
# Without the defaults that would let it answer from anything but the two servers or its cache, or for longer than a TTL says.
CONFIG = """
server:
  interface: 127.0.0.1
  port: {port}
  directory: "{home}"
  pidfile: "{home}/pid"
  chroot: ""
  username: ""
  use-syslog: no
  do-daemonize: no
  do-ip6: no
  num-threads: 1
  module-config: "iterator"
  local-zone: "test." nodefault
  prefetch: no
  serve-expired: no
  cache-min-ttl: 0
remote-control:
  control-enable: no
stub-zone:
  name: "{zone}"
{servers}
"""
# A service that is masked is not started when its package is installed. A mirror is asked only if the image has not got them.
INSTALL = """
systemctl mask --runtime --quiet unbound.service unbound-resolvconf.service
export DEBIAN_FRONTEND=noninteractive
apt-get install -q -y --no-install-recommends "$@" || { apt-get update -q && apt-get install -q -y --no-install-recommends "$@"; }
"""
LIST = ("dpkg-query", "--show", "--showformat", "${Package}\\n")


def packages() -> list[str]:
    """Return what has to be installed, from the file that tells the hosts' image, too."""
    named = yaml.safe_load((INVENTORY / "group_vars" / "all" / "lab.yml").read_text())
    return [str(name) for name in named["lab_resolver_packages"]]


def configuration(zone: str, servers: list[str]) -> str:
    """Return unbound's configuration."""
    stubs = "\n".join(f"  stub-addr: {server}" for server in servers)
    return CONFIG.format(port=PORT, home=HOME, zone=zone, servers=stubs)


def install(faults: Faults, host: str) -> None:
    """Install the resolver on a host, and remove exactly what came with it when all is mended."""
    before = set(faults.on(host, *LIST).stdout.split())
    done = faults.on(host, "sh", "-c", INSTALL, "sh", *packages())
    came = sorted(set(faults.on(host, *LIST).stdout.split()) - before)

    def remove() -> None:
        if came:
            gone = faults.on(host, "apt-get", "purge", "-q", "-y", *came)
            assert gone.returncode == 0, f"{host}: {gone.stderr}"
        faults.on(host, "systemctl", "unmask", "--runtime", "--quiet", "unbound.service", "unbound-resolvconf.service")

    faults.also(f"resolver on {host}", remove)
    assert done.returncode == 0, f"{host}: {' '.join(packages())} cannot be installed:\n{done.stdout}{done.stderr}"


@dataclass
class Resolver:
    """The resolver at work, with an empty cache; use as a context manager."""

    faults: Faults
    host: str
    zone: str
    servers: list[str]
    _program: Program | None = field(default=None, repr=False)

    def __enter__(self) -> Resolver:
        # A story that was killed may have left one.
        self._stop()
        file = f"install -d {HOME} && cat > {HOME}/unbound.conf && unbound-checkconf {HOME}/unbound.conf"
        made = self.faults.on(self.host, "sh", "-c", file, stdin=configuration(self.zone, self.servers))
        assert made.returncode == 0, made.stdout + made.stderr
        self.faults.also(f"resolver at work on {self.host}", self._stop)
        log = LOGS / f"{self.faults.site.name}-resolver-{self.host}.log"
        self._program = self.faults.start_on(self.host, log, "root", "unbound", "-d", "-c", f"{HOME}/unbound.conf")
        until(
            lambda: self.faults.on(self.host, "test", "-s", f"{HOME}/pid").returncode == 0, f"unbound runs: {log}", 20
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.faults.mend(f"resolver at work on {self.host}")
        assert self._program
        self._program.wait()

    def _stop(self) -> None:
        self.faults.on(self.host, "sh", "-c", f"test ! -s {HOME}/pid || kill $(cat {HOME}/pid); rm -rf {HOME}")
