# SPDX-License-Identifier: GPL-3.0-or-later
"""A repository as the laws read it: its files, its YAML with line numbers, its tasks."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

BLOCKS = ("block", "rescue", "always")
# Keys of a task that are not its module. What is left is the module.
KEYWORDS = {
    *BLOCKS,
    *("any_errors_fatal", "args", "async", "become", "become_user", "changed_when", "check_mode", "collections"),
    *("connection", "delay", "delegate_facts", "delegate_to", "diff", "environment", "failed_when", "ignore_errors"),
    *("ignore_unreachable", "listen", "loop", "loop_control", "module_defaults", "name", "no_log", "notify", "poll"),
    *("port", "register", "remote_user", "retries", "run_once", "tags", "throttle", "timeout", "until", "vars", "when"),
}


class Map(dict[str, Any]):
    """A mapping that knows its line."""

    line: int = 0


class Loader(yaml.CSafeLoader):
    """YAML as Ansible writes it, with line numbers."""


def _map(loader: Loader, node: yaml.MappingNode) -> Map:
    value = Map({str(key): inner for key, inner in loader.construct_mapping(node, deep=True).items()})
    value.line = node.start_mark.line + 1
    return value


def _tagged(loader: Loader, suffix: str, node: yaml.Node) -> Any:
    return loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None


Loader.add_constructor("tag:yaml.org,2002:map", _map)
Loader.add_multi_constructor("!", _tagged)


@dataclass(frozen=True)
class Task:
    """A task where it stands."""

    file: str
    line: int
    body: dict[str, Any]

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}"

    @cached_property
    def module(self) -> str:
        """The short name of the task's module; empty for a block."""
        names = [key for key in self.body if key not in KEYWORDS and not key.startswith("with_")]
        return names[0].rsplit(".", 1)[-1] if names and not any(block in self.body for block in BLOCKS) else ""

    @property
    def argument(self) -> Any:
        return next((value for key, value in self.body.items() if key.rsplit(".", 1)[-1] == self.module), None)


@dataclass(frozen=True)
class Tree:
    """The files of a repository that are committed, or would be."""

    root: Path

    @cached_property
    def files(self) -> tuple[str, ...]:
        if (self.root / ".git").exists():
            command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
            listed = subprocess.run(command, cwd=self.root, check=True, capture_output=True, text=True).stdout.split(
                "\n"
            )
        else:
            listed = [str(path.relative_to(self.root)) for path in self.root.rglob("*")]
        return tuple(sorted(name for name in listed if name and (self.root / name).is_file()))

    @cached_property
    def _texts(self) -> dict[str, str]:
        return {}

    @cached_property
    def _documents(self) -> dict[str, Any]:
        return {}

    def text(self, file: str) -> str:
        """What a file says; nothing where it is not text."""
        if file not in self._texts:
            try:
                self._texts[file] = (self.root / file).read_text() if file in self.files else ""
            except UnicodeDecodeError:
                self._texts[file] = ""
        return self._texts[file]

    def lines(self, file: str) -> list[str]:
        return self.text(file).splitlines()

    def yaml(self, file: str) -> Any:
        """What a YAML file holds; nothing where it cannot be read, which is a law of its own."""
        if file not in self._documents:
            try:
                self._documents[file] = yaml.load(self.text(file), Loader)  # noqa: S506 - a safe loader of our own
            except yaml.YAMLError as error:
                self._documents[file], self.broken[file] = None, " ".join(str(error).split())
        return self._documents[file]

    @cached_property
    def broken(self) -> dict[str, str]:
        return {}

    def mapping(self, file: str) -> dict[str, Any]:
        value = self.yaml(file)
        return value if isinstance(value, dict) else Map()

    @cached_property
    def roles(self) -> tuple[str, ...]:
        return tuple(
            sorted({name.split("/")[1] for name in self.files if name.startswith("roles/") and name.count("/") > 1})
        )

    def under(self, *starts: str, ends: tuple[str, ...] = ("",)) -> list[str]:
        """The files below one of the folders, with one of the endings."""
        return [name for name in self.files if name.startswith(starts) and name.endswith(ends)]

    def task_files(self, *rooms: str) -> list[str]:
        """The roles' files of tasks."""
        wanted = rooms or ("tasks", "handlers")
        return [name for name in self.under("roles/", ends=(".yml",)) if name.split("/")[2] in wanted]

    def tasks(self, file: str) -> Iterator[Task]:
        """The tasks of a file of tasks, those inside blocks too."""
        value = self.yaml(file)
        yield from self._walk(file, value if isinstance(value, list) else [])

    def _walk(self, file: str, tasks: list[Any]) -> Iterator[Task]:
        for body in tasks:
            if not isinstance(body, Map):
                continue
            yield Task(file, body.line, body)
            for block in BLOCKS:
                yield from self._walk(file, body.get(block) or [])

    @cached_property
    def role_tasks(self) -> tuple[Task, ...]:
        """Every task and handler of every role."""
        return tuple(task for file in self.task_files() for task in self.tasks(file))

    def play_tasks(self, file: str) -> Iterator[Task]:
        """The tasks that stand in the plays of a playbook."""
        plays = self.yaml(file)
        for play in plays if isinstance(plays, list) else []:
            for part in ("pre_tasks", "tasks", "post_tasks", "handlers") if isinstance(play, Map) else ():
                yield from self._walk(file, play.get(part) or [])
