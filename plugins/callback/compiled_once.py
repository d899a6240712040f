# SPDX-License-Identifier: GPL-3.0-or-later
"""Let the processes that Ansible starts for each task of each host compile no template that another one has compiled."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import CodeType
from typing import Any

import jinja2
from ansible import constants as C
from ansible.plugins.callback import CallbackBase
from jinja2.bccache import Bucket, FileSystemBytecodeCache
from jinja2.environment import TemplateExpression

DOCUMENTATION = """
name: compiled_once
type: aggregate
short_description: Spares the controller's processor what it has done already
description:
  - Ansible starts a process for each task of each host, and each compiles the same Jinja anew. This keeps what was compiled, with Jinja's
    own L(cache of bytecode,https://jinja.palletsprojects.com/en/stable/api/#bytecode-cache), which is made for programs that fork.
  - It lies in the run's own temporary directory, which is the user's alone and which Ansible removes at the end, because what is written
    in a template is in its code too, and a template may come from a vault.
  - Measured with ansible-core 2.19 and Python 3.11 on C(check-input.yml) for nine hosts, 26.9 seconds of processor instead of 37.4.
requirements:
  - none; it is on for whoever uses this ansible.cfg
"""

# What a template is compiled with besides its text: another ending of a block is another program.
SETTINGS = (
    *("block_start_string", "block_end_string", "variable_start_string", "variable_end_string", "comment_start_string"),
    *("comment_end_string", "line_statement_prefix", "line_comment_prefix", "trim_blocks", "lstrip_blocks"),
    *("newline_sequence", "keep_trailing_newline", "optimized", "autoescape"),
)


class Compiled:
    """Compiled templates and expressions, by their text and all that they are compiled with."""

    def __init__(self, directory: Path) -> None:
        self._cache = FileSystemBytecodeCache(str(directory))

    def bucket(self, environment: jinja2.Environment, kind: str, source: object) -> Bucket | None:
        """Return the place of a source's code, or nothing where that also depends on what only Ansible knows."""
        # Whether a backslash counts in a string depends on where the template stands. Who subclasses str may have more to say.
        if not isinstance(source, str) or "\\" in source:
            return None
        settings = [kind, type(environment).__qualname__, *(getattr(environment, name) for name in SETTINGS)]
        named = repr((settings, sorted(environment.extensions), str(source)))
        return self._cache.get_bucket(environment, named, None, str(source))

    def keep(self, bucket: Bucket, code: CodeType) -> CodeType:
        """Keep the code of a source for whoever asks next, and return it."""
        bucket.code = code
        # A disk that is full, or a directory that is gone: the next one compiles it again.
        with suppress(OSError):
            self._cache.set_bucket(bucket)
        return code


class Expected(threading.local):
    """The expression that this thread compiles: it reaches the compiler as a tree, which has no text any more."""

    bucket: Bucket | None = None


def install(compiled: Compiled, cls: type[jinja2.Environment] = jinja2.Environment) -> Callable[[], None]:
    """Let all environments of this process, and of those that it starts, ask first; return what undoes that."""
    compile_source, compile_expression = cls.compile, cls.compile_expression
    expected = Expected()

    def compile(self: jinja2.Environment, source: Any, *args: Any, **more: Any) -> Any:
        if expected.bucket and isinstance(source, jinja2.nodes.Template):
            return compiled.keep(expected.bucket, compile_source(self, source, *args, **more))
        bucket = None if any(args) or any(more.values()) else compiled.bucket(self, "template", source)
        if bucket is None:
            return compile_source(self, source, *args, **more)
        return bucket.code or compiled.keep(bucket, compile_source(self, source))

    def expression(self: jinja2.Environment, source: str, undefined_to_none: bool = True) -> TemplateExpression:
        bucket = compiled.bucket(self, "expression", source)
        if bucket is None:
            return compile_expression(self, source, undefined_to_none)
        if bucket.code:
            template = self.template_class.from_code(self, bucket.code, self.make_globals(None))
            return TemplateExpression(template, undefined_to_none)
        expected.bucket = bucket
        try:
            return compile_expression(self, source, undefined_to_none)
        finally:
            expected.bucket = None

    cls.compile, cls.compile_expression = compile, expression  # type: ignore[method-assign]

    def undo() -> None:
        cls.compile, cls.compile_expression = compile_source, compile_expression  # type: ignore[method-assign]

    return undo


class CallbackModule(CallbackBase):  # type: ignore[misc]  # Ansible ships no types
    """Listens to nothing: it is the one kind of plugin that is loaded once, and before the first process is started."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "compiled_once"

    def __init__(self) -> None:
        super().__init__()
        directory = Path(C.DEFAULT_LOCAL_TMP) / "templates"
        directory.mkdir(mode=0o700, exist_ok=True)
        install(Compiled(directory))
