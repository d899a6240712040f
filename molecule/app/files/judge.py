# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the environment file as systemd and as a shell do, and compare with what the inventory says. Prints no value."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

# A process of the application would see exactly this.
DUMP = "import hashlib, json, os; print(json.dumps({n: hashlib.sha256(v.encode()).hexdigest() for n, v in os.environ.items()}))"


def digests(argv: list[str]) -> dict[str, str]:
    """Return the digest of every variable that a reader's process sees."""
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]})
    found: dict[str, str] = json.loads(done.stdout)
    return found


def main(path: str) -> None:
    """Compare every reader with the inventory."""
    wanted = {
        name: hashlib.sha256(value.encode()).hexdigest()
        for name, value in json.loads(os.environ["JUDGE_WANTED"]).items()
    }
    readers = {
        "systemd": [
            "systemd-run",
            "--quiet",
            "--pipe",
            "--wait",
            "-p",
            f"EnvironmentFile={path}",
            "python3",
            "-c",
            DUMP,
        ],
        "sh": ["sh", "-ec", 'set -a; . "$1"; exec python3 -c "$2"', "sh", path, DUMP],
    }
    for reader, argv in readers.items():
        seen = digests(argv)
        wrong = sorted(name for name, digest in wanted.items() if seen.get(name) != digest)
        if wrong:
            sys.exit(f"{reader} reads another value of {', '.join(wrong)}")
    if Path("/run/judge").exists():
        sys.exit("a shell ran what stands in a value")
    print(hashlib.sha256(Path(path).read_bytes()).hexdigest())


main(sys.argv[1])
