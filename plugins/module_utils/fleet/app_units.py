# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the application's processes run something else than what is on disk now.

Asked of the processes themselves and not remembered from a change: a run that was cut off between the new file and the restart
is found by the next one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from .units import WantedUnit

PROPERTIES = "User,MainPID,ExecMainStartTimestamp,FragmentPath,DropInPaths"


@dataclass(frozen=True)
class Process:
    """The main process of a unit: in which directory it runs and since when."""

    directory: str = ""
    since: float = 0.0


@dataclass(frozen=True)
class Disk:
    """What processes should run: the current release's directory, and when each file was written that they read at their start."""

    release: str
    written: Mapping[str, float] = field(default_factory=dict)


def parse_since(text: str) -> float:
    """Return the time of ``systemctl show --timestamp=us+utc`` as seconds since 1970, or 0 if there is none."""
    try:
        found = datetime.strptime(text.strip(), "%a %Y-%m-%d %H:%M:%S.%f UTC")
    except ValueError:
        return 0.0
    return found.replace(tzinfo=UTC).timestamp()


def why_outdated(process: Process, disk: Disk, unit_files: Sequence[str]) -> str:
    """Return why a running process must be restarted, or nothing."""
    if process.directory != disk.release:
        return f"it runs {_last(process.directory) or 'elsewhere'} and {_last(disk.release)} is current"
    newer = sorted(path for path, when in disk.written.items() if when > process.since and path not in unit_files)
    if newer:
        return f"{newer[0]} is newer than the process"
    changed = sorted(path for path in unit_files if disk.written.get(path, 0.0) > process.since)
    return f"{changed[0]} is newer than the process" if changed else ""


def wanted_units(names: Sequence[str], outdated: Mapping[str, str], strangers: Sequence[str]) -> list[WantedUnit]:
    """Return how the units shall be: strangers are units of this kind that the inventory no longer names."""
    gone = [WantedUnit(name, "stopped", enabled=False) for name in strangers]
    return [*gone, *(WantedUnit(name, "restarted" if name in outdated else "started", enabled=True) for name in names)]


def _last(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]
