# SPDX-License-Identifier: GPL-3.0-or-later
"""The module's hands: one step at each start, nothing in check mode, and no secret in what it says."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args

from plugins.doc_fragments.dns_split import ModuleDocFragment
from plugins.module_utils.fleet.ports import authority, dns_provider, dns_world
from plugins.module_utils.fleet.split import parse
from plugins.module_utils.fleet.split_spec import LIMITS
from plugins.modules import dns_split, dns_split_info
from tests.unit.module_utils.fleet.dns_simulator import BUCKET, MEDIA, NEW, OLD, SimWorld, world

Run = Callable[..., dict[str, Any]]
DECLARED = {
    "id": "media",
    "zone": "example.org",
    "read": {"name": "media", "addresses": list(NEW)},
    "write": {"name": "s3", "addresses": list(BUCKET)},
    "transit_ttl": 5,
    "credentials": {"key": "hidden away"},
    "probes": [
        {
            "name": "It takes",
            "role": "write",
            "canary": {
                "url": "https://s3.example.org/media",
                "access_key": "hidden as well",
                "secret_key": "hidden too",
            },
        }
    ],
}


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> SimWorld:
    """A simulated world that the modules find instead of the real one."""
    there = world()

    def connect(params: Mapping[str, Any]) -> SimWorld:
        there.split = parse(params)  # type: ignore[attr-defined]
        return there

    monkeypatch.setattr(dns_world, "connect", connect)
    return there


def start(capsys: pytest.CaptureFixture[str], module: Any, check: bool, **params: Any) -> dict[str, Any]:
    with patch_module_args({**DECLARED, **params, "_ansible_check_mode": check}), pytest.raises(SystemExit):
        module.main()
    out = capsys.readouterr().out
    assert "hidden" not in out
    told: dict[str, Any] = json.loads(out)
    return told


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    return lambda check=False, **params: start(capsys, dns_split, check, **params)


@pytest.fixture
def info(capsys: pytest.CaptureFixture[str]) -> Run:
    return lambda **params: start(capsys, dns_split_info, False, **params)


@pytest.mark.parametrize("module", [dns_split, dns_split_info])
def test_every_option_is_documented_as_it_is(module: Any) -> None:
    def same(options: Mapping[str, Any], spec: Mapping[str, Any]) -> None:
        assert set(options) == set(spec)
        for name, told in options.items():
            for key in ("type", "default", "choices", "elements", "required"):
                assert told.get(key) == spec[name].get(key), f"{name}: {key}"
            if "suboptions" in told or "options" in spec[name]:
                same(told["suboptions"], spec[name]["options"])

    documented = (
        yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"] | yaml.safe_load(module.DOCUMENTATION)["options"]
    )
    # These are the action plugin's.
    own = ("wait", "endpoints", "on_controller") if module is dns_split else ()
    same({name: told for name, told in documented.items() if name not in own}, module.SPEC)


def test_each_start_is_one_step_and_the_record_goes_on(run: Run, here: SimWorld) -> None:
    first = run()
    assert (first["phase"], first["changed"], first["over"]) == ("observed", False, False)
    second = run(record=first["record"])
    assert second["phase"] == "prepared"
    third = run(record=second["record"])
    assert third["record"]["intent"]["write"] == "lower"
    assert here.provider.writes == 0
    fourth = run(record=third["record"])
    assert fourth["changed"]
    assert here.provider.writes == 1
    assert fourth["restore"][0] == f"{MEDIA} 300 A {OLD[0]}"


def test_check_mode_shows_the_steps_and_the_difference_and_writes_nothing(run: Run, here: SimWorld) -> None:
    told = run(check=True)
    assert any("+   300 s  decided: move" in line for line in told["plan"])
    assert f"-{MEDIA} 300 A {OLD[0]}" not in told["diff"]["after"]
    assert told["diff"]["before"].splitlines() == [f"{MEDIA} 300 A {OLD[0]}", f"{MEDIA} 300 AAAA {OLD[1]}"]
    assert told["diff"]["after"].splitlines() == [f"{MEDIA} 300 A {NEW[0]}", f"{MEDIA} 300 AAAA {NEW[1]}"]
    assert here.provider.writes == 0


def test_verified_fails_on_a_difference_and_writes_nothing(run: Run, here: SimWorld) -> None:
    told = run(state="verified")
    assert told["failed"]
    assert len(told["drift"]) == 2
    there = {"name": "media", "addresses": list(OLD)}
    assert run(state="verified", read=there)["drift"] == []
    here.zone.servers["ns1"].error = "SERVFAIL"
    assert "SERVFAIL" in run(state="verified", read=there)["msg"]


def test_a_refusal_says_why_and_what_there_was(run: Run, here: SimWorld) -> None:
    here.healthy -= {NEW[0]}
    first = run()
    told = run(record=first["record"])
    assert told["failed"]
    assert "192.0.2.2 does not answer" in told["msg"]
    assert told["restore"][0] == f"{MEDIA} 300 A {OLD[0]}"


def test_a_provider_that_is_silent_is_a_failure_in_words(run: Run, here: SimWorld) -> None:
    here.provider.silent = 1
    assert "the provider is silent" in run()["msg"]


def test_a_record_that_cannot_be_believed_is_refused(run: Run, here: SimWorld) -> None:
    assert "cannot be read" in run(record={"version": 99})["msg"]
    other = run()["record"] | {"marker": "upstairs/other"}
    assert "another pair needs another id" in run(record=other)["msg"]


def test_limits_that_protect_from_nothing_are_refused(run: Run, here: SimWorld) -> None:
    for limits, say in (
        ({"bake": 9}, "at least twice the transit_ttl"),
        ({"bake_interval": 0}, "bake_interval"),
        ({"failures": 0}, "failures must be 1"),
    ):
        assert say in run(**limits)["msg"]


def test_who_is_out_is_told_by_the_plan_and_by_info(run: Run, info: Run, here: SimWorld) -> None:
    pool = {
        "read": {"name": "media", "addresses": [*NEW, "192.0.2.7"]},
        "hosts": {"esme": ["192.0.2.7"]},
        "out": ["esme"],
    }
    away = [{"role": "read", "name": MEDIA, "address": "192.0.2.7", "host": "esme"}]
    told = run(check=True, **pool)
    assert told["away"] == away
    assert "192.0.2.7" not in told["diff"]["after"]
    assert info(ask="nothing", credentials={}, **pool)["away"] == away
    assert (
        "would lead nowhere without esme"
        in info(ask="nothing", credentials={}, **pool | {"read": {"name": "media", "addresses": ["192.0.2.7"]}})["msg"]
    )


def test_only_the_addresses_of_these_hosts_come_or_go(run: Run, here: SimWorld) -> None:
    assert "by more than who leaves or rejoins" in run(hosts={"esme": ["192.0.2.7"]}, only=["esme"])["msg"]
    assert run(hosts={"esme": [*NEW], "slappy": [*OLD]}, only=["esme", "slappy"])["phase"] == "observed"


def test_info_tells_and_does_not_fail(info: Run, here: SimWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authority, "observe", lambda resolvers, names, timeout: [*resolvers])
    told = info(resolvers=["192.0.2.5"])
    assert len(told["drift"]) == 2
    assert told["owners"][MEDIA] == "upstairs/media"
    assert told["live"][MEDIA][0]["values"] == [OLD[0]]
    assert told["servers"] == ["ns1 (10.0.0.1): as wanted", "ns2 (10.0.0.2): as wanted", "ns2 (fd00::2): as wanted"]
    assert told["observed"] == ["192.0.2.5"]
    assert told["record"] == {}


def test_an_entry_is_all_that_the_modules_need_to_know_of_a_provider(
    run: Run, info: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = world()
    monkeypatch.setattr(dns_provider, "known", lambda: {"memory": lambda params: there.provider})
    monkeypatch.setattr(dns_world.RealWorld, "verify", lambda self, wanted: there.verify(wanted))
    assert run(provider="memory")["phase"] == "observed"
    assert info(provider="memory")["live"][MEDIA][0]["values"] == [OLD[0]]
    for told in (run(provider="rfc2136"), info(provider="rfc2136"), info(provider="rfc2136", ask="nothing")):
        assert told["msg"] == "there is no provider rfc2136; known are memory"


def test_info_tells_of_a_move_that_is_under_way_by_the_record_that_it_is_given(
    run: Run, info: Run, here: SimWorld
) -> None:
    under_way = run(record=run()["record"])["record"]
    assert "a move is under way: prepared" in info(record=under_way)["drift"]
    assert "cannot be read" in info(record={"version": 99})["msg"]


def test_every_limit_of_a_move_can_be_set_by_the_role() -> None:
    role = Path(dns_split.__file__).parents[2] / "roles/dns_split"
    internal = yaml.safe_load((role / "vars/main.yml").read_text())
    defaults = yaml.safe_load((role / "defaults/main.yml").read_text())
    # Whom a move is for is no limit that people set: leave and rejoin say it.
    for limit, spec in ((name, spec) for name, spec in LIMITS.items() if name != "only"):
        # An operation of the role's own may set a limit otherwise for itself (leave and rejoin do: __dns_split_bake).
        given = internal["__dns_split_moved"][limit].replace("{{ __dns_split_bake }}", internal["__dns_split_bake"])
        assert given == f"{{{{ dns_split_{limit} }}}}"
        assert defaults[f"dns_split_{limit}"] == spec["default"]


def test_info_probes_what_is_declared_without_a_provider(info: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def probe(self: object, role: str, records: object) -> list[str]:
        asked.append(role)
        return ["no"]

    monkeypatch.setattr(dns_world.RealWorld, "probe", probe)
    assert info(ask="targets", credentials={})["probes"] == ["no"]
    assert asked == ["write"]
    assert "probes" not in info(ask="nothing", credentials={})
    assert "both lead to" in info(ask="nothing", credentials={}, write={"name": "s3", "addresses": list(NEW)})["msg"]
    assert asked == ["write"]
