# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks: short files, honest failures, few commands."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from tests.house.tree import Task, Tree

LONGEST_FILE = 100
COMMANDS = {"command", "shell", "raw", "script"}
MOST_COMMANDS = 0.10
MOST_SET_FACTS = 0.04
DEFAULT = re.compile(r"\|\s*(default|d)\b\s*\(")
# All hosts are no group of anybody's.
GROUPS = re.compile(r"\bgroups\s*(\[(?!['\"]all['\"]\])|\.(?!all\b)[a-z])|['\"]\s+(not\s+)?in\s+group_names\b")


def _all(tree: Tree) -> list[Task]:
    return [
        *tree.role_tasks,
        *(task for file in tree.under("playbooks/", ends=(".yml",)) for task in tree.play_tasks(file)),
    ]


def stand_in_short_files(tree: Tree) -> list[str]:
    """A file of tasks fits on two screens."""
    return [
        f"{file}: has {len(tree.lines(file))} lines, {LONGEST_FILE} are allowed: split it by what it tells"
        for file in tree.task_files()
        if len(tree.lines(file)) > LONGEST_FILE
    ]


def do_not_swallow_failures(tree: Tree) -> list[str]:
    """No task goes on after a failure that it does not understand."""
    faults = []
    for task in _all(tree):
        for key in ("ignore_errors", "ignore_unreachable"):
            if key in task.body:
                faults.append(f"{task.where}: {key}: stop, or say with failed_when which failure is none")
        if "failed_when" in task.body and str(task.body["failed_when"]).strip().lower() in ("false", "no", "[]"):
            faults.append(f"{task.where}: failed_when: false: say which failure is none")
    return faults


def take_no_defaults_where_they_use(tree: Tree) -> list[str]:
    """A default stands in defaults/main.yml and nowhere else."""
    files = [*tree.task_files(), *(name for name in tree.under("roles/") if name.split("/")[2] == "templates")]
    return [
        f"{file}:{number}: a default at the point of use: set it in defaults/main.yml or vars/main.yml"
        for file in files
        for number, line in enumerate(tree.lines(file), start=1)
        if DEFAULT.search(line) and not line.lstrip().startswith("#")
    ]


def know_no_groups(tree: Tree) -> list[str]:
    """A role does not know the inventory's groups."""
    rooms = ("tasks", "handlers", "templates", "defaults", "vars")
    return [
        f"{file}:{number}: names a group of the inventory: take the members as a variable, group_vars connects them"
        for file in tree.under("roles/")
        if file.split("/")[2] in rooms
        for number, line in enumerate(tree.lines(file), start=1)
        if GROUPS.search(line) and not line.lstrip().startswith("#")
    ]


def _explained(tree: Tree, task: Task) -> bool:
    lines = tree.lines(task.file)
    key = next(key for key in task.body if key.rsplit(".", 1)[-1] == task.module)
    at = next(
        (n for n in range(task.line - 1, len(lines)) if lines[n].strip(" -").startswith(f"{key}:")), task.line - 1
    )
    places = (lines[task.line - 2] if task.line > 1 else "", lines[at - 1] if at else "")
    return any(place.lstrip().startswith("#") for place in places) or " # " in lines[at]


def run_few_commands_and_say_why(tree: Tree) -> list[str]:
    """A command is the exception, and its comment says why no module does it."""
    tasks = [task for task in _all(tree) if task.module]
    commands = [task for task in tasks if task.module in COMMANDS]
    faults = [
        f"{task.where}: {task.module} without a comment: say above it why no module does this"
        for task in commands
        if not _explained(tree, task)
    ]
    if len(commands) > MOST_COMMANDS * len(tasks):
        where = ", ".join(task.where for task in commands)
        faults.append(
            f"{len(commands)} of {len(tasks)} tasks are commands ({where}): less than {MOST_COMMANDS:.0%} may be"
        )
    return faults


def set_few_facts(tree: Tree) -> list[str]:
    """Values are computed in vars/, not carried from task to task."""
    tasks = [task for task in _all(tree) if task.module]
    facts = [task for task in tasks if task.module == "set_fact"]
    where = ", ".join(task.where for task in facts)
    if len(facts) <= MOST_SET_FACTS * len(tasks):
        return []
    return [
        f"{len(facts)} of {len(tasks)} tasks are set_fact ({where}): less than {MOST_SET_FACTS:.0%} may be; use vars/main.yml"
    ]


def say_where_they_stand(tree: Tree) -> list[str]:
    """A task's name is a sentence; outside the tables of contents it begins with its file's name."""
    faults = []
    for file in tree.task_files("tasks"):
        stem = PurePosixPath(file).stem
        prefix = "" if stem in ("main", "converge") else f"{stem} | "
        for task in tree.tasks(file):
            name = str(task.body.get("name", ""))
            if not name and not task.module:
                continue
            if not name.startswith(prefix) or not re.match(r"[A-Z\"'{]", name[len(prefix) :] or "-"):
                faults.append(f"{task.where}: the name {name!r} is not `{prefix}Sentence`")
    return faults


def do_not_sleep(tree: Tree) -> list[str]:
    """Every wait is a question with a deadline."""
    faults = []
    for task in _all(tree):
        argument = task.argument if isinstance(task.argument, dict) else {}
        if task.module == "pause" and {"seconds", "minutes"} & set(argument):
            faults.append(f"{task.where}: pause: ask for what you wait for (probe, with a deadline)")
        if task.module == "wait_for" and not {"port", "path"} & set(argument):
            faults.append(f"{task.where}: wait_for that asks nothing is a sleep: ask for what you wait for")
        if task.module in COMMANDS and re.search(r"(^|[\s;&'\"\[])sleep\s+\d", str(task.argument)):
            faults.append(f"{task.where}: sleep in a command: ask for what you wait for (probe, with a deadline)")
    return faults


def batch_their_files(tree: Tree) -> list[str]:
    """Files are written by config_files: one round trip, validated before they are put in place."""
    lone = {"template", "copy", "lineinfile", "blockinfile", "replace", "file", "assemble"}
    return [
        f"{task.where}: {task.module}: give the file to config_files" for task in tree.role_tasks if task.module in lone
    ]


LAWS = (
    stand_in_short_files,
    do_not_swallow_failures,
    take_no_defaults_where_they_use,
    know_no_groups,
    run_few_commands_and_say_why,
    set_few_facts,
    say_where_they_stand,
    do_not_sleep,
    batch_their_files,
)
