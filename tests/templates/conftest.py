# SPDX-License-Identifier: GPL-3.0-or-later
"""Render a role's real template as a run would: Ansible's own templating, strict, with the role's own variables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import filter_loader, init_plugin_loader
from ansible.template import Templar, trust_as_template

ROOT = Path(__file__).resolve().parents[2]
# What Ansible itself gives to every task.
MAGIC = {"inventory_hostname": "host-1", "group_names": [], "groups": {"all": ["host-1"]}, "hostvars": {}}
Render = Callable[..., str]


def _trusted(value: Any) -> Any:
    """Mark what the repository's own files say as templates, as Ansible does when it reads them."""
    if isinstance(value, dict):
        return {str(key): _trusted(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_trusted(inner) for inner in value]
    return trust_as_template(value) if isinstance(value, str) else value


def role_variables(role: str) -> dict[str, Any]:
    """Return the role's defaults and internals."""
    found: dict[str, Any] = {}
    for room in ("defaults", "vars"):
        path = ROOT / "roles" / role / room / "main.yml"
        found |= _trusted(yaml.safe_load(path.read_text()) or {}) if path.is_file() else {}
    return found


class Roles:
    """The roles of this repository, to be asked what they would write."""

    def _templar(self, role: str, variables: dict[str, Any], search: list[Path]) -> Templar:
        loader = DataLoader()
        loader.set_basedir(str(ROOT))
        given = {**MAGIC, "ansible_managed": "MANAGED", **role_variables(role), **_trusted(variables)}
        templar = Templar(loader=loader, variables=given)
        return templar.copy_with_new_env(searchpath=[str(path) for path in search], available_variables=given)

    def render(self, role: str, template: str, **variables: Any) -> str:
        """Return what a template of a role says; a variable that nobody set is an error."""
        path = ROOT / "roles" / role / "templates" / template
        templar = self._templar(role, variables, [path.parent, ROOT / "roles" / role / "templates"])
        source = trust_as_template(path.read_text())
        return str(templar.template(source, escape_backslashes=False, overrides={"trim_blocks": True}))

    def value(self, role: str, expression: str, **variables: Any) -> Any:
        """Return what an expression is where a role's variables are known."""
        return self._templar(role, variables, []).template(trust_as_template("{{ " + expression + " }}"))


@pytest.fixture(scope="session")
def roles() -> Roles:
    """The roles, with the repository's own filters."""
    init_plugin_loader()
    filter_loader.add_directory(str(ROOT / "plugins" / "filter"))
    return Roles()


@pytest.fixture(scope="session")
def render(roles: Roles) -> Render:
    """``render(role, template, **variables)``."""
    return roles.render
