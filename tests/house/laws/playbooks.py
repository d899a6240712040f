# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks: hosts and roles, in an order, with a reason."""

from __future__ import annotations

import posixpath
from typing import Any

from tests.house.tree import Task, Tree

PLAY_KEYS = {"name", "hosts", "gather_facts", "become", "roles", "tasks", "serial", "any_errors_fatal", "tags", "order"}
# assert: a playbook may refuse to run.
MODULES = {"import_role", "include_role", "assert"}
TASK_KEYS = {"name", "tags", "run_once"}
# Parts of operations that no role owns, because they speak of the whole fleet: above all its lock.
SHARED = "playbooks/tasks/"
# An operation that can hurt holds the lock meanwhile. Its variables say what is done, and hand over what was typed (-e).
OPERATION_KEYS = {"name", "vars", "block", "always"}
# Playbooks that hold more than that, and why.
EXCEPTIONS: dict[str, str] = {}


def _plays(tree: Tree) -> list[tuple[str, Any]]:
    files = [file for file in tree.under("playbooks/", "site.yml", ends=(".yml",)) if file not in EXCEPTIONS]
    return [(file, play) for file in files if not file.startswith(SHARED) for play in tree.yaml(file) or []]


def _included(file: str, tasks: Any) -> list[str]:
    """Return which files of the repository are included: a part names them by another way than a playbook does."""
    said = [str(value) for body in tasks or [] for key, value in body.items() if key.endswith("include_tasks")]
    return [posixpath.normpath(posixpath.join(posixpath.dirname(file), value)) for value in said]


def _operation_faults(task: Task) -> list[str]:
    extra = sorted(set(task.body) - OPERATION_KEYS)
    if extra:
        return [f"{task.where}: {', '.join(extra)} in a playbook is logic: move it into the role"]
    held, given_back = (_included(task.file, task.body.get(part)) for part in ("block", "always"))
    if f"{SHARED}lock.yml" in held and f"{SHARED}unlock.yml" in given_back:
        return []
    return [
        f"{task.where}: a block in a playbook is an operation that holds the lock: include tasks/lock.yml, and always unlock.yml"
    ]


def _task_faults(task: Task) -> list[str]:
    if "block" in task.body:
        return _operation_faults(task)
    if task.module == "include_tasks" and str(task.argument).startswith(("tasks/", "../tasks/")):
        return []
    if task.module not in MODULES:
        return [f"{task.where}: {task.module or 'a block'} in a playbook: move it into a role"]
    module = next(key for key in task.body if key.rsplit(".", 1)[-1] == task.module)
    extra = sorted(set(task.body) - TASK_KEYS - {module})
    return [f"{task.where}: {', '.join(extra)} in a playbook is logic: move it into the role"] if extra else []


def are_hosts_and_roles(tree: Tree) -> list[str]:
    """A play names hosts and roles; thinking happens in roles and modules."""
    faults = []
    for file, play in _plays(tree):
        where = f"{file}:{play.line}"
        if "ansible.builtin.import_playbook" in play:
            continue
        extra = sorted(set(play) - PLAY_KEYS)
        if extra:
            faults.append(f"{where}: {', '.join(extra)} in a play: variables belong to inventories, work to roles")
        if play.get("gather_facts") is not False:
            faults.append(f"{where}: gathers facts, the dearest task of a run: write gather_facts: false")
    for file in {file for file, _ in _plays(tree)}:
        faults += [fault for task in tree.play_tasks(file) for fault in _task_faults(task)]
    return sorted(faults)


def say_what_they_are_for(tree: Tree) -> list[str]:
    """A playbook begins with a comment: what it does, and why in this order."""
    return [
        f"{file}: has no comment below `---`: say what it is for, and why in this order"
        for file in tree.under("playbooks/", ends=(".yml",))
        if len(tree.lines(file)) < 2 or not tree.lines(file)[1].startswith("#")
    ]


LAWS = (are_hosts_and_roles, say_what_they_are_for)
