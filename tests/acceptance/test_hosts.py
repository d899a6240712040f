# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract of every host, asked on the host: what runs, what listens, what is kept private."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

import pytest

from tests.rehearsals.tier import until
from tests.visitors import Site

HOSTS = ("alice", "yakko", "wakko", "dot", "nixie", "freud", "franz", "esme", "slappy")
# What a feature makes a host listen on, beyond loopback. Nothing else may.
LISTENS: dict[str, set[str]] = {
    "base": {"tcp/22"},
    "etcd": {"tcp/2379", "tcp/2380"},
    "postgres": {"tcp/5432", "tcp/6432", "tcp/8008"},
    "redis": {"tcp/6379", "tcp/6380"},
    "redis_sentinel": {"tcp/26379"},
    "web": {"tcp/3000"},
    "sidekiq": set(),
    "streaming": {"tcp/4000", "tcp/4001"},
    "media_origin": {"tcp/8080"},
    "edge": {"tcp/80", "tcp/443"},
    "nameserver": {"tcp/53", "udp/53"},
    "object_store": {"tcp/443"},
    "watch": set(),
}
UNITS: dict[str, tuple[str, ...]] = {
    "base": ("ssh.service", "nftables.service", "chrony.service", "systemd-journald.service"),
    "etcd": ("etcd.service",),
    "postgres": ("patroni.service", "pgbouncer.service"),
    "redis": ("redis-server@data.service", "redis-server@cache.service"),
    "redis_sentinel": ("redis-sentinel.service",),
    "web": ("mastodon-web@3000.service", "haproxy.service"),
    "sidekiq": ("mastodon-sidekiq-main.service",),
    "streaming": ("mastodon-streaming@4000.service", "mastodon-streaming@4001.service"),
    "media_origin": ("media-origin.service",),
    "edge": ("nginx.service",),
    "nameserver": ("knot.service",),
    "object_store": ("object-store.service", "object-store-content.service"),
}


@pytest.fixture(scope="module", params=HOSTS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def features(site: Site, name: str) -> list[str]:
    return [group for group in LISTENS if name in site.hosts(group)]


def test_its_units_run_and_start_at_boot(site: Site, name: str) -> None:
    units = [unit for feature in features(site, name) for unit in UNITS.get(feature, ())]
    host = site.host(name)
    for unit in units:
        assert host.run(f"systemctl is-active {unit}").stdout.strip() == "active", unit
    failed = host.run("systemctl --failed --plain --no-legend").stdout.split("\n")
    assert not [line for line in failed if line.strip()]
    started = host.run("systemctl is-enabled " + " ".join(u for u in units if "journald" not in u)).stdout.split()
    assert set(started) <= {"enabled", "enabled-runtime"}, dict(zip(units, started, strict=False))


def listening(host: Any) -> set[str]:
    """Return protocol/port of every socket that others can reach."""
    found = set()
    for line in host.run("ss --no-header --listening --tcp --udp --numeric").stdout.splitlines():
        protocol, _, _, _, local, *_ = line.split()
        address, _, port = local.rpartition(":")
        if not address.startswith(("127.", "[::1]", "[::ffff:127.")):
            found.add(f"{protocol}/{port}")
    return found


def test_it_listens_exactly_where_it_must(site: Site, name: str) -> None:
    wanted = set().union(*(LISTENS[feature] for feature in features(site, name)))
    assert listening(site.host(name)) == wanted


def test_its_firewall_is_on_now_and_at_boot(site: Site, name: str) -> None:
    host = site.host(name)
    assert host.run("systemctl is-enabled nftables").stdout.strip() == "enabled"
    rules = host.run("nft list ruleset").stdout
    assert "hook input" in rules
    assert "policy drop" in rules


def test_no_secret_is_in_an_argument_list_or_in_a_file_for_everybody(site: Site, name: str) -> None:
    host = site.host(name)
    patterns = "\n".join(site.secrets.values()) + "\n"
    host.backend.run("install -m 0600 /dev/null /root/patterns")
    try:
        # By stdin would be better still; testinfra has none, so the values travel base64 in one short-lived process.
        import base64

        packed = base64.b64encode(patterns.encode()).decode()
        host.run(f"sh -c 'echo {packed} | base64 -d > /root/patterns'")
        shown = host.run(
            'sh -c \'cat /proc/[0-9]*/cmdline | tr "\\0" "\\n" | grep -F -c -f /root/patterns\''
        ).stdout.strip()
        assert shown == "0", "a secret is in a process's arguments"
        readable = host.run(
            "sh -c 'find /etc /srv /var /home /opt /tmp /run -xdev -type f -perm -o=r -size -2M -print0"
            " | xargs -0 -r grep -l -F -f /root/patterns 2> /dev/null'"
        ).stdout.split()
        assert not readable, f"everybody may read a secret in {readable}"
        logged = host.run("sh -c 'journalctl --no-pager -o cat | grep -F -c -f /root/patterns'").stdout.strip()
        assert logged == "0", "a secret is in the journal"
    finally:
        host.run("rm -f /root/patterns")


def test_all_replicas_stream_from_the_primary(site: Site) -> None:
    asked = "select count(*) from pg_stat_replication where state = 'streaming'"
    members = site.hosts("postgres")
    wanted = ["0"] * (len(members) - 1) + [str(len(members) - 1)]
    counts: dict[str, str] = {}

    def all_stream() -> bool:
        for member in members:
            counts[member] = site.host(member).run(f'sudo -u postgres psql -XAtc "{asked}"').stdout.strip()
        return sorted(counts.values()) == wanted

    # Who it is that does not is said below.
    with contextlib.suppress(AssertionError):
        until(all_stream, "all replicas stream", 60)
    assert sorted(counts.values()) == wanted, counts


@pytest.mark.parametrize(
    ("group", "port"),
    [
        ("redis", 6379),
        ("redis", 6380),
        ("redis_sentinel", 26379),
        ("postgres", 5432),
        ("postgres", 6432),
        ("etcd", 2379),
        ("postgres", 8008),
        ("web", 3000),
        ("streaming", 4000),
        ("media_origin", 8080),
    ],
)
def test_private_services_cannot_be_reached_from_outside_the_private_networks(
    site: Site, group: str, port: int
) -> None:
    # This machine is 10.4x.0.1: on the same wire, but in no private network.
    for member in site.hosts(group):
        with pytest.raises((TimeoutError, ConnectionError)):
            socket.create_connection((site.address(member), port), timeout=1.5)
        site.host(member)


def test_the_application_hosts_hold_the_same_environment(site: Site) -> None:
    sums = {
        member: site.host(member).run("sha256sum /srv/mastodon/shared/.env.production").stdout.split()[0]
        for member in site.hosts("app")
    }
    assert len(set(sums.values())) == 1, sums
