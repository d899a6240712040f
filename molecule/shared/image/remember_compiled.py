# SPDX-License-Identifier: GPL-3.0-or-later
"""On the lab's hosts alone: what Python compiles out of a zip file is remembered by what it was compiled from.

Ansible sends each module as a zip of sources, and Python compiles all of it at every start: a fifth of the processor that a module
takes there. A file remember_compiled.pth beside this one loads it. Whoever may not write the memory reads it, or does without.
"""

# ruff: noqa: PTH105, PTH123, S302 - every Python of the host imports this, and pathlib would cost what it saves; root alone writes there.

import contextlib
import hashlib
import marshal
import os
import zipimport
from types import CodeType

MEMORY = "/var/cache/lab-python"
# No promise of Python's: the lab's hosts have one Python, and without this name it would say so at each start.
_NAME = "_compile_source"
_compile = vars(zipimport)[_NAME]


def remembered(pathname: str, source: bytes) -> CodeType:
    """Return the code of a source, compiled now or earlier."""
    file = f"{MEMORY}/{hashlib.blake2b(source, digest_size=20).hexdigest()}"
    with contextlib.suppress(OSError, ValueError, EOFError, TypeError), open(file, "rb") as found:
        known: CodeType = marshal.load(found)
        return known
    code: CodeType = _compile(pathname, source)
    with contextlib.suppress(OSError):
        # Whole or not at all: somebody else may read it at this moment.
        draft = f"{file}.{os.getpid()}"
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as new:
            marshal.dump(code, new)
        os.replace(draft, file)
    return code


setattr(zipimport, _NAME, remembered)
