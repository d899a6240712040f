# SPDX-License-Identifier: GPL-3.0-or-later
"""Find or build the lab's host image and print its name on the last line.

usage: image.py ROOT

The image's name is a digest of what it is made of: the build script, what it copies, and the names of all packages that the roles and
the lab install (they are downloaded into the image, so that every host installs them offline). It is built anew when that
changes or when it is older than a week, because a mirror keeps no superseded packages. UPSTAIRS_IMAGE names another
image to use as it is.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

OLD_SECONDS = 7 * 24 * 3600
NAME = "localhost/upstairs-host"


def packages(root: Path) -> list[str]:
    """Return the packages of every variable that ends in ``_packages``, of the roles and of the lab."""
    found: set[str] = set()
    of_roles = ("roles/*/vars/*.yml", "roles/*/defaults/*.yml")
    of_the_lab = ("inventories/lab/group_vars/**/*.yml", "molecule/shared/inventory/group_vars/**/*.yml")
    for pattern in (*of_roles, *of_the_lab):
        for path in root.glob(pattern):
            variables: dict[str, Any] = yaml.safe_load(path.read_text()) or {}
            for name, value in variables.items():
                if name.endswith("_packages") and isinstance(value, list):
                    found.update(item for item in value if "{" not in item)
    return sorted(found)


def age_seconds(image: str) -> float | None:
    """Return the age of an image in seconds, or None where there is none."""
    done = subprocess.run(["podman", "image", "inspect", image], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return None
    created: str = json.loads(done.stdout)[0]["Created"]
    return time.time() - datetime.fromisoformat(created[:19] + "+00:00").timestamp()


def remove_old(keep: str) -> None:
    """Older images go as soon as no host uses them; podman refuses to remove the others, and that is fine."""
    listed = subprocess.run(
        ["podman", "images", "--filter", "label=upstairs.image", "--format", "{{.Repository}}:{{.Tag}}"],
        capture_output=True,
        text=True,
        check=True,
    )
    for image in set(listed.stdout.split()) - {keep}:
        subprocess.run(["podman", "rmi", image], capture_output=True, check=False)


def main(root: Path) -> None:
    """Print the name of an image that is right for this tree, built now if need be."""
    if given := os.environ.get("UPSTAIRS_IMAGE"):
        print(given)
        return
    script = root / "molecule/shared/image/build.sh"
    wanted = packages(root)
    copied = ("known_packages.sh", "remember_compiled.py", "warm-python", "warm-python.service", "warm_python.py")
    made_of = b"".join(path.read_bytes() for path in (script, *map(script.with_name, copied)))
    digest = hashlib.sha256(made_of + "\n".join(wanted).encode()).hexdigest()[:12]
    image = f"{NAME}:{digest}"
    with Path("/run/lock/upstairs-image").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        age = age_seconds(image)
        if age is None or age > OLD_SECONDS:
            subprocess.run([script, image, f"upstairs.image={digest}", *wanted], check=True)
            remove_old(image)
            print("built")
    print(image)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
