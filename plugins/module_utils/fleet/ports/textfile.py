# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of metrics."""

from __future__ import annotations

from pathlib import Path

from .whole import write_whole


def read(path: Path) -> str:
    """Return what was written last, or "" if nothing was."""
    return path.read_text(encoding="utf-8") if path.exists() else ""


def write(path: Path, text: str) -> None:
    """Put a new text there."""
    write_whole(path, text.encode())
