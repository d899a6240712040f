# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep what the programs of a scenario's hosts complained of: a failed unit only says "see the journal", and that goes with the host.

usage: python -m bin.journals LAB SCENARIO        before the hosts go (molecule/shared/destroy.yml); writes .cache/logs/journal-*.log
"""

from __future__ import annotations

import sys
from pathlib import Path

from bin.programs import LOGS, listed, podman, with_labels

ASK = ("journalctl", "--boot", "--no-pager", "--quiet", "--priority=err", "--lines=200")


def journals(scenario: str) -> list[Path]:
    """Return the files in which a scenario's hosts left what their programs complained of."""
    return sorted(LOGS.glob(f"journal-{scenario}-*.log"))


def keep(lab: str, scenario: str) -> None:
    """Write a file for each host that runs and has something to complain of. Those that are gone leave their files as they are."""
    mine = with_labels(f"upstairs.lab={lab}", f"upstairs.scenario={scenario}")
    for container in listed("ps", *mine, "--format", "{{.Names}}"):
        said = podman("exec", container, *ASK).stdout
        if said:
            LOGS.mkdir(parents=True, exist_ok=True)
            file = LOGS / f"journal-{scenario}-{container.removeprefix(f'upstairs-{lab}-')}.log"
            file.touch(mode=0o600)
            file.write_text(said)


if __name__ == "__main__":
    keep(*sys.argv[1:])
