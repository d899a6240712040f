# SPDX-License-Identifier: GPL-3.0-or-later
"""A roll as people read it: its plan, why it stopped, and how it went. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from .rollout import PHASES, Host, Plan, Record, Row

# Ansible folds a line behind its 80th column, at single spaces: what has some stands in front, and the rest has none.
HEAD = ("turn", "wave", "host", "site", "verdict", "why here", "kernel", "roles")
# Characters of a reason in the table. A longer one stands below it, or one host that is ill makes all lines twice as wide as a screen.
SHORT = 40
# What is true from a phase on, for whoever stands before a host that stopped there.
TRUE_FROM = (
    ("planned", "nothing was changed on it"),
    ("silenced", "its alerts may be silent"),
    ("drained", "it is out of service, wholly or in part, and stays so"),
    (
        "armed",
        "the new kernel may be installed, and the boot loader may take it once; the old one is still its default",
    ),
    ("rebooting", "it may have been told to reboot, and may be down"),
    ("booted", "it has booted once, and nothing that it runs is proven"),
    ("verified", "it runs the new kernel, which may be its default now"),
    ("rejoined", "it may be in service again, wholly or in part"),
)
# What a later phase makes untrue.
ENDS = {"planned": "silenced", "rebooting": "booted", "drained": "rejoined", "armed": "verified", "booted": "verified"}


def table(plan: Plan) -> list[str]:
    """Show all hosts, one line each, in the order of their turns."""
    lines = [HEAD, *(_cells(turn, row) for turn, row in enumerate(plan.rows, start=1))]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def _cells(turn: int, row: Row) -> tuple[str, ...]:
    host = row.host
    verdict = "no" if row.vetoes else "goes on" if row.action == "resume" else "yes" if row.wave else row.action
    return (
        str(turn) if row.wave else "-",
        str(row.wave) if row.wave else "-",
        host.name,
        host.site or "-",
        verdict,
        row.why if len(row.why) <= SHORT else f"{host.kernel.state}: see below",
        _kernel(host),
        ",".join(host.roles) or "-",
    )


def _kernel(host: Host) -> str:
    kernel = host.kernel
    target = host.record.target if host.record.open else kernel.target
    if not target or target == kernel.running:
        return kernel.running or "?"
    # What both have in common, such as +deb13-cloud-amd64, is said once.
    old, _, kind = kernel.running.partition("+")
    return f"{old if kind and target.endswith(f'+{kind}') else kernel.running or '?'}->{target}"


def narrate(plan: Plan, notes: Sequence[str]) -> list[str]:
    """Say what will be done, or why not."""
    lines = [*table(plan), *(f"Note: {note}." for note in notes)]
    # What speaks against a host is refused in the same words.
    lines += [f"{row.host.name}: {row.why}." for row in plan.rows if len(row.why) > SHORT and not row.vetoes]
    lines += [f"Refused: {refusal}." for refusal in plan.refusals]
    if plan.refusals:
        return [*lines, "Nothing is begun. Leave hosts out with -e only=..., or put right what is named."]
    if not plan.order:
        return [*lines, "Nothing to do."]
    return [*lines, f"One after the other: {', '.join(plan.order)}."]


def stopped(host: str, record: Record, waiting: Sequence[str], command: str) -> list[str]:
    """Say what is known of a host that stopped, what is still true, and the three commands."""
    phase = record.stands
    at = PHASES.index(phase) if phase in PHASES else 0
    true = [
        what
        for since, what in TRUE_FROM
        if PHASES.index(since) <= at and not (since in ENDS and PHASES.index(ENDS[since]) <= at)
    ]
    known = record.why or "and then nothing more was heard of it"
    asked = f"Known: {host} came to `{phase or 'nothing'}` on its way to {record.target or 'a new kernel'}"
    asked += f" (from {record.before or 'what it ran'}): {known.rstrip('.')}."
    others = f"Not touched: {', '.join(waiting)}." if waiting else "Nobody was to come after it."
    if record.untouched:
        return [
            asked,
            f"Still true: nothing was changed on it, and everybody serves. {others} The fleet's lock is free.",
            f"Again, when that is put right:     {command}",
        ]
    return [
        asked,
        f"Still true: {'; '.join(true)}. All others serve. {others} The fleet's lock stays until this is ended.",
        f"Go on, when that is put right:     {command}",
        f"Go back to the kernel it had:      {command} -e go_back={host}",
        f"Give it up, and leave it as it is: {command} -e give_up={host}",
    ]


def report(records: Mapping[str, Mapping[str, Any]], order: Sequence[str]) -> list[str]:
    """Say of each host how it went: its phases with their seconds, and how long it was out."""
    lines = []
    for name in order:
        history = list((records.get(name) or {}).get("history") or [])
        if not history:
            lines.append(f"{name}: nothing is recorded")
            continue
        steps = [f"{one['phase']} {after['at'] - one['at']:.0f} s" for one, after in pairwise(history)]
        whole = history[-1]["at"] - history[0]["at"]
        ended = history[-1]["phase"]
        lines.append(f"{name}: {ended} after {whole:.0f} s ({', '.join(steps)})")
    left = [name for name in order if (records.get(name) or {}).get("phase") != "done"]
    return [*lines, f"Left over: {', '.join(left)}." if left else "Nothing is left over."]
