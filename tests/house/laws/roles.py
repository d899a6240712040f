# SPDX-License-Identifier: GPL-3.0-or-later
"""A role's rooms: the same in every role, so that who knows one knows all."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from docs.generate import BEGIN, END, stale
from tests.house.tree import Task, Tree

ROOMS = (
    "README.md",
    "defaults/main.yml",
    "vars/main.yml",
    "meta/main.yml",
    "meta/argument_specs.yml",
    *(f"tasks/{part}.yml" for part in ("main", "preflight", "converge", "configure", "verify")),
)
# A role without packages or units of its own has no room for them.
STORY = ["install.yml", "configure.yml", "service.yml"]
SECTIONS = ("Does", "Does NOT", "Entry points", "Variables")
# Roles that visitors' requests go through: a host must be able to step aside.
SERVING = ("edge", "web", "streaming", "sidekiq")


def have_all_rooms(tree: Tree) -> list[str]:
    """Every role has the same rooms."""
    return [
        f"roles/{role}/{room} is missing: every role has the same rooms"
        for role in tree.roles
        for room in ROOMS
        if f"roles/{role}/{room}" not in tree.files
    ]


def _imports(tree: Tree, file: str) -> tuple[list[str], list[str]]:
    """Return the files that a table of contents imports, and a fault for each task that imports nothing."""
    imported, faults = [], []
    for task in tree.tasks(file):
        if task.module != "import_tasks":
            what = f"{task.module or 'a block'} stands in {PurePosixPath(file).name}"
            faults.append(f"{task.where}: {what}: move it, a table of contents only imports files")
        else:
            argument = task.argument
            imported.append(str(argument.get("file", "") if isinstance(argument, dict) else argument))
    return imported, faults


def begin_with_a_table_of_contents(tree: Tree) -> list[str]:
    """tasks/main.yml judges, then converges; tasks/converge.yml imports the rooms in the order of time."""
    faults = []
    for role in tree.roles:
        told = [part for part in STORY if f"roles/{role}/tasks/{part}" in tree.files]
        for name, wanted in (("main.yml", ["preflight.yml", "converge.yml"]), ("converge.yml", told)):
            file = f"roles/{role}/tasks/{name}"
            imported, wrong = _imports(tree, file)
            faults += wrong
            if [part for part in imported if part in wanted] != wanted:
                faults.append(f"{file}: imports {', '.join(imported)}: {', '.join(wanted)} belong there in this order")
    return faults


def judge_before_they_act(tree: Tree) -> list[str]:
    """preflight.yml asserts and nothing else; verify.yml asks and nothing else."""
    allowed = {
        "preflight": re.compile(r"assert|include_tasks|import_tasks|\w+_info"),
        "verify": re.compile(r"assert|import_tasks|probe|\w+_health|\w+_info"),
    }
    faults = []
    for file in tree.task_files("tasks"):
        # preflight-certificate.yml belongs to preflight.yml.
        room = PurePosixPath(file).stem.partition("-")[0]
        for task in tree.tasks(file) if room in allowed else ():
            if task.module and not allowed[room].fullmatch(task.module) and not _only_reads(task):
                faults.append(f"{task.where}: {task.module} changes something or is no question: {room} only judges")
            if task.module in ("include_tasks", "import_tasks") and not str(task.argument).startswith(room):
                faults.append(f"{task.where}: goes to {task.argument}, which is no part of {room}: {room} only judges")
    return faults


def _only_reads(task: Task) -> bool:
    """Whether it is a module that also writes, and is only asked here."""
    return (
        task.module == "fleet_ledger"
        and isinstance(task.argument, dict)
        and task.argument.get("state") in ("read", "listed")
    )


def refuse_in_words(tree: Tree) -> list[str]:
    """An assert says which host and what to do."""
    faults = []
    for task in tree.role_tasks:
        if task.module != "assert":
            continue
        message = str(task.argument.get("fail_msg", "")) if isinstance(task.argument, dict) else ""
        if "inventory_hostname" not in message:
            faults.append(
                f"{task.where}: the refusal does not name its host: put {{{{ inventory_hostname }}}} into fail_msg"
            )
    return faults


def step_aside_and_return(tree: Tree) -> list[str]:
    """Whoever can leave can rejoin, and whoever serves people can do both."""
    faults = []
    for role in tree.roles:
        both = {part for part in ("leave", "rejoin") if f"roles/{role}/tasks/{part}.yml" in tree.files}
        wanted = {"leave", "rejoin"} if role in SERVING or both else set()
        faults += [
            f"roles/{role}/tasks/{part}.yml is missing: leave and rejoin come together"
            for part in sorted(wanted - both)
        ]
    return faults


def have_a_scenario(tree: Tree) -> list[str]:
    """Every role has a Molecule scenario that judges it."""
    return [
        f"molecule/{role}/{file} is missing: give the role a scenario that can fail"
        for role in tree.roles
        for file in ("molecule.yml", "converge.yml", "verify.yml", "inventory/hosts.yml")
        if f"molecule/{role}/{file}" not in tree.files
    ]


def have_a_readme_with_all_sections(tree: Tree) -> list[str]:
    """A README says what the role does, what it does not, how to enter, and its variables."""
    faults = []
    for role in tree.roles:
        file = f"roles/{role}/README.md"
        text = tree.text(file)
        if text and not text.startswith(f"# {role}\n"):
            faults.append(f"{file}: does not begin with the title `# {role}`")
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        faults += [f"{file}: has no section `## {section}`" for section in SECTIONS if section not in headings]
        if BEGIN not in text or END not in text:
            faults.append(f"{file}: has no markers {BEGIN} and {END} for the table of variables")
    return faults


def have_a_table_of_variables_that_is_true(tree: Tree) -> list[str]:
    """The table of variables is what the specification and the defaults say."""
    return [
        f"{readme.relative_to(tree.root)}: its table of variables is out of date: run `make docs`"
        for readme in stale(tree.root)
    ]


LAWS = (
    have_all_rooms,
    begin_with_a_table_of_contents,
    judge_before_they_act,
    refuse_in_words,
    step_aside_and_return,
    have_a_scenario,
    have_a_readme_with_all_sections,
    have_a_table_of_variables_that_is_true,
)
