# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics as node-exporter's textfile collector reads them. Pure: no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Sample:
    """A value, and what tells it from the others of its family."""

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        labels = ",".join(f'{name}="{_escaped(text)}"' for name, text in self.labels.items())
        return f"{f'{{{labels}}}' if labels else ''} {self.value:.15g}"


@dataclass(frozen=True)
class Family:
    """A metric. One without samples was not measured, and is left out: a zero would say that it was."""

    name: str
    about: str
    samples: tuple[Sample, ...] = ()


def one(value: float | None) -> tuple[Sample, ...]:
    """Return the only sample of a family, or none if it was not measured."""
    return () if value is None else (Sample(value),)


def render(families: Iterable[Family]) -> str:
    """Return the whole file."""
    lines = []
    for family in families:
        lines += [f"# HELP {family.name} {family.about}", f"# TYPE {family.name} gauge"] if family.samples else []
        lines += [f"{family.name}{sample}" for sample in family.samples]
    return "\n".join(lines) + "\n"


def before(text: str, name: str) -> float | None:
    """Return what a file that was written earlier says of a metric without labels."""
    found = re.search(rf"^{name} ([0-9.e+-]+)$", text, re.MULTILINE)
    return float(found[1]) if found else None


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
