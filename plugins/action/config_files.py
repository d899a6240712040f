# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of config_files: render, check the entries, send them in one round trip, notify for what changed.

Documented in plugins/modules/config_files.py. Self-contained: a plugin of the controller cannot import the repository's module_utils.
"""

from __future__ import annotations

import base64
import json
import posixpath
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from ansible.errors import AnsibleActionFail, AnsibleError, AnsibleUndefinedVariable
from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template
from jinja2 import nodes

KINDS = ("template", "content", "source", "link", "directory", "absent")
KEYS = {"path", *KINDS, "owner", "group", "mode", "validate", "notify", "secret", "force", "recursive", "vars"}
OF_FILES = ("template", "content", "source")
MEANT_FOR = {
    "owner": (*OF_FILES, "directory"),
    "group": (*OF_FILES, "directory"),
    "mode": (*OF_FILES, "directory"),
    "validate": OF_FILES,
    "secret": OF_FILES,
    "force": OF_FILES,
    "recursive": (*OF_FILES, "link", "absent"),
    "vars": ("template",),
}
NAMING = ((nodes.Name, "name"), (nodes.Getattr, "attr"), (nodes.Const, "value"), (nodes.Filter, "name"))
MANAGED = "Written by Ansible. Changes made here are lost."


def given(files: Any) -> Any:
    """Return the entries without the keys that are null: a loop that builds entries may have nothing to say."""
    if not isinstance(files, list):
        return files
    return [
        {key: value for key, value in entry.items() if value is not None} if isinstance(entry, Mapping) else entry
        for entry in files
    ]


def check_entries(files: Any) -> list[str]:
    """Return everything that is wrong with the shape of the entries, in words."""
    if not isinstance(files, list):
        return ["`files` must be a list of entries"]
    wrong = [f"{_name(entry, number)}: {fault}" for number, entry in enumerate(files, 1) for fault in _faults(entry)]
    seen: dict[str, str] = {}
    for entry in files:
        path = entry.get("path") if isinstance(entry, Mapping) else None
        if isinstance(path, str) and posixpath.normpath(path) in seen:
            wrong.append(f"{path}: is given twice")
        elif isinstance(path, str):
            seen[posixpath.normpath(path)] = _kind(entry)
    going = [path for path, kind in seen.items() if kind == "absent"]
    wrong += [
        f"{path}: lies in {top}, which shall be absent"
        for path, kind in seen.items()
        if kind != "absent"
        for top in going
        if path.startswith(top + "/")
    ]
    return wrong


def _name(entry: Any, number: int) -> str:
    path = entry.get("path") if isinstance(entry, Mapping) else None
    return path if isinstance(path, str) and path else f"entry {number}"


def _kind(entry: Mapping[str, Any]) -> str:
    return next((kind for kind in KINDS if kind in entry), "")


def _faults(entry: Any) -> Iterator[str]:
    if not isinstance(entry, Mapping):
        yield "is not a dictionary"
        return
    unknown = sorted(str(key) for key in entry if key not in KEYS)
    if unknown:
        yield f"unknown key {', '.join(unknown)} (known are {', '.join(sorted(KEYS))})"
    path = entry.get("path")
    if not isinstance(path, str) or not path:
        yield "has no path"
    elif not path.startswith("/") or path != posixpath.normpath(path):
        yield "the path must be absolute and without `..`, `//` or a slash at its end"
    elif path == "/" or "\0" in path or "\n" in path:
        yield "is no path for a file"
    kinds = [kind for kind in KINDS if kind in entry]
    if len(kinds) != 1:
        yield f"must have exactly one of {', '.join(KINDS)}, but has {' and '.join(kinds) or 'none'}"
        return
    yield from _kind_faults(entry, kinds[0])
    yield from _value_faults(entry)


def _kind_faults(entry: Mapping[str, Any], kind: str) -> Iterator[str]:
    value = entry[kind]
    if kind in ("directory", "absent"):
        if value is not True:
            yield f"`{kind}` can only be true"
    elif not isinstance(value, str):
        yield f"`{kind}` must be a string, not {type(value).__name__}"
    elif kind != "content" and not value:
        yield f"`{kind}` is empty"
    useless = [key for key, kinds in MEANT_FOR.items() if key in entry and kind not in kinds]
    if useless:
        yield f"{', '.join(useless)} has no meaning beside `{kind}`"


def _value_faults(entry: Mapping[str, Any]) -> Iterator[str]:
    mode = entry.get("mode", "0644")
    if not isinstance(mode, str) or not re.fullmatch(r"[0-7]{3,4}", mode):
        yield f'mode {mode!r} must be three or four octal digits in quotes, such as "0640"'
    for key in ("owner", "group"):
        if not isinstance(entry.get(key, "root"), str) or not entry.get(key, "root"):
            yield f"{key} must be a name"
    for key in ("secret", "force", "recursive"):
        if not isinstance(entry.get(key, False), bool):
            yield f"{key} must be true or false"
    if not isinstance(entry.get("vars", {}), Mapping):
        yield "vars must be a dictionary"
    if not _strings(notified(entry)):
        yield "notify must be the name of a handler or a list of names"
    validate = entry.get("validate", ["%s"])
    if not _strings(validate) or (validate and not any("%s" in part for part in validate)):
        yield "validate must be a list of strings in which %s stands for the new file"


def _strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(part, str) and part for part in value)


def check_trees(trees: Any) -> list[str]:
    """Return everything that is wrong with the shape of the task's own `validate`."""
    if not isinstance(trees, list):
        return ["`validate` must be a list of {tree, command}"]
    wrong = []
    for tree in trees:
        if not isinstance(tree, Mapping) or set(tree) != {"tree", "command"}:
            wrong.append("each entry of `validate` must have `tree` and `command`, and nothing else")
        elif (
            not isinstance(tree["tree"], str)
            or not tree["tree"].startswith("/")
            or posixpath.normpath(tree["tree"]) in ("/", "//")
        ):
            wrong.append(f"validate: the tree {tree['tree']!r} must be the absolute path of a directory")
        elif not tree["command"] or not _strings(tree["command"]) or not any("%s" in part for part in tree["command"]):
            wrong.append(
                f"validate: the command for {tree['tree']} must be a list of strings in which %s stands for the copy of the tree"
            )
    return wrong


def notified(entry: Mapping[str, Any]) -> list[str]:
    """Return the handlers that an entry notifies, as a list."""
    notify = entry.get("notify") or []
    return [notify] if isinstance(notify, str) else list(notify)


def handlers_of(files: Sequence[Mapping[str, Any]], changed: Sequence[str], own: Sequence[str]) -> list[str]:
    """Return the handlers of the task and of the entries that changed, each once."""
    named = [handler for entry in files if entry["path"] in changed for handler in notified(entry)]
    return list(dict.fromkeys([*own, *named]))


def pack(files: Sequence[Mapping[str, Any]], trees: Sequence[Mapping[str, Any]]) -> str:
    """Return all that the module needs, compressed, as its one argument."""
    asked = {
        "files": files,
        "validate": [{"tree": posixpath.normpath(tree["tree"]), "command": list(tree["command"])} for tree in trees],
    }
    return base64.b64encode(zlib.compress(json.dumps(asked).encode())).decode()


def wire(entry: Mapping[str, Any], content: str) -> dict[str, Any]:
    """Return an entry as the module takes it."""
    kind = _kind(entry)
    return {
        "path": str(entry["path"]),
        "kind": "file" if kind in OF_FILES else kind,
        "content": content,
        "target": str(entry.get("link", "")),
        "owner": str(entry.get("owner", "root")),
        "group": str(entry.get("group", "root")),
        "mode": str(entry.get("mode") or ("0755" if kind == "directory" else "0644")),
        "validate": [str(part) for part in entry.get("validate") or []],
        "secret": bool(entry.get("secret", False)),
        "force": bool(entry.get("force", True)),
        "recursive": bool(entry.get("recursive", False)),
    }


def lines_of(source: str, message: str) -> list[int]:
    """Return the lines of a template that use what a message names: an undefined variable, an attribute, a filter."""
    quoted = [one or other for one, other in re.findall(r"'([^']*)'|\"([^\"]*)\"", message)]
    # As Ansible's own environment; it is only parsed, never rendered.
    environment = jinja2.Environment(trim_blocks=True, extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"])  # noqa: S701 - no output
    try:
        tree = environment.parse(source)
    except jinja2.TemplateError:
        return []
    used = [
        (str(name), node.lineno)
        for kind, field in NAMING
        for node in tree.find_all(kind)
        for name in [getattr(node, field)]
    ]
    # "object of type 'dict' has no attribute 'port'": the last quoted name is the missing one.
    for name in reversed(quoted):
        lines = sorted({line for used_name, line in used if used_name == name.rpartition(".")[2]})
        if lines:
            return lines
    return []


def failing_place(error: BaseException, source: str) -> tuple[str, list[int]]:
    """Return the file (if it is another than the template, an included one) and the lines at which rendering failed."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, jinja2.TemplateSyntaxError):
            return cause.filename or "", [cause.lineno]
        trace, place = cause.__traceback__, None
        while trace is not None:
            template = trace.tb_frame.f_globals.get("__jinja_template__")
            if isinstance(template, jinja2.Template):
                place = template.filename or "", [template.get_corresponding_lineno(trace.tb_lineno)]
            trace = trace.tb_next
        if place:
            return place
        cause = cause.__cause__
    return "", lines_of(source, str(error))


def repeatable(error: Exception, source: str) -> bool:
    """Say whether an error in a secret template may be shown: it names only what is undefined, and that is no value."""
    message = str(error)
    names = re.findall(r"'([^']*)'", message)
    undefined = isinstance(error, AnsibleUndefinedVariable) and bool(names)
    return undefined and (re.fullmatch(r"'\w+' is undefined", message) is not None or names[-1] in source)


class ActionModule(ActionBase):  # type: ignore[misc]
    """Render on the controller, hand everything to the module at once."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Do the task."""
        super().run(tmp, task_vars)
        variables = task_vars or {}
        files, trees = self._asked()
        payload = pack([wire(entry, self._content(entry, variables)) for entry in files], trees)
        result: dict[str, Any] = self._execute_module(
            module_name="config_files", module_args={"payload": payload}, task_vars=variables
        )
        # The one argument is every file's content.
        result.pop("invocation", None)
        if result.get("changed"):
            self._task.notify = handlers_of(files, result.get("changed_files", []), self._task.notify or []) or None
        return result

    def _asked(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        args = self._task.args
        wrong = [
            f"unknown option {key} (known are files, validate)" for key in args if key not in ("files", "validate")
        ]
        files, trees = given(args.get("files")), args.get("validate") or []
        wrong += check_entries(files) + check_trees(trees)
        if wrong:
            raise AnsibleActionFail("Nothing was written. " + "; ".join(wrong))
        return files, trees

    def _content(self, entry: Mapping[str, Any], variables: dict[str, Any]) -> str:
        kind = _kind(entry)
        if kind == "content":
            return str(entry["content"])
        if kind == "source":
            return Path(self._find(entry, "files")).read_bytes().decode("utf-8", "surrogateescape")
        return self._rendered(entry, variables) if kind == "template" else ""

    def _find(self, entry: Mapping[str, Any], directory: str) -> str:
        name = entry["template" if directory == "templates" else "source"]
        try:
            return str(self._find_needle(directory, name))
        except AnsibleError as error:
            raise AnsibleActionFail(f"Nothing was written. {entry['path']}: {name} was not found. {error}") from error

    def _rendered(self, entry: Mapping[str, Any], variables: dict[str, Any]) -> str:
        found = self._find(entry, "templates")
        source = self._loader.get_text_file_contents(found)
        bases = [*variables.get("ansible_search_path", []), self._loader.get_basedir(), str(Path(found).parent)]
        search = [path for base in bases for path in (f"{base}/templates", base)]
        extra = {"ansible_managed": variables.get("ansible_managed", MANAGED), **entry.get("vars", {})}
        templar = self._templar.copy_with_new_env(searchpath=search, available_variables={**variables, **extra})
        try:
            text = templar.template(
                trust_as_template(source), escape_backslashes=False, overrides={"trim_blocks": True}
            )
        except Exception as error:
            said, sure = self._template_fault(entry, found, str(source), error)
            # The cause tells where a variable is defined whose own value cannot be had; it may also quote values.
            raise AnsibleActionFail(said) from (None if sure or entry.get("secret") else error)
        if isinstance(text, Mapping | list):
            kind = type(text).__name__
            raise AnsibleActionFail(
                f"Nothing was written. {entry['path']}: {found} yields a {kind}, not a text: use to_nice_json"
            )
        return "" if text is None else str(text)

    def _template_fault(self, entry: Mapping[str, Any], found: str, source: str, error: Exception) -> tuple[str, bool]:
        file, lines = failing_place(error, source)
        place = file if Path(file).is_absolute() else found
        where = f"{place}, line {' or '.join(str(line) for line in lines)}," if lines else place
        told = not entry.get("secret") or repeatable(error, source)
        reason = str(error) if told else f"{type(error).__name__} (the rest is not shown, as the file is secret)"
        return f"Nothing was written. {entry['path']}: the template {where} cannot be rendered: {reason}", bool(lines)
