# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge and write what the application's roles were asked for, on the controller, before anything is changed."""

from __future__ import annotations

import hashlib
import hmac
import importlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.utils.display import Display

PACKAGE = "upstairs_fleet"


def fleet(name: str) -> ModuleType:
    """Return a module of plugins/module_utils/fleet: Ansible lets a filter import none of them by name."""
    if PACKAGE not in sys.modules:
        directory = Path(__file__).resolve().parents[1] / "module_utils" / "fleet"
        package = ModuleType(PACKAGE)
        package.__path__ = [str(directory)]
        sys.modules[PACKAGE] = package
    return importlib.import_module(f"{PACKAGE}.{name}")


def _judgement(
    public: Mapping[str, object], secrets: Mapping[str, object], extra: Mapping[str, object], series: str, pooled: bool
) -> Any:
    environment = fleet("environment")
    return environment.judge_environment(
        environment.Environment(dict(public), dict(secrets), dict(extra), str(series), bool(pooled))
    )


def environment_faults(
    public: Mapping[str, object],
    secrets: Mapping[str, object],
    extra: Mapping[str, object],
    series: str,
    pooled: bool,
) -> list[str]:
    """Return all that is wrong with the application's environment; show what is worth a note as a warning."""
    judgement = _judgement(public, secrets, extra, series, pooled)
    for note in judgement.notes:
        Display().warning(note)
    return list(judgement.faults)


def environment_file(
    public: Mapping[str, object],
    secrets: Mapping[str, object],
    extra: Mapping[str, object],
    series: str,
    pooled: bool,
) -> str:
    """Return the environment file as text."""
    judgement = _judgement(public, secrets, extra, series, pooled)
    if judgement.faults:
        raise AnsibleFilterError("The environment was not held against the contract: " + " ".join(judgement.faults))
    header = "Written by Ansible (role app), the same on every host: a change here is lost, and it is a fault."
    text: str = fleet("environment_file").render(judgement.texts, header)
    return text


def environment_prints(
    public: Mapping[str, object], secrets: Mapping[str, object], extra: Mapping[str, object], series: str, pooled: bool
) -> str:
    """Return a fingerprint of every value, as JSON: enough to compare hosts with, and nothing that a value could be guessed from."""
    texts: Mapping[str, str] = _judgement(public, secrets, extra, series, pooled).texts
    # The key is a secret of the site itself. A host with another one differs in every name, and it does.
    key = hashlib.sha256(texts.get("SECRET_KEY_BASE", "").encode()).digest()
    return json.dumps(
        {name: hmac.digest(key, f"{name}={text}".encode(), "sha256").hex()[:16] for name, text in sorted(texts.items())}
    )


def environments_differ(hosts: Sequence[str], hostvars: Mapping[str, Mapping[str, Any]], register: str) -> list[str]:
    """Return which hosts of this run have another environment than the first, and in which names.

    Each host has left its fingerprints in a registered result: what another host's variables mean can only be said in its own context.
    """
    prints = {str(host): json.loads(hostvars[host][register]["msg"]) for host in hosts if register in hostvars[host]}
    faults = []
    known = list(prints)
    for host in known[1:]:
        first, other = prints[known[0]], prints[host]
        names = sorted(name for name in {*first, *other} if first.get(name) != other.get(name))
        if names:
            faults.append(f"{host} and {known[0]} differ in {', '.join(names)}.")
    return faults


def sidekiq_fleet_faults(fleet_units: Mapping[str, Sequence[Mapping[str, Any]]], queues: Sequence[str]) -> list[str]:
    """Return what is wrong with the fleet's Sidekiq processes taken together."""
    faults: list[str] = fleet("sidekiq").fleet_faults(
        {str(host): list(units) for host, units in fleet_units.items()}, list(queues)
    )
    return faults


class FilterModule:
    """Ansible's way to find filters."""

    def filters(self) -> dict[str, object]:
        """Return the filters of this file by name."""
        return {
            "environment_faults": environment_faults,
            "environment_file": environment_file,
            "environment_prints": environment_prints,
            "environments_differ": environments_differ,
            "sidekiq_fleet_faults": sidekiq_fleet_faults,
        }
