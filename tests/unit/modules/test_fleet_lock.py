# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock's hands, when a member of etcd is silent."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from plugins.module_utils.fleet.lock import Plan
from plugins.module_utils.fleet.ports import etcd
from plugins.module_utils.fleet.ports.rest import Answer
from plugins.modules import fleet_lock

RUN = {"id": "1d6ac005e6", "owner": "dot@controller", "machine": "controller/1", "process": "7/8/9"}


def test_a_lock_that_a_silent_member_took_for_us_is_looked_at_again_and_is_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held: list[str] = []

    def ask(url: str, body: Mapping[str, Any], timeout: float) -> Answer:
        if url.endswith("/range"):
            kvs = [{"key": "", "value": text, "mod_revision": "5"} for text in held]
            return Answer(200, json.dumps({"kvs": kvs}))
        if "192.0.2.1:" in url:
            held.append(body["success"][0]["request_put"]["value"])
            return Answer(0, "timed out")
        return Answer(200, json.dumps({"succeeded": False}))

    monkeypatch.setattr(etcd, "ask", ask)
    params = {"endpoints": ["192.0.2.1:2379", "192.0.2.2:2379"], "key": "/upstairs/lock", "state": "held"}
    module: Any = SimpleNamespace(
        params={**params, "operation": "cut-over-dns", "reason": "a move", "run": RUN, "dead": ""}, check_mode=False
    )
    assert fleet_lock.attempt(module) is None
    done = fleet_lock.attempt(module)
    assert done is not None
    seen, plan = done
    assert seen.claim is not None
    assert seen.claim.run.id == RUN["id"]
    assert isinstance(plan, Plan)
    assert "a move" in base64.b64decode(held[0]).decode()
