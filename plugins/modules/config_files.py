# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a set of files as wanted: all of them, or, if a reader refuses one, none."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet.files import Change, Plan, Problem, Tree, Verdict, Wanted, as_diff, overlay, plan
from ..module_utils.fleet.ports import disk
from ..module_utils.fleet.ports.commands import found

DOCUMENTATION = r"""
---
module: config_files
short_description: Write all of a role's files at once, or none
version_added: "1.0"
author: Upstairs (@upstairs)
description:
  - Renders templates on the controller, sends all files in one round trip, compares, has the new ones judged by the programs that will
    read them, and only if every reader agrees puts them in place, each with one atomic rename.
  - If a reader refuses, nothing at all is changed. The error names the file, the reader's words and the line.
  - New files wait in a hidden directory beside their destination, whose name no include glob matches, and are gone afterwards,
    also after a failure.
  - Directories are made first, in the given order. Then come files and links, and at last removals, deepest first.
  - A link at a destination is replaced, never followed. Parents may be links.
  - A file that is itself a mount point, as /etc/hosts in a container, cannot be renamed over and is overwritten in place.
  - A crash between two renames leaves some files new and some old, each of them whole; the next run finishes. It notifies only
    for what it changed itself, so restart what the first run had changed.
  - In check mode the plan is the same and nothing is written beside the destinations. What is not there yet (an owner, a group, a
    parent directory, a reader) and a reader that refuses are then warnings, since an earlier task that did not run may bring
    them; in a real run they are errors.
options:
  files:
    description: The files, each with exactly one of O(files[].template), O(files[].content), O(files[].source), O(files[].link),
      O(files[].directory), O(files[].absent).
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Where it is on the host; absolute. No path may be given twice.
        type: str
        required: true
      template:
        description: A template in the role's C(templates/) (or the playbook's). Undefined variables are errors that name the line.
        type: str
      content:
        description: The text itself. It is never taken for a template.
        type: str
      source:
        description: A file in the role's C(files/), sent as it is.
        type: str
      link:
        description: The path at which the symbolic link at O(files[].path) points.
        type: str
      directory:
        description: Make a directory, or correct its owner and mode. What is in it stays.
        type: bool
      absent:
        description: Remove a file or a link, or a directory if it is empty after this task.
        type: bool
      owner:
        description: Name of the owner of a file or directory.
        type: str
        default: root
      group:
        description: Name of the group of a file or directory.
        type: str
        default: root
      mode:
        description: Octal and in quotes. V("0644") for files and V("0755") for directories unless given.
        type: str
      validate:
        description: The command that reads a file of this kind, as a list; C(%s) stands for the new file. It runs on the host,
          without a shell,
          only if the content changes. A file whose relative includes matter needs O(validate) instead.
        type: list
        elements: str
      notify:
        description: The handler, or a list of handlers, to notify if this entry changed.
        type: raw
      secret:
        description: Keep the content out of diffs, results, logs and out of what the reader says.
        type: bool
        default: false
      force:
        description: With V(false) the file is only written if nothing is at that path; what is there keeps content, owner and mode.
        type: bool
        default: true
      recursive:
        description: Allow that a directory that is not empty is removed, or replaced by a file or a link.
        type: bool
        default: false
      vars:
        description: More variables for this template.
        type: dict
  validate:
    description: Readers that need a whole directory. It is copied to a place that only root can read, the changes are laid over the copy,
      and the reader is run on it, if anything in the tree changes. Includes must be relative to be found in the copy.
    type: list
    elements: dict
    suboptions:
      tree:
        description: The directory.
        type: str
        required: true
      command:
        description: The reader as a list; C(%s) stands for the copy of the tree.
        type: list
        elements: str
        required: true
attributes:
  check_mode:
    description: Plans and judges; changes nothing.
    support: full
  diff_mode:
    description: Shows each file; of secret ones only that they differ.
    support: full
"""

EXAMPLES = r"""
- name: configure | Write the configuration
  config_files:
    files:
      - {path: /etc/nginx/upstairs, directory: true}
      - path: /etc/nginx/nginx.conf
        template: etc/nginx/nginx.conf.j2
        notify: Reload nginx
      - path: /etc/nginx/upstairs/key.pem
        content: "{{ edge_key }}"
        mode: "0600"
        secret: true
        notify: Reload nginx
      - {path: /etc/nginx/sites-enabled/default, absent: true, notify: Reload nginx}
    validate:
      - tree: /etc/nginx
        command: [nginx, -t, -q, -c, "%s/nginx.conf"]

- name: configure | Let the operators be root
  config_files:
    files:
      - path: /etc/sudoers.d/operators
        template: etc/sudoers.d/operators.j2
        mode: "0440"
        validate: [visudo, -cf, "%s"]
"""

RETURN = r"""
changed_files:
  description: The paths that changed, in the order in which they were made.
  returned: success
  type: list
  elements: str
  sample: [/etc/nginx/nginx.conf]
plan:
  description: What is (or, in check mode, would be) done, in words and without content.
  returned: always
  type: list
  elements: str
  sample: ["/etc/nginx/nginx.conf: write (root:root 0644)"]
missing:
  description: What was not there yet, in check mode only.
  returned: success
  type: list
  elements: str
refused:
  description: What readers have against the new files.
  returned: when a reader refuses
  type: list
  elements: dict
  contains:
    path: {description: The file or tree., type: str}
    command: {description: The reader., type: str}
    output: {description: Its words., type: str}
    line: {description: The line that it names., type: int}
in_place:
  description: The changes that were made before something broke.
  returned: when a change fails
  type: list
  elements: str
"""

# What the action plugin packed; users write `files` and `validate`, which never reach the host as arguments.
SPEC: dict[str, Any] = {"payload": {"type": "str", "required": True, "no_log": True}}


def unpack(payload: str) -> tuple[list[Wanted], list[Tree]]:
    """Return the wanted files and trees from the module's one argument."""
    asked = json.loads(zlib.decompress(base64.b64decode(payload)))
    return [wanted(entry) for entry in asked["files"]], [
        Tree(tree["tree"], tuple(tree["command"])) for tree in asked["validate"]
    ]


def wanted(entry: dict[str, Any]) -> Wanted:
    """Return one entry with its owner and group looked up on this host."""
    owned = entry["kind"] in ("file", "directory")
    return Wanted(
        path=entry["path"],
        kind=entry["kind"],
        content=entry["content"].encode("utf-8", "surrogateescape"),
        target=entry["target"],
        owner=entry["owner"],
        group=entry["group"],
        uid=disk.uid_of(entry["owner"]) if owned else 0,
        gid=disk.gid_of(entry["group"]) if owned else 0,
        mode=int(entry["mode"], 8),
        validate=tuple(entry["validate"]),
        secret=entry["secret"],
        force=entry["force"],
        recursive=entry["recursive"],
    )


def planned(files: list[Wanted], trees: list[Tree]) -> Plan:
    """Compare the host with what is wanted, and add what this host lacks."""
    observed = {}
    unreadable = []
    for item in files:
        try:
            observed[item.path] = disk.observe(item)
        except OSError as error:
            unreadable.append(Problem(item.path, f"cannot be read: {error.strerror}"))
    parents = {str(Path(item.path).parent) for item in files}
    made = plan(observed, files, {parent for parent in parents if Path(parent).is_dir()})
    return Plan(made.changes, (*unreadable, *made.problems, *lacking(made.changes, trees)))


def lacking(changes: Iterable[Change], trees: Iterable[Tree]) -> list[Problem]:
    """Return the owners, groups and readers that the changes need and that this host does not have."""
    changes = list(changes)
    problems = []
    for change in changes:
        item = change.wanted
        if item.uid is None:
            problems.append(Problem(item.path, f"no user {item.owner} on this host", may_pass=True))
        if item.gid is None:
            problems.append(Problem(item.path, f"no group {item.group} on this host", may_pass=True))
        if change.verb == "write" and item.validate and not found(item.validate[0]):
            problems.append(Problem(item.path, f"its reader {item.validate[0]} is not installed", may_pass=True))
    for tree in trees:
        if overlay(tree.path, changes) and not found(tree.command[0]):
            problems.append(Problem(tree.path, f"its reader {tree.command[0]} is not installed", may_pass=True))
    return problems


def judge(stage: disk.Stage, changes: Iterable[Change], trees: Iterable[Tree], secrets: list[str]) -> list[Verdict]:
    """Stage all new files and return what their readers have against them."""
    changes = list(changes)
    verdicts = []
    for change in changes:
        if change.verb in ("write", "link"):
            stage.put(change)
        if change.verb == "write" and change.wanted.validate and found(change.wanted.validate[0]):
            verdicts.append(stage.judge(change, secrets))
    for tree in trees:
        if overlay(tree.path, changes) and found(tree.command[0]):
            verdicts.append(stage.judge_tree(tree, changes, secrets))
    return [verdict for verdict in verdicts if verdict]


def install(module: AnsibleModule, stage: disk.Stage, changes: Iterable[Change]) -> None:
    """Put everything in place, and say what is in place if that breaks off."""
    done: list[str] = []
    for change in changes:
        try:
            stage.install(change)
        except OSError as error:
            broke = f"{change.describe()}: {error.strerror or error}"
            said = f"Before that {len(done)} changes were made (see in_place), and their handlers were not notified."
            module.fail_json(msg=f"{broke}. {said}", in_place=done)
        done.append(change.describe())


def refuse(module: AnsibleModule, problems: Iterable[Problem], verdicts: Iterable[Verdict]) -> None:
    """Stop before anything is changed, or, in check mode, warn of what an earlier task may still bring."""
    hard = [str(problem) for problem in problems if not (problem.may_pass and module.check_mode)]
    soft = [str(problem) for problem in problems if problem.may_pass]
    if hard:
        module.fail_json(msg="Nothing was written. " + "; ".join(hard))
    if soft:
        module.warn("In a real run this must be there by now. " + "; ".join(soft))
    refused = "\n".join(str(verdict) for verdict in verdicts)
    if refused and not module.check_mode:
        module.fail_json(msg="Nothing was written. " + refused, refused=[vars(verdict) for verdict in verdicts])
    if refused:
        module.warn("As things are now, " + refused)


def main() -> None:
    """Observe, plan, judge, and put in place."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    files, trees = unpack(module.params["payload"])
    made = planned(files, trees)
    refuse(module, made.problems, [])
    secrets = [item.content.decode(errors="replace") for item in files if item.secret]
    try:
        with disk.Stage(elsewhere=module.check_mode) as stage:
            verdicts = judge(stage, made.changes, trees, secrets)
            refuse(module, [], verdicts)
            if not module.check_mode:
                install(module, stage, made.changes)
    except OSError as error:
        module.fail_json(msg=f"The new files could not be staged. {error}")
    module.exit_json(
        changed=bool(made.changes),
        changed_files=[change.path for change in made.changes],
        plan=[change.describe() for change in made.changes],
        missing=[str(problem) for problem in made.problems],
        refused=[vars(verdict) for verdict in verdicts],
        diff=[as_diff(change) for change in made.changes] if module._diff else [],
    )


if __name__ == "__main__":
    main()
