# SPDX-License-Identifier: GPL-3.0-or-later
"""What operations have written down in etcd, and a story that failed in the middle has left."""

from __future__ import annotations

from tests.rehearsals.faults import Faults

LOCK = "lock"


def forget(faults: Faults, *records: str) -> None:
    """Drop the records whose names begin like this: of the lock, or of the ledger (``ledger/``...)."""
    member = faults.site.hosts("etcd")[0]
    endpoint = f"http://{faults.site.address(member)}:2379"
    for record in records:
        faults.do(member, "etcdctl", "--endpoints", endpoint, "del", "--prefix", f"/upstairs/{record}")
