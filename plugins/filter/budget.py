# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the connections that may be asked for fit into those that are granted, as a sum that a person can follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError


def _demand(demand: Any) -> tuple[str, int]:
    """Return who may ask for how many; the slips that would make a sum wrong are errors."""
    if not isinstance(demand, Mapping) or not {"name", "connections"} <= set(demand):
        raise AnsibleFilterError(f"a demand of connections is {{name, connections}}, not {demand!r}")
    name, connections = str(demand["name"]), demand["connections"]
    if isinstance(connections, bool) or not str(connections).isdecimal():
        raise AnsibleFilterError(f"{name}: {connections!r} is no number of connections")
    return name, int(connections)


def _table(rows: Sequence[tuple[str, int]], total: int, limit: int) -> str:
    """Return the rows, a line, their sum and what it must fit into, with the figures below each other."""
    room = limit - total
    lines = [*rows, ("together", total), ("granted", limit), ("left" if room >= 0 else "too many", abs(room))]
    wide = max(len(name) for name, _ in lines)
    high = max(len(str(figure)) for _, figure in lines)
    text = [f"{name:<{wide}}  {figure:>{high}}" for name, figure in lines]
    return "\n".join([*text[: len(rows)], "-" * (wide + 2 + high), *text[len(rows) :]])


def connection_budget(demands: Sequence[Any], limit: int) -> dict[str, Any]:
    """Return the demands with their sum, whether it fits into the limit, and all of it as a table."""
    rows = [_demand(demand) for demand in demands]
    total = sum(connections for _, connections in rows)
    return {
        "rows": [{"name": name, "connections": connections} for name, connections in rows],
        "sum": total,
        "limit": int(limit),
        "fits": total <= int(limit),
        "table": _table(rows, total, int(limit)),
    }


def app_connections(app: Mapping[str, Any], both: bool) -> list[dict[str, Any]]:
    """Return what one host of the application may ask for at most.

    ``app`` holds what the host has of these: ``web`` (instances, workers, threads), ``streaming`` (processes, pool) and ``sidekiq``
    (a list of units with concurrency and db_pool). ``both`` is whether the application reads from replicas: then each thread may
    hold a connection for writes and one for reads. Streaming holds one pool, never both.
    """
    ways = 2 if both else 1
    demands = []
    if web := app.get("web"):
        # A worker in no cluster mode (0) is the one process itself.
        threads = int(web["instances"]) * max(1, int(web["workers"])) * int(web["threads"])
        demands.append({"name": "web", "connections": threads * ways})
    for unit in app.get("sidekiq") or []:
        pool = int(unit.get("db_pool") or unit["concurrency"])
        demands.append({"name": f"sidekiq {unit['name']}", "connections": pool * ways})
    if streaming := app.get("streaming"):
        demands.append({"name": "streaming", "connections": int(streaming["processes"]) * int(streaming["pool"])})
    return demands


class FilterModule:
    """The filters of this file, as Ansible looks for them."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"app_connections": app_connections, "connection_budget": connection_budget}
