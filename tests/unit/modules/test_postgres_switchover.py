# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom the switchover asks, and what it leaves alone in check mode."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.fleet.ports.rest import Answer
from plugins.modules import postgres_switchover

MEMBERS = [{"name": name, "address": f"192.0.2.{number}"} for number, name in enumerate(("alice", "dot", "nixie"), 1)]
PARAMS = {"members": MEMBERS, "rest_port": 8008, "pooler_port": 0}


def test_the_inventorys_members_and_the_clusters_are_asked_the_leader_first(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = {
        "members": [
            {"name": "alice", "role": "replica", "api_url": "http://192.0.2.1:8008/patroni"},
            {"name": "nixie", "role": "leader", "api_url": "http://192.0.2.3:8008/patroni"},
            {"name": "fritz", "role": "replica", "api_url": "http://192.0.2.9:8008/patroni"},
        ]
    }
    asked: list[list[str]] = []

    def ask_all(urls: Mapping[str, str], within: float) -> dict[str, Answer]:
        asked.append(sorted(urls.values()))
        say = {name: cluster if url.endswith("/cluster") else {"role": "primary"} for name, url in urls.items()}
        return {name: Answer(200, json.dumps(what)) if name != "alice" else Answer(0, "") for name, what in say.items()}

    monkeypatch.setattr(postgres_switchover, "ask_all", ask_all)
    seen, statuses = postgres_switchover.Fleet(PARAMS).look()
    assert seen == cluster
    assert statuses == {
        "alice": None,
        "dot": {"role": "primary"},
        "nixie": {"role": "primary"},
        "fritz": {"role": "primary"},
    }
    assert asked[1:] == [
        ["http://192.0.2.3:8008/patroni"],
        [f"http://192.0.2.{number}:8008/patroni" for number in (1, 2, 9)],
    ]


def test_a_look_at_clients_left_waiting_takes_no_lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Ended(Exception):
        pass

    class Module:
        check_mode = True
        params: Mapping[str, Any] = {"within": 1}

        def exit_json(self, **result: Any) -> None:
            raise Ended(result["changed"])

    class Pooler:
        def armed(self) -> bool:
            return False

        def paused(self) -> bool:
            return True

    class Fleet:
        pooler = Pooler()

    busy = tmp_path / "busy"
    monkeypatch.setattr(postgres_switchover, "BUSY", busy)
    with pytest.raises(Ended, match="True"):
        postgres_switchover.resumed(Module(), Fleet())  # type: ignore[arg-type]
    assert not busy.exists()
