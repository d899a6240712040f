# SPDX-License-Identifier: GPL-3.0-or-later
"""Empty the store, let it make its users and buckets anew, and read every argument list on the host meanwhile."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

secrets = [user["secret_key"] for user in json.loads(Path("/etc/object-store/content.json").read_text())["users"]]
subprocess.run(["systemctl", "stop", "object-store.service"], check=True)
shutil.rmtree("/var/lib/object-store")
start = subprocess.Popen(["systemctl", "start", "object-store.service", "object-store-content.service"])
looks = 0
seen: set[str] = set()
while start.poll() is None:
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = process.read_bytes().decode(errors="replace").replace("\0", " ")
        except OSError:
            continue
        seen.update(word for word in ("radosgw-admin", "curl") if word in line)
        if any(secret in line for secret in secrets):
            sys.exit(f"a secret is in an argument list: {line.split()[0]}")
    looks += 1
if start.returncode or seen != {"radosgw-admin", "curl"}:
    sys.exit(f"start ended with {start.returncode}; in {looks} looks were seen: {seen}")
for file in Path("/var/lib/object-store").iterdir():
    if file.stat().st_mode & 0o077:
        sys.exit(f"{file} is readable for others")
