# SPDX-License-Identifier: GPL-3.0-or-later
"""A module as Ansible calls it; and two Alertmanagers that are played, for whoever has to ask or to tell all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import pytest
from ansible.module_utils.testing import patch_module_args

from tests.unit.module_utils.fleet.ports.played_alertmanager import Played, alertmanager


class Module(Protocol):
    """A file of plugins/modules."""

    def main(self) -> None: ...


class Call(Protocol):
    """Run a module with parameters and return what it tells."""

    def __call__(self, module: Module, params: Mapping[str, Any]) -> dict[str, Any]: ...


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    def call(module: Module, params: Mapping[str, Any]) -> dict[str, Any]:
        with patch_module_args(dict(params)), pytest.raises(SystemExit):
            module.main()
        told: dict[str, Any] = json.loads(capsys.readouterr().out)
        return told

    return call


@pytest.fixture
def both() -> Iterator[tuple[Played, Played]]:
    with alertmanager() as one, alertmanager() as other:
        yield one, other
