# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the lock and the ledger lie, explained once: plugins/module_utils/fleet/store.py, OPTIONS."""

from __future__ import annotations


class ModuleDocFragment:
    """The place."""

    DOCUMENTATION = r"""
options:
  endpoints:
    description: The members of etcd, as host:port. The host that the task runs on must be one that they answer.
    type: list
    elements: str
    default: []
  directory:
    description:
      - A directory of the host that the task runs on, for a fleet without etcd. That host is the witness, always the same one.
      - It must exist (role base makes it), belong to root and be closed to all others. One that is missing is no empty one, because a
        lock may lie in what was not mounted.
      - Exactly one of this and O(endpoints) is given.
    type: path
    default: ""
"""
