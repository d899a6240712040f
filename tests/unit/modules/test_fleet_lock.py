# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock's hands, when a member of etcd is silent."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from plugins.module_utils.fleet.lock import Plan
from plugins.module_utils.fleet.ports import etcd
from plugins.module_utils.fleet.ports.rest import Answer
from plugins.modules import fleet_lock
from tests.children import let_go, start

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
    members = etcd.Etcd(("192.0.2.1:2379", "192.0.2.2:2379"))
    params = {"key": "/upstairs/lock", "state": "held"}
    module: Any = SimpleNamespace(
        params={**params, "operation": "cut-over-dns", "reason": "a move", "run": RUN, "dead": ""}, check_mode=False
    )
    assert fleet_lock.attempt(module, members) is None
    done = fleet_lock.attempt(module, members)
    assert done is not None
    seen, plan = done
    assert seen.claim is not None
    assert seen.claim.run.id == RUN["id"]
    assert isinstance(plan, Plan)
    assert "a move" in base64.b64decode(held[0]).decode()


# A whole run of the module, as Ansible starts one on the witness. Before it writes it waits for a line, so that others can look meanwhile.
TAKE = """
import json, sys
from ansible.module_utils.testing import patch_module_args
from plugins.module_utils.fleet.ports.witness import Witness
from plugins.modules import fleet_lock
swap = Witness.swap
def waiting(*given):
    print("ready", flush=True)
    sys.stdin.readline()
    return swap(*given)
Witness.swap = waiting
with patch_module_args(json.loads(sys.argv[1])):
    fleet_lock.main()
"""


def take(directory: Path, number: int, state: str = "held", **more: Any) -> subprocess.Popen[str]:
    run = {**RUN, "id": f"run{number}", "process": f"{number}/8/9"}
    given = {"directory": str(directory), "state": state, "operation": "update-kernels", "run": run, **more}
    return start(TAKE, json.dumps(given))


def told(child: subprocess.Popen[str]) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(child.communicate("go\n", timeout=120)[0].splitlines()[-1])
    return said


def test_of_two_runs_at_once_a_witness_gives_the_lock_to_one_and_the_other_is_told_who_holds_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    both = [take(tmp_path, number) for number in (1, 2)]
    let_go(both)
    answers = [json.loads(child.communicate(timeout=120)[0].splitlines()[-1]) for child in both]
    [winner] = [n for n, answer in enumerate(answers, 1) if not answer.get("failed")]
    [loser] = [answer for answer in answers if answer.get("failed")]
    assert loser["held"]
    assert loser["lock_id"] == f"run{winner}"
    assert "dot@controller does update-kernels" in loser["msg"]
    # The same run may hold it again, and only it can give it back.
    assert not told(take(tmp_path, winner))["changed"]
    assert not told(take(tmp_path, 3 - winner, "released"))["changed"]
    assert told(take(tmp_path, winner, "released"))["changed"]
    assert told(take(tmp_path, 3 - winner))["changed"]


def test_a_record_on_a_witness_that_cannot_be_read_is_a_lock_and_is_broken_by_its_revision(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert told(take(tmp_path, 1))["changed"]
    [file] = tmp_path.iterdir()
    file.write_bytes(b"{ half of")
    refused = told(take(tmp_path, 1))
    assert refused["held"]
    assert refused["lock_id"] == "revision-1"
    assert told(take(tmp_path, 2, "broken", lock_id="revision-1"))["changed"]
    assert told(take(tmp_path, 2))["changed"]


def test_nothing_is_begun_where_the_witness_cannot_be_used_but_what_makes_it(tmp_path: Path) -> None:
    nowhere = tmp_path / "missing"
    refused = told(take(nowhere, 1))
    assert refused["failed"]
    assert "of this witness cannot be used, and nothing is begun without it" in refused["msg"]
    free = told(take(nowhere, 1, "free"))
    assert not free.get("failed")
    assert not free["known"]
