# SPDX-License-Identifier: GPL-3.0-or-later
"""Patroni's dynamic configuration, and when its cluster is well. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

# Within these our word is complete: what we do not name is removed. Elsewhere (pause, standby_cluster, slots) it is an operator's.
OWNED = (("postgresql", "parameters"),)


def plan_config(current: Mapping[str, Any], wanted: Mapping[str, Any], path: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the PATCH that turns ``current`` into ``wanted``; empty if there is nothing to do."""
    patch: dict[str, Any] = {}
    for key, value in wanted.items():
        had = current.get(key)
        if isinstance(value, Mapping):
            inner = plan_config(had if isinstance(had, Mapping) else {}, value, (*path, key))
            if inner:
                patch[key] = inner
        elif _word(had) != _word(value):
            patch[key] = value
    if path in OWNED:
        patch.update({key: None for key in current if key not in wanted})
    return patch


def _word(value: Any) -> str:
    """Postgres reads words: 100 and "100" are the same, and so are True and "on"."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def describe_config(patch: Mapping[str, Any], current: Mapping[str, Any], path: str = "") -> list[str]:
    """Say a PATCH in words, one line for each setting."""
    lines = []
    for key, value in sorted(patch.items()):
        had = current.get(key)
        if isinstance(value, Mapping):
            lines += describe_config(value, had if isinstance(had, Mapping) else {}, f"{path}{key}.")
        elif value is None:
            lines.append(f"remove {path}{key} (was {had})")
        else:
            lines.append(f"set {path}{key} to {value}" + ("" if had is None else f" (was {had})"))
    return lines


def leading(statuses: Mapping[str, Mapping[str, Any] | None]) -> list[str]:
    """Return who says that it leads."""
    return sorted(name for name, status in statuses.items() if status and status.get("role") in ("primary", "master"))


def complaints(
    cluster: Mapping[str, Any] | None,
    statuses: Mapping[str, Mapping[str, Any] | None],
    expected: Collection[str],
    max_lag: int,
) -> list[str]:
    """Tell what keeps a cluster from being well. ``statuses`` is each member's own word (GET /patroni), None if silent."""
    if cluster is None:
        return ["Patroni does not say who its members are"]
    members = {member["name"]: member for member in cluster.get("members", [])}
    found = [f"{name} is not a member of the cluster" for name in sorted(expected) if name not in members]
    found += [f"{name} is a member and not in the inventory's list" for name in sorted(members) if name not in expected]
    # The members' own words count here, not the key in etcd: that there is one key is no proof that there is one primary.
    leaders = leading(statuses)
    if len(leaders) != 1:
        return [*found, f"{', '.join(leaders)} all say that they lead" if leaders else "nobody says that it leads"]
    leader = statuses[leaders[0]] or {}
    if members.get(leaders[0], {}).get("role") != "leader":
        found.append(f"{leaders[0]} says that it leads and does not hold the leader key")
    for name in sorted(members):
        if name != leaders[0]:
            found += [f"{name} {what}" for what in replica_faults(members[name], statuses.get(name), leader, max_lag)]
    return found


def lag(leader: Mapping[str, Any], replica: Mapping[str, Any]) -> int | None:
    """Return how many bytes a replica has yet to receive; None if that was not measured, which is not zero."""
    ahead = (leader.get("xlog") or {}).get("location")
    behind = (replica.get("xlog") or {}).get("received_location")
    if not ahead or not behind:
        return None
    return max(0, int(ahead) - int(behind))


def replica_faults(
    member: Mapping[str, Any] | None, status: Mapping[str, Any] | None, leader: Mapping[str, Any], max_lag: int
) -> list[str]:
    """Tell what is wrong with a replica: ``member`` is its row in the cluster, ``status`` and ``leader`` are their own words."""
    if member is None:
        return ["is not in the cluster"]
    if status is None:
        return ["does not answer"]
    if status.get("state") != "running":
        return [f"is not running: {status.get('state')}"]
    found = []
    if status.get("replication_state") != "streaming":
        found.append(f"does not stream: {status.get('replication_state') or 'no word about it'}")
    if member.get("timeline") is None or member.get("timeline") != leader.get("timeline"):
        found.append(f"follows timeline {member.get('timeline')}, the leader writes {leader.get('timeline')}")
    behind = lag(leader, status)
    if behind is None:
        found.append("has a lag that was not measured")
    elif behind > max_lag:
        found.append(f"is {behind} bytes behind, {max_lag} are allowed")
    return found
