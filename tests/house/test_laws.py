# SPDX-License-Identifier: GPL-3.0-or-later
"""Each law can fail: a small house that keeps them all, and for each law a breach of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.generate import filled, table
from tests.house.laws import LAWS
from tests.house.tree import Tree

LICENCE = "# SPDX-License-Identifier: GPL-3.0-or-later\n"
ASSERT = """
---
- name: preflight | Refuse an empty name
  ansible.builtin.assert:
    that: lamp_name | length > 0
    fail_msg: "{{ inventory_hostname }}: set lamp_name."
"""
INSTALL = "---\n- name: install | Install it\n  ansible.builtin.apt: {name: lamp}\n"
PLAY = "---\n# Light.\n- name: Converge the lamps\n  hosts: lamps\n  gather_facts: false\n  roles: [lamp]\n"
SPEC = """
---
argument_specs:
  main: &main
    short_description: Light
    options:
      lamp_name: {type: str, required: true, description: What it is called.}
      lamp_watts: {type: int, default: 5, description: How bright it is.}
  preflight: *main
"""
README = """
# lamp
## Does
## Does NOT
## Entry points
## Variables
<!-- variables:begin -->
<!-- variables:end -->
"""


def contents(*parts: str) -> str:
    """Return a table of contents that imports the parts."""
    return "---\n" + "".join(f"- name: Do the {part}\n  ansible.builtin.import_tasks: {part}.yml\n" for part in parts)


GOOD = {
    "README.md": "[the lamp](roles/lamp/README.md#does-not)\n",
    "requirements.txt": "# Running\nyamllint==1.38.0  # why\n",
    "requirements.yml": "---\ncollections: []\n",
    ".ansible-lint": "---\nprofile: production\n",
    "plugins/light.py": f'{LICENCE}"""Light."""\n',
    "playbooks/light.yml": PLAY,
    "inventories/README.md": "| group | x |\n| `lamps` | give light |\n",
    "inventories/lab/hosts.yml": "---\nlamps:\n  hosts:\n    attic:\n",
    "inventories/lab/group_vars/lamps/lamp.yml": "---\nlamp_name: Ada\n",
    "inventories/lab/group_vars/lamps/firewall.yml": "---\nbase_firewall_rules_lamps: []\n",
    "molecule/lamp/molecule.yml": "---\n",
    "molecule/lamp/converge.yml": "---\n",
    "molecule/lamp/verify.yml": "---\n",
    "molecule/lamp/inventory/hosts.yml": "---\nall: {}\n",
    "roles/lamp/README.md": README.lstrip(),
    "roles/lamp/defaults/main.yml": "---\n# How bright; too bright blinds.\nlamp_watts: 5\n",
    "roles/lamp/vars/main.yml": "---\n__lamp_packages: [lamp]\n",
    "roles/lamp/meta/main.yml": "---\n",
    "roles/lamp/meta/argument_specs.yml": SPEC.lstrip(),
    "roles/lamp/tasks/main.yml": contents("preflight", "converge"),
    "roles/lamp/tasks/converge.yml": contents("install", "configure", "service"),
    "roles/lamp/tasks/preflight.yml": ASSERT.lstrip(),
    "roles/lamp/tasks/install.yml": INSTALL,
    "roles/lamp/tasks/configure.yml": "---\n- name: configure | Write it\n  config_files: {files: []}\n",
    "roles/lamp/tasks/service.yml": "---\n- name: service | Start it\n  systemd_units: {units: []}\n",
    "roles/lamp/tasks/verify.yml": "---\n- name: verify | Ask it\n  probe: {within: 0, checks: []}\n",
}
KEY = "-----BEGIN OPENSSH PRIVATE " + "KEY-----\n"


def task(body: str) -> dict[str, str | None]:
    return {"roles/lamp/tasks/install.yml": f"{INSTALL}- name: install | Go on\n  {body}\n"}


# (law, what is written instead or, with None, taken away; what the law then says)
BREACHES: list[tuple[str, dict[str, str | None], str]] = [
    ("modules have a page", {"plugins/modules/lamp.py": f'{LICENCE}"""Light."""\n'}, "has no RETURN"),
    (
        "modules have a page",
        {"plugins/modules/lamp.py": f'{LICENCE}"""Light."""\nDOCUMENTATION = r"""\nlamp: one: two\n"""\n'},
        "its DOCUMENTATION is no YAML",
    ),
    ("roles have all rooms", {"roles/lamp/tasks/verify.yml": None}, "verify.yml is missing"),
    ("roles begin with a table of contents", {"roles/lamp/tasks/main.yml": INSTALL}, "apt stands in main.yml"),
    ("roles begin with a table of contents", {"roles/lamp/tasks/converge.yml": INSTALL}, "apt stands in converge.yml"),
    (
        "roles begin with a table of contents",
        {"roles/lamp/tasks/main.yml": contents("converge", "preflight")},
        "belong there in this order",
    ),
    (
        "roles begin with a table of contents",
        {"roles/lamp/tasks/converge.yml": contents("configure", "install", "service")},
        "belong there in this order",
    ),
    ("roles judge before they act", {"roles/lamp/tasks/preflight.yml": INSTALL}, "preflight only judges"),
    ("roles judge before they act", {"roles/lamp/tasks/verify.yml": INSTALL}, "verify only judges"),
    (
        "roles judge before they act",
        {"roles/lamp/tasks/verify.yml": "---\n- name: verify | Shine\n  ansible.builtin.import_tasks: configure.yml\n"},
        "no part of verify",
    ),
    (
        "roles judge before they act",
        {
            "roles/lamp/tasks/verify.yml": "---\n- name: verify | Remember it\n  fleet_ledger: {name: lamp/attic, state: removed}\n"
        },
        "verify only judges",
    ),
    (
        "roles refuse in words",
        {"roles/lamp/tasks/preflight.yml": ASSERT.replace("{{ inventory_hostname }}", "It")},
        "does not name its host",
    ),
    ("roles step aside and return", {"roles/lamp/tasks/leave.yml": "---\n"}, "rejoin.yml is missing"),
    ("roles have a scenario", {"molecule/lamp/verify.yml": None}, "molecule/lamp/verify.yml is missing"),
    (
        "roles have a readme with all sections",
        {"roles/lamp/README.md": README.lstrip().replace("## Does NOT\n", "")},
        "no section `## Does NOT`",
    ),
    (
        "roles have a table of variables that is true",
        {"roles/lamp/defaults/main.yml": "---\n# Why.\nlamp_watts: 7\n"},
        "run `make docs`",
    ),
    (
        "variables are declared where they are set",
        {"roles/lamp/defaults/main.yml": "---\n# Why.\nlamp_watts: 5\n# Why.\nlamp_lux: 1\n"},
        "lamp_lux is not declared",
    ),
    (
        "variables are declared where they are set",
        {"roles/lamp/defaults/main.yml": "---\n# Why.\nlamp_watts: 6\n"},
        "the default of lamp_watts is not the one",
    ),
    ("variables are declared where they are set", {"roles/lamp/defaults/main.yml": "---\n"}, "neither required nor"),
    (
        "variables are declared where they are set",
        {"roles/lamp/defaults/main.yml": "---\nlamp_watts: 5\nlamp_name: Ada\n"},
        "is required and has a default",
    ),
    (
        "variables are typed and described",
        {"roles/lamp/meta/argument_specs.yml": SPEC.lstrip().replace("description: How bright it is.", "options: {}")},
        "lamp_watts has no description",
    ),
    (
        "variables are typed and described",
        {"roles/lamp/meta/argument_specs.yml": SPEC.lstrip().replace("type: int", "type: list")},
        "without `elements`",
    ),
    (
        "variables are judged before the first change",
        {"roles/lamp/meta/argument_specs.yml": SPEC.lstrip().replace("  preflight: *main\n", "")},
        "`preflight` is not `main`",
    ),
    ("variables carry their roles name", task("ansible.builtin.apt: {}\n  register: answer"), "answer does not begin"),
    (
        "variables carry their roles name",
        {"roles/lamp/vars/main.yml": "---\npackages: []\n"},
        "packages does not begin",
    ),
    (
        "variables are explained where they are set",
        {"roles/lamp/defaults/main.yml": "---\nlamp_watts: 5\n"},
        "has no comment above it",
    ),
    ("tasks stand in short files", {"roles/lamp/tasks/install.yml": INSTALL + "\n" * 100}, "100 are allowed"),
    ("tasks do not swallow failures", task("apt: {}\n  ignore_errors: true"), "ignore_errors"),
    ("tasks do not swallow failures", task("apt: {}\n  failed_when: false"), "failed_when: false"),
    (
        "tasks do not swallow failures",
        task("block:\n    - name: install | Inside\n      apt: {}\n      ignore_unreachable: true"),
        "ignore_unreachable",
    ),
    (
        "tasks take no defaults where they use",
        {"roles/lamp/templates/etc/lamp.j2": "{{ lamp_name | default('Ada') }}\n"},
        "lamp.j2:1: a default",
    ),
    ("tasks know no groups", {"roles/lamp/templates/etc/lamp.j2": "{{ groups['lamps'] }}\n"}, "names a group"),
    ("tasks know no groups", task("apt: {}\n  when: \"'lamps' in group_names\""), "names a group"),
    ("tasks run few commands and say why", task("ansible.builtin.command: [lamp]"), "say above it why"),
    (
        "tasks run few commands and say why",
        task("shell: a # why\n- name: install | B\n  shell: b # why"),
        "2 of 12 tasks are",
    ),
    ("tasks set few facts", task("ansible.builtin.set_fact: {__lamp_on: true}"), "are set_fact"),
    ("tasks say where they stand", {"roles/lamp/tasks/install.yml": INSTALL.replace("install | ", "")}, "`install | "),
    ("tasks do not sleep", task("ansible.builtin.pause: {seconds: 5}"), "ask for what you wait for"),
    ("tasks do not sleep", task("# Why.\n  shell: lamp; sleep 5"), "sleep in a command"),
    ("tasks do not sleep", task("wait_for: {timeout: 5}"), "is a sleep"),
    ("tasks batch their files", task("ansible.builtin.template: {src: a, dest: b}"), "give the file to config_files"),
    (
        "playbooks are hosts and roles",
        {"playbooks/light.yml": PLAY + "  vars: {lamp_name: Bob}\n"},
        "vars in a play",
    ),
    (
        "playbooks are hosts and roles",
        {"playbooks/light.yml": PLAY.replace("roles: [lamp]", "tasks: [{name: Go, apt: {}}]")},
        "apt in a playbook",
    ),
    (
        "playbooks are hosts and roles",
        {
            "playbooks/light.yml": PLAY.replace(
                "roles: [lamp]", "tasks: [{name: Go, import_role: {name: lamp}, when: x}]"
            )
        },
        "when in a playbook is logic",
    ),
    # From a part that is another file than the lock's.
    (
        "playbooks are hosts and roles",
        {
            "playbooks/parts/light.yml": PLAY.replace(
                "roles: [lamp]",
                "tasks: [{name: Go, block: [{name: A, include_tasks: tasks/lock.yml}], "
                "always: [{name: B, include_tasks: ../tasks/unlock.yml}]}]",
            )
        },
        "an operation that holds the lock",
    ),
    (
        "playbooks are hosts and roles",
        {"playbooks/light.yml": PLAY.replace("  gather_facts: false\n", "")},
        "gathers facts",
    ),
    (
        "playbooks are hosts and roles",
        {
            "playbooks/light.yml": PLAY.replace(
                "roles: [lamp]", "tasks: [{name: Go, block: [{name: A, import_role: {name: lamp}}]}]"
            )
        },
        "an operation that holds the lock",
    ),
    (
        "playbooks are hosts and roles",
        {
            "playbooks/light.yml": PLAY.replace(
                "roles: [lamp]",
                "tasks: [{name: Go, when: x, block: [{name: A, include_tasks: tasks/lock.yml}], "
                "always: [{name: B, include_tasks: tasks/unlock.yml}]}]",
            )
        },
        "when in a playbook is logic",
    ),
    ("playbooks say what they are for", {"playbooks/light.yml": PLAY.replace("# Light.\n", "")}, "has no comment"),
    (
        "inventories keep variables out of hosts files",
        {"inventories/lab/hosts.yml": "---\nlamps:\n  hosts: {attic: {ansible_host: 10.0.0.1}}\n  vars: {a: 1}\n"},
        "host attic has variables",
    ),
    (
        "inventories name variable files after roles",
        {"inventories/lab/group_vars/lamps/candle.yml": "---\n"},
        "is not group_vars/<group>/<role>.yml",
    ),
    (
        "inventories name variable files after roles",
        {"inventories/lab/group_vars/lamps/lamp.yml": "---\nwatts: 1\n"},
        "watts is no variable of lamp",
    ),
    (
        "inventories set only variables that exist",
        {"inventories/lab/group_vars/lamps/lamp.yml": "---\nlamp_wats: 1\n"},
        "lamp_wats is not a variable of the role lamp",
    ),
    ("inventories explain every group", {"inventories/README.md": "nothing\n"}, "group lamps is not in the table"),
    (
        "words python functions are short",
        {"plugins/light.py": f"{LICENCE}def light() -> None:\n" + "    pass\n" * 40},
        "light has 41 lines",
    ),
    ("words programs say their licence", {"plugins/light.py": "x = 1\n"}, "has no `# SPDX"),
    ("words yaml begins with three dashes", {"requirements.yml": "collections: []\n"}, "does not begin with"),
    ("words yaml can be read", {"requirements.yml": "---\na: b: c\n"}, "cannot be read"),
    ("words no private keys lie about", {"keys/id": KEY}, "consider this one stolen"),
    ("words no private keys lie about", {"keys/env": "AKIA" + "A" * 16}, "cloud's access key"),
    (
        "words no secrets are written down",
        {"inventories/lab/group_vars/lamps/lamp.yml": "---\nlamp_users: [{name: a, password: hunter2}]\n"},
        "password is written down",
    ),
    ("words no linter is told to look away", {".ansible-lint": "---\nskip_list: [name]\n"}, "skip_list is not empty"),
    (
        "words no linter is told to look away",
        {"plugins/light.py": f"{LICENCE}import os  # " + "noqa: F401\n"},
        "an exception without a reason",
    ),
    ("words links lead somewhere", {"README.md": "[x](docs/none.md)\n"}, "leads nowhere"),
    ("words links lead somewhere", {"README.md": "[x](roles/lamp/README.md#none)\n"}, "a heading that is not there"),
    ("words named tests exist", {"docs/failures.md": "tried in test_light\n"}, "there is no test_light:"),
    (
        "words named tests exist",
        {
            "docs/failures.md": "tried in test_light (`a_lamp`, `a_dark_lamp`)\n",
            "tests/unit/test_light.py": f"{LICENCE}def test_a_lamp() -> None: ...\n",
        },
        "1: there is no test_light (a_dark_lamp)",
    ),
    ("pins python packages are pinned", {"requirements.txt": "yamllint>=1\n"}, "is not pinned"),
    ("pins python packages are pinned", {"constraints.txt": "yamllint==1.37.0\n"}, "pinned twice"),
    (
        "pins collections are what ansible ships",
        {"requirements.yml": "---\ncollections:\n  - {name: ansible.posix, version: 0.0.1}\n"},
        "is pinned to 0.0.1",
    ),
    (
        "pins collections that are used are pinned",
        {"roles/lamp/tasks/install.yml": "---\n- name: install | Go\n  ansible.posix.mount:\n    path: /\n"},
        "uses ansible.posix",
    ),
]


def build(root: Path, changes: dict[str, str | None]) -> Tree:
    """Build the good house with some files changed; its tables are those of the good house."""
    for file, content in {**GOOD, **changes}.items():
        if content is not None:
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).write_text(content)
    return Tree(root)


@pytest.fixture
def good(tmp_path: Path) -> dict[str, str | None]:
    """The README of the good house's role, with its table filled."""
    role = build(tmp_path / "good", {}).root / "roles/lamp"
    return {"roles/lamp/README.md": filled((role / "README.md").read_text(), table(role))}


@pytest.mark.parametrize("law", LAWS)
def test_the_good_house_keeps(law: str, tmp_path: Path, good: dict[str, str | None]) -> None:
    assert LAWS[law](build(tmp_path, good)) == []


@pytest.mark.parametrize(("law", "changes", "says"), BREACHES, ids=[f"{law}: {says}" for law, _, says in BREACHES])
def test_a_breach_is_seen(
    law: str, changes: dict[str, str | None], says: str, tmp_path: Path, good: dict[str, str | None]
) -> None:
    assert says in "\n".join(LAWS[law](build(tmp_path, {**good, **changes})))


def test_every_law_is_broken_once() -> None:
    assert set(LAWS) == {law for law, _, _ in BREACHES}
