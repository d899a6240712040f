# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet's one place for its lock and its ledger, as the parameters of a module name it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..store import Store, misplaced
from .etcd import Etcd
from .witness import Witness


class Misplaced(Exception):
    """There is not exactly one place."""


def store(params: Mapping[str, Any]) -> Store:
    """Return the place."""
    fault = misplaced(params["endpoints"], params["directory"])
    if fault:
        raise Misplaced(fault)
    return Witness(params["directory"]) if params["directory"] else Etcd(tuple(params["endpoints"]))
