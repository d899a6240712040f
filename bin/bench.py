# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the lab that `make lab` keeps, as ratios of what is measured in the same minutes.

usage: python -m bin.bench

1. A run of site.yml that finds nothing to do, against the floor: one SSH round trip that starts one Python on every host, all hosts at
   once. And the module executions of that run, per role and host.
2. Requests per second of a picture from the edge's cache, against a bare nginx on the same host that serves the same bytes from a
   file with the same certificate.

The runs of both sides alternate, because this machine is shared: a ratio of neighbours holds, seconds do not.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from bin.lab import SITE, STATE
from bin.programs import ROOT, as_root, fail, run, say

ROUNDS = 3
EDGE = "esme"
NAME = "media.upstairs.test"
BARE_PORT = 8444
LOAD_SECONDS = 5
BARE_DIRECTORY = "/run/bare-nginx"
BARE = f"""
daemon on; worker_processes auto; pid {BARE_DIRECTORY}/pid; error_log {BARE_DIRECTORY}/error.log; user www-data;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile on; tcp_nopush on; open_file_cache max=100; types {{ image/png png; }}
  server {{
    listen {BARE_PORT} ssl; http2 on;
    ssl_certificate {BARE_DIRECTORY}/certificate.pem; ssl_certificate_key {BARE_DIRECTORY}/key.pem;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:SSL:1m;
    root {BARE_DIRECTORY}/files;
  }}
}}
"""


def ssh(host: str, command: str, stdin: str = "") -> str:
    """Run a shell command on a host as root and return what it printed."""
    done = subprocess.run(
        ["ssh", "-F", str(STATE / "ssh_config"), host, "sudo sh -ec " + json.dumps(command).replace("$", r"\$")],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        fail(f"{host}: {command}: {done.stderr}")
    return done.stdout


def floor(hosts: list[str]) -> float:
    """Return the seconds of one cold SSH round trip with one Python on each host, all at once."""

    def trip(host: str) -> None:
        subprocess.run(
            ["ssh", "-F", str(STATE / "ssh_config"), "-o", "ControlPath=none", host, "/usr/bin/python3 -I -S -c pass"],
            check=True,
            stdin=subprocess.DEVNULL,
        )

    start = time.monotonic()
    with ThreadPoolExecutor(len(hosts)) as pool:
        list(pool.map(trip, hosts))
    return time.monotonic() - start


def nothing_to_do(executions: Path) -> float:
    """Return the seconds of a run of site.yml; leave if it changed anything."""
    outcome = run(
        "bench-site",
        ["ansible-playbook", "-i", ROOT / "inventories/lab", ROOT / "site.yml"],
        environment={"UPSTAIRS_EXECUTIONS": str(executions), "ANSIBLE_CALLBACKS_ENABLED": "remote_executions"},
    )
    if outcome.status != 0 or re.search(r"changed=[1-9]", outcome.output):
        fail("site.yml failed or changed something: run `make lab` first (.cache/logs/bench-site.log)")
    return outcome.seconds


def bench_run() -> None:
    """Measure the run that finds nothing to do."""
    hosts, executions = list(SITE.features), STATE / "executions.json"
    pairs = []
    for number in range(1, ROUNDS + 1):
        pairs.append((nothing_to_do(executions), floor(hosts)))
        say(f"  round {number}: site.yml {pairs[-1][0]:.1f} s, floor {pairs[-1][1]:.2f} s")
    ratio = statistics.median(site / ground for site, ground in pairs)
    rows: list[tuple[str, str, int]] = [tuple(row) for row in json.loads(executions.read_text())]
    roles: dict[str, list[int]] = {}
    for role, _, count in rows:
        roles.setdefault(role, []).append(count)
    say(f"\nA run that finds nothing to do, {len(hosts)} hosts:")
    say(f"  {statistics.median(s for s, _ in pairs):.1f} s, {ratio:.1f} x the floor (aim: <= 30)")
    total = sum(count for _, _, count in rows)
    say(f"  {total} module executions, {total / len(rows):.2f} per role and host (aim: <= 4)")
    for role, counts in sorted(roles.items()):
        say(f"    {role:<14} {statistics.mean(counts):5.2f} on {len(counts)} hosts")


def wrk(address_of_name: str, url: str) -> float:
    """Return the requests per second of one load of a few seconds.

    wrk has no --resolve, and an edge refuses a handshake without the server's name: it runs with an /etc/hosts of its own.
    """
    hosts = STATE / "hosts"
    hosts.write_text(f"{address_of_name} {NAME}\n")
    load = f"mount --bind {hosts} /etc/hosts && exec wrk -t1 -c16 -d{LOAD_SECONDS}s {url}"
    done = subprocess.run(as_root("unshare", "--mount", "sh", "-c", load), capture_output=True, text=True, check=True)
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        fail(done.stdout)
    match = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    return float(match[1]) if match else 0.0


def cached_picture() -> str:
    """Post the lab's picture, read it through the edge until it is cached, and return its path."""

    def curl(*arguments: str) -> str:
        return subprocess.run(
            ["curl", "-sSfK", str(STATE / "curlrc"), *arguments], capture_output=True, text=True, check=True
        ).stdout

    social = "https://social.upstairs.test/api"
    media = json.loads(curl("-F", f"file=@{STATE}/picture.png", f"{social}/v2/media"))
    url: str = media["url"]
    for _ in range(2):
        curl("-o", "/dev/null", url)
    return urlsplit(url).path


def bench_edge() -> None:
    """Measure the edge's cache against a bare nginx."""
    path, ip = cached_picture(), SITE.address(EDGE)
    ssh(EDGE, f"install -d {BARE_DIRECTORY} {BARE_DIRECTORY}/files$(dirname {path}); chmod -R a+rX {BARE_DIRECTORY}")
    for name, text in (
        ("nginx.conf", BARE),
        ("certificate.pem", (STATE / "server.pem").read_text()),
        ("key.pem", (STATE / "server.key").read_text()),
    ):
        ssh(EDGE, f"umask 077; cat > {BARE_DIRECTORY}/{name}", stdin=text)
    with (STATE / "picture.png").open("rb") as picture:
        subprocess.run(
            ["ssh", "-F", str(STATE / "ssh_config"), EDGE, f"sudo tee {BARE_DIRECTORY}/files{path}"],
            stdin=picture,
            stdout=subprocess.DEVNULL,
            check=True,
        )
    ssh(EDGE, f"nginx -c {BARE_DIRECTORY}/nginx.conf; nft insert rule inet upstairs input tcp dport {BARE_PORT} accept")
    try:
        pairs = []
        for number in range(1, ROUNDS + 1):
            pairs.append((wrk(ip, f"https://{NAME}{path}"), wrk(ip, f"https://{NAME}:{BARE_PORT}{path}")))
            say(f"  round {number}: edge {pairs[-1][0]:.0f}/s, bare nginx {pairs[-1][1]:.0f}/s")
    finally:
        ssh(EDGE, f"kill $(cat {BARE_DIRECTORY}/pid); rm -rf {BARE_DIRECTORY}; nft -f /etc/nftables.conf")
    ratio = statistics.median(edge / bare for edge, bare in pairs)
    size = (STATE / "picture.png").stat().st_size
    say(f"\nA cached picture of {size} bytes through the edge: {ratio:.2f} of a bare nginx (aim: >= 0.9)")


def main() -> None:
    """Measure both, or say what is missing."""
    if not (STATE / "curlrc").exists():
        fail("there is no lab to measure: run `make lab` first")
    bench_edge()
    bench_run()


if __name__ == "__main__":
    main()
