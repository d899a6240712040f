# SPDX-License-Identifier: GPL-3.0-or-later
"""Promises of the controller's half of config_files: alone, and in real runs of ansible-playbook on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from plugins.action.config_files import check_entries, check_trees, given, handlers_of, lines_of

REPOSITORY = Path(__file__).parents[3]
GOOD = {"path": "/etc/a", "content": ""}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"content": "x"}, "entry 1: has no path"),
        ({"path": "etc/a", "content": "x"}, "etc/a: the path must be absolute"),
        ({"path": "/etc/../a", "content": "x"}, "/etc/../a: the path must be absolute and without `..`"),
        ({"path": "/etc/a/", "directory": True}, "/etc/a/: the path must be absolute"),
        (
            {"path": "/etc/a"},
            "/etc/a: must have exactly one of template, content, source, link, directory, absent, but has none",
        ),
        ({**GOOD, "template": "b.j2"}, "but has template and content"),
        ({**GOOD, "ownr": "root"}, "/etc/a: unknown key ownr"),
        ({**GOOD, "mode": 0o644}, "/etc/a: mode 420 must be three or four octal digits in quotes"),
        ({**GOOD, "mode": "rw"}, "/etc/a: mode 'rw' must be"),
        ({**GOOD, "validate": "visudo -cf %s"}, "/etc/a: validate must be a list of strings"),
        ({**GOOD, "validate": ["visudo"]}, "%s stands for the new file"),
        ({**GOOD, "notify": [1]}, "/etc/a: notify must be"),
        ({**GOOD, "secret": "yes"}, "/etc/a: secret must be true or false"),
        ({**GOOD, "vars": {}}, "/etc/a: vars has no meaning beside `content`"),
        ({"path": "/etc/a", "content": 5}, "/etc/a: `content` must be a string, not int"),
        ({"path": "/etc/a", "link": ""}, "/etc/a: `link` is empty"),
        ({"path": "/etc/a", "directory": False}, "/etc/a: `directory` can only be true"),
        ({"path": "/etc/a", "link": "/b", "mode": "0644"}, "/etc/a: mode has no meaning beside `link`"),
        ({"path": "/etc/a", "absent": True, "owner": "root"}, "/etc/a: owner has no meaning beside `absent`"),
        ("/etc/a", "entry 1: is not a dictionary"),
    ],
)
def test_an_entry_that_makes_no_sense_is_refused_in_words(entry: Any, words: str) -> None:
    (fault,) = check_entries([entry])
    assert words in fault


def test_entries_that_make_sense_are_not_refused() -> None:
    full = {
        "owner": "a",
        "group": "b",
        "mode": "0640",
        "notify": "H",
        "secret": True,
        "force": False,
        "recursive": True,
    }
    assert (
        check_entries(
            [
                {**GOOD, **full, "validate": ["x", "%s"]},
                {"path": "/b", "directory": True, "mode": "755", "notify": ["H"]},
            ]
        )
        == []
    )
    assert check_entries([]) == []


def test_no_path_may_come_twice_or_lie_in_what_shall_go() -> None:
    assert check_entries([GOOD, GOOD]) == ["/etc/a: is given twice"]
    assert check_entries([{"path": "/etc", "absent": True}, GOOD]) == ["/etc/a: lies in /etc, which shall be absent"]


def test_a_key_that_is_null_counts_as_not_given() -> None:
    assert check_entries(given([{**GOOD, "template": None, "mode": None}])) == []


def test_files_that_are_no_list_are_refused() -> None:
    assert check_entries(given({"path": "/etc/a"})) == ["`files` must be a list of entries"]
    assert check_entries(given(None)) == ["`files` must be a list of entries"]


@pytest.mark.parametrize(
    "tree",
    [
        {"tree": "/etc/nginx"},
        {"tree": "etc", "command": ["x", "%s"]},
        {"tree": "/", "command": ["x", "%s"]},
        {"tree": "/etc", "command": ["x"]},
    ],
)
def test_a_tree_that_makes_no_sense_is_refused(tree: dict[str, Any]) -> None:
    assert len(check_trees([tree])) == 1


def test_only_what_changed_is_notified_each_handler_once() -> None:
    files: list[dict[str, Any]] = [
        {"path": "/a", "notify": "A"},
        {"path": "/b", "notify": ["A", "B"]},
        {"path": "/c", "notify": "C"},
    ]
    assert handlers_of(files, ["/b", "/a"], ["Own", "A"]) == ["Own", "A", "B"]
    assert handlers_of(files, [], []) == []


def test_the_lines_that_use_an_undefined_name_are_found() -> None:
    source = "{% if here %}\n{{ redis_port }}\n{% endif %}\n{{ host.port }}\n{{ host['name'] | no_filter }}\nredis_port {# redis_port #}\n"
    assert lines_of(source, "'redis_port' is undefined") == [2]
    assert lines_of(source, "object of type 'dict' has no attribute 'port'") == [4]
    assert lines_of(source, "object of type 'dict' has no attribute 'name'") == [5]
    assert lines_of(source, "The filter plugin 'ansible.builtin.no_filter' failed") == [5]
    assert lines_of(source, "'elsewhere' is undefined") == []


Play = Callable[..., dict[str, Any]]
HANDLERS = [{"name": name, "ansible.builtin.debug": {"msg": name}} for name in ("First", "Second", "Own")]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Return a function that runs one task in a role on this machine and returns what came of it."""
    role = tmp_path / "roles/app"
    for name in ("tasks", "handlers", "templates/etc", "files"):
        (role / name).mkdir(parents=True)
    (role / "handlers/main.yml").write_text(yaml.safe_dump(HANDLERS))
    hosts = {"hosts": "localhost", "connection": "local", "gather_facts": False, "roles": ["app"]}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([hosts]))
    (tmp_path / "ansible.cfg").touch()
    plugins = REPOSITORY / "plugins"
    surroundings = {
        **os.environ,
        "ANSIBLE_CONFIG": f"{tmp_path}/ansible.cfg",
        "ANSIBLE_LIBRARY": f"{plugins}/modules",
        "ANSIBLE_MODULE_UTILS": f"{plugins}/module_utils",
        "ANSIBLE_ACTION_PLUGINS": f"{plugins}/action",
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "ANSIBLE_PIPELINING": "true",
    }

    def play(task: dict[str, Any], *options: str, **variables: Any) -> dict[str, Any]:
        (role / "tasks/main.yml").write_text(yaml.safe_dump([{"name": "Write", **task}]))
        extra = json.dumps({**variables, "ansible_python_interpreter": sys.executable})
        command = ["-m", "ansible.cli.playbook", "play.yml", "-i", "localhost,", "-e", extra, *options]
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=surroundings, capture_output=True, text=True, check=False
        )
        report = done.stdout[done.stdout.find("\n{") + 1 if options else 0 :]
        assert report.startswith("{"), done.stdout + done.stderr
        tasks = {
            entry["task"]["name"].split(" : ")[-1]: entry["hosts"]["localhost"]
            for entry in json.loads(report)["plays"][0]["tasks"]
        }
        return {
            "handlers": [name for name in tasks if name != "Write"],
            "text": done.stdout + done.stderr,
            **tasks["Write"],
        }

    return play


def test_files_are_rendered_found_and_written_and_only_what_changes_is_notified(play: Play, tmp_path: Path) -> None:
    role, out = tmp_path / "roles/app", tmp_path / "out"
    (role / "templates/etc/app.conf.j2").write_text(
        "{{ ansible_managed }}\n{% for p in ports %}\nport {{ p }} {{ instance }}\n{% endfor %}\n{% include 'etc/part.j2' %}\nend\n"
    )
    (role / "templates/etc/part.j2").write_text("part of {{ instance }}\n\n")
    (role / "files/blob").write_bytes(b"\x00\xff{{ raw }}")
    task = {
        "notify": "Own",
        "config_files": {
            "files": [
                {"path": f"{out}", "directory": True, "owner": "{{ me }}", "group": "{{ mine }}"},
                {
                    "path": f"{out}/app.conf",
                    "template": "etc/app.conf.j2",
                    "vars": {"instance": "data"},
                    "notify": "First",
                    "owner": "{{ me }}",
                    "group": "{{ mine }}",
                },
                {"path": f"{out}/blob", "source": "blob", "owner": "{{ me }}", "group": "{{ mine }}"},
                {
                    "path": f"{out}/key",
                    "content": "{{ key }}",
                    "mode": "0600",
                    "secret": True,
                    "notify": ["Second"],
                    "owner": "{{ me }}",
                    "group": "{{ mine }}",
                },
            ]
        },
    }
    values = {
        "ports": [1, 2],
        "key": "sesame {% raw %}{{ open }}{% endraw %} \" ' $ \\",
        "me": str(os.geteuid()),
        "mine": str(os.getegid()),
    }

    first = play(task, "--diff", "-vvv", **values)
    assert first["handlers"] == ["First", "Second", "Own"]
    assert (out / "app.conf").read_text() == (
        "Written by Ansible. Changes made here are lost.\nport 1 data\nport 2 data\npart of data\nend\n"
    )
    assert (out / "blob").read_bytes() == b"\x00\xff{{ raw }}"
    assert (out / "key").read_text() == "sesame {{ open }} \" ' $ \\"
    assert "invocation" not in first
    assert "sesame {{ open" not in first["text"]
    assert "port 2 data" in json.dumps(first["diff"])

    second = play(task, "--diff", **{**values, "key": "changed"})
    assert second["handlers"] == ["Second", "Own"]
    assert second["changed_files"] == [f"{out}/key"]
    assert "sesame" not in json.dumps(second["diff"])

    third = play(task, **{**values, "key": "changed"})
    assert (third["changed"], third["handlers"]) == (False, [])


def test_a_template_that_cannot_be_rendered_names_entry_file_and_line(play: Play, tmp_path: Path) -> None:
    template = tmp_path / "roles/app/templates/etc/app.conf.j2"
    template.write_text("one\n{% if true %}\ntwo {{ nowhere }}\n{% endif %}\n")
    entries = [
        {"path": f"{tmp_path}/fine", "content": "x"},
        {"path": f"{tmp_path}/app.conf", "template": "etc/app.conf.j2"},
    ]
    told = play({"config_files": {"files": entries}})
    assert (
        f"Nothing was written. {tmp_path}/app.conf: the template {template}, line 3, cannot be rendered: 'nowhere' is undefined"
        in told["msg"]
    )
    assert not (tmp_path / "fine").exists()
    template.write_text("one\n\n{% endfor %}\n")
    told = play({"config_files": {"files": entries}})
    assert f"{template}, line 3, cannot be rendered: Syntax error in template" in told["msg"]


def test_a_secret_template_that_breaks_shows_no_value(play: Play, tmp_path: Path) -> None:
    template = tmp_path / "roles/app/templates/key.j2"
    for broken in ("{{ key | ansible.builtin.to_datetime }}", "{{ {}[key] }}"):
        template.write_text(f"a\n{broken}\n")
        entry = {"path": f"{tmp_path}/key", "template": "key.j2", "secret": True}
        told = play({"config_files": {"files": [entry]}}, "-vvv", key="sesame-open")
        assert "sesame" not in told["text"]
        assert f"{template}" in told["msg"]
        assert "not shown, as the file is secret" in told["msg"]
    template.write_text("a\n{{ nowhere }}\n")
    told = play({"config_files": {"files": [entry]}})
    assert told["msg"].endswith("key.j2, line 2, cannot be rendered: 'nowhere' is undefined")
