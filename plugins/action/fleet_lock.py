# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of fleet_lock: it knows which run this is, and whether another process of this machine is gone.

Documented in plugins/modules/fleet_lock.py. Self-contained: a plugin of the controller cannot import the repository's module_utils.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

PROC = Path("/proc")


def _line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def started(pid: int, proc: Path = PROC) -> str:
    """Return when a process started, in the kernel's own count since boot; empty if there is no such process."""
    # The name in parentheses may hold anything, spaces and parentheses too.
    fields = _line(proc / str(pid) / "stat").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] not in ("Z", "X") else ""


def machine(proc: Path = PROC, machine_id: Path = Path("/etc/machine-id")) -> str:
    """Return what tells this machine from all others, and containers on it from each other."""
    try:
        namespace = str((proc / "self/ns/pid").readlink())
    except OSError:
        namespace = ""
    parts = (socket.gethostname(), _line(machine_id), namespace)
    return f"{parts[0]}/{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:12]}"


def this_run(pid: int, proc: Path = PROC) -> dict[str, str]:
    """Describe the run of ansible-playbook with this process number: the same for all of its tasks."""
    owner = os.environ.get("SUDO_USER") or getpass.getuser()
    here = machine(proc)
    process = f"{pid}/{started(pid, proc)}/{_line(proc / 'sys/kernel/random/boot_id')}"
    name = hashlib.sha256(f"{here} {process}".encode()).hexdigest()[:10]
    return {"id": name, "owner": f"{owner}@{socket.gethostname()}", "machine": here, "process": process}


def _exists(pid: int, proc: Path) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    # Ended, and not yet collected by its parent.
    return not _line(proc / str(pid) / "stat").rpartition(")")[2].startswith((" Z", " X"))


def is_gone(run: Mapping[str, Any], me: Mapping[str, str], proc: Path = PROC) -> bool:
    """Return whether a run of this same machine is surely over. Of another machine nothing is known."""
    pid, _, rest = str(run.get("process", "")).partition("/")
    start, _, boot = rest.partition("/")
    if run.get("machine") != me["machine"] or not pid.isdigit() or not start or not boot:
        return False
    if boot != _line(proc / "sys/kernel/random/boot_id"):
        return True
    # /proc may hide the processes of others; a signal is then refused, which only a process can be the reason of.
    return started(int(pid), proc) not in (start, "") or not _exists(int(pid), proc)


class ActionModule(ActionBase):  # type: ignore[misc]
    """Tell the module which run this is; ask again on behalf of a run that died."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module, and again if the holder of the lock is a process that is gone."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        # A task runs in a child of ansible-playbook: the parent is what lives as long as the run.
        me = this_run(os.getppid())
        arguments = {**self._task.args, "run": me}
        result.update(self._execute_module("fleet_lock", module_args=arguments, task_vars=task_vars))
        holder = result.get("holder") or {}
        if result.get("failed") and result.get("held") and is_gone(holder.get("run") or {}, me):
            again = {**arguments, "dead": result["lock_id"]}
            result = self._execute_module("fleet_lock", module_args=again, task_vars=task_vars)
        if result.get("failed") and result.get("held") and result.get("lock_id"):
            result["msg"] += f" If you know that it is over: {break_command(result['lock_id'], task_vars or {})}"
        return result


def break_command(lock_id: str, task_vars: Mapping[str, Any]) -> str:
    """Return the command that breaks a lock, for the inventory of this run."""
    sources = "".join(f" -i {source}" for source in task_vars.get("ansible_inventory_sources") or [])
    return f"ansible-playbook{sources} playbooks/break-lock.yml -e lock_id={lock_id}"
