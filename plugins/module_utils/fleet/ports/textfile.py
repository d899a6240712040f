# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of metrics: written whole or not at all, because whoever collects metrics may read it at any moment."""

from __future__ import annotations

from pathlib import Path


def read(path: Path) -> str:
    """Return what was written last, or "" if nothing was."""
    return path.read_text(encoding="utf-8") if path.exists() else ""


def write(path: Path, text: str) -> None:
    """Put a new text there."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text, encoding="utf-8")
    temporary.chmod(0o644)
    temporary.replace(path)
