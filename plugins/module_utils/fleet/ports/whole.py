# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are written whole or not at all, whoever reads them meanwhile and whenever the power goes."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Put a new content there, for everybody to read."""
    # Whoever reads all of a directory (apt, grub-mkconfig, node-exporter) passes over a name that ends so.
    new = path.with_name(f".{path.name}.new")
    with new.open("wb") as file:
        file.write(content)
        file.flush()
        # A rename must not reach the disk before the content: after a power cut the file would be empty.
        os.fsync(file.fileno())
    new.chmod(0o644)
    new.replace(path)
