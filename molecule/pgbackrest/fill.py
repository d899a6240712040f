# SPDX-License-Identifier: GPL-3.0-or-later
"""Write to Postgres and to Redis on one small disk, whose archive is away, until pgBackRest drops WAL.

usage: fill.py SECONDS_BETWEEN_WAL_FILES MOST_WAL_FILES

Every write must be answered. Prints what was free at the worst moment.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

LOG = Path("/var/log/pgbackrest/upstairs-archive-push-async.log")
# Less than a WAL file in all; switching to the next one keeps the whole file.
WRITE = "begin; truncate told; insert into told select repeat('word ', 200) from generate_series(1, 4000); commit; select pg_switch_wal()"


def answered(argv: list[str], wanted: str) -> None:
    """Ask, and do not accept anything but the answer."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
    if wanted not in done.stdout or done.returncode:
        sys.exit(f"{argv[0]} did not take a write: {done.stdout}{done.stderr}")


def sql(statement: str) -> list[str]:
    """Return the command that asks Postgres."""
    return ["runuser", "-u", "postgres", "--", "psql", "-XAt", "-v", "ON_ERROR_STOP=1", "-c", statement]


def dropped() -> int:
    """Count what was dropped until now."""
    return LOG.read_text().count("dropped WAL file")


def main() -> None:
    """Write on until WAL is dropped."""
    pause, most = float(sys.argv[1]), int(sys.argv[2])
    answered(sql("create table if not exists told (word text)"), "CREATE TABLE")
    before, least = dropped(), sys.maxsize
    for number in range(most):
        answered(sql(WRITE), "/")
        answered(["redis-cli", "set", "told", str(number)], "OK")
        least = min(least, shutil.disk_usage("/var/lib/postgresql").free)
        if dropped() > before:
            print(f"dropped after {number + 1} WAL files; never less than {least >> 20} MiB free")
            return
        time.sleep(pause)
    sys.exit(f"nothing was dropped in {most} WAL files; {least >> 20} MiB free")


if __name__ == "__main__":
    main()
