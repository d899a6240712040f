# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done so that systemd units are as wanted: the thinking behind systemd_units, without any I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PROPERTIES = "LoadState,LoadError,ActiveState,SubState,UnitFileState,Result,NeedDaemonReload,CanReload,NRestarts,Type,ExecMainStatus,Job"
RUNNING = ("active", "reloading", "refreshing")
ENABLED = ("enabled", "enabled-runtime", "alias", "generated")
NOT_BY_LINKS = ("static", "indirect", "transient", "generated")


@dataclass(frozen=True)
class Unit:
    """How one unit is now, by systemd's own word."""

    name: str
    load: str = "not-found"
    load_error: str = ""
    active: str = "inactive"
    sub: str = "dead"
    file: str = ""
    result: str = "success"
    stale: bool = False
    can_reload: bool = False
    restarts: int = 0
    type: str = ""
    status: str = ""
    # What systemd has yet to do, or is at: empty where there is nothing.
    job: str = ""

    @property
    def running(self) -> bool:
        """Say whether the unit is up."""
        return self.active in RUNNING

    @property
    def enabled(self) -> bool:
        """Say whether the unit starts at boot."""
        return self.file in ENABLED

    @property
    def masked(self) -> bool:
        """Say whether the unit is barred from starting."""
        return self.load == "masked" or self.file.startswith("masked")

    @property
    def missing(self) -> bool:
        """Say whether systemd has no file for the unit."""
        return self.load == "not-found"

    @property
    def unreadable(self) -> bool:
        """Say whether systemd has found a file for the unit and could make nothing of it."""
        return self.load in ("error", "bad-setting")

    def describe(self) -> str:
        """Say the state in words."""
        if self.missing:
            return "unknown to systemd"
        if self.unreadable:
            return f"unreadable to systemd: {self.load_error or self.load}"
        told = f"{self.active} ({self.sub})"
        if self.result not in ("", "success"):
            told += f", result {self.result}"
        if self.status not in ("", "0"):
            told += f", exit status {self.status}"
        if self.restarts:
            told += f", restarted {self.restarts} times by systemd"
        return told + f", {self.file or 'no unit file'}"


@dataclass(frozen=True)
class WantedUnit:
    """How one unit shall be; None means that nothing is said about it."""

    name: str
    state: str | None = None  # started, stopped, restarted or reloaded
    enabled: bool | None = None
    masked: bool | None = None


@dataclass(frozen=True)
class Step:
    """One call of systemctl."""

    verb: str
    unit: str = ""

    def describe(self) -> str:
        """Say the step in words."""
        return f"{self.unit}: {self.verb}" if self.unit else "read the unit files again (daemon-reload)"


@dataclass(frozen=True)
class UnitPlan:
    """The calls in their order, the units that are not there (yet), and what can never work."""

    steps: tuple[Step, ...] = ()
    missing: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()


def parse_show(output: str, names: Sequence[str]) -> dict[str, Unit]:
    """Return the units from the output of ``systemctl show``: one block for each name, in the order in which they were asked."""
    blocks = [block for block in output.strip().split("\n\n") if block.strip()]
    if len(blocks) != len(names):
        raise ValueError(f"systemctl show answered about {len(blocks)} units, asked about {len(names)}")
    return {name: _unit(name, block) for name, block in zip(names, blocks, strict=True)}


def _unit(name: str, block: str) -> Unit:
    said = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    restarts = said.get("NRestarts", "")
    return Unit(
        name=name,
        load=said.get("LoadState", "not-found"),
        load_error=said.get("LoadError", ""),
        active=said.get("ActiveState", "inactive"),
        sub=said.get("SubState", ""),
        file=said.get("UnitFileState", ""),
        result=said.get("Result", "success"),
        stale=said.get("NeedDaemonReload") == "yes",
        can_reload=said.get("CanReload") == "yes",
        restarts=int(restarts) if restarts.isdigit() else 0,
        type=said.get("Type", ""),
        status=said.get("ExecMainStatus", ""),
        job=said.get("Job", ""),
    )


def plan(observed: Mapping[str, Unit], wanted: Sequence[WantedUnit]) -> UnitPlan:
    """Return the calls that make the units as wanted: unit files are read again first, then masks, boot, and at last states."""
    missing = tuple(item.name for item in wanted if observed[item.name].missing and item.masked is not True)
    refusals = tuple(filter(None, (_refusal(observed[item.name], item) for item in wanted)))
    parts = (_mask_steps, _boot_steps, _state_steps)
    steps = [step for part in parts for item in wanted for step in part(observed[item.name], item)]
    # What systemd could not read may have been repaired since; if not, the start fails in systemd's own words.
    unread = [step.unit for step in steps if observed[step.unit].unreadable]
    if unread or any(observed[item.name].stale for item in wanted):
        steps = [Step("daemon-reload"), *steps]
    return UnitPlan(tuple(steps), missing, refusals)


def _refusal(unit: Unit, wanted: WantedUnit) -> str:
    if wanted.masked and (wanted.enabled or wanted.state not in (None, "stopped")):
        return f"{unit.name} cannot be masked and enabled or running at once"
    if unit.missing:
        return ""
    if unit.masked and wanted.masked is None and (wanted.enabled or wanted.state not in (None, "stopped")):
        return f"{unit.name} is masked: say `masked: false` if it shall run on this host"
    if wanted.enabled and unit.file in ("static", "transient"):
        return f"{unit.name} cannot be enabled: it is {unit.file}, its file has no [Install] section"
    if wanted.enabled is False and unit.file == "generated":
        return f"{unit.name} cannot be disabled: its file is generated; say `masked: true`"
    if wanted.state == "reloaded" and unit.running and not unit.can_reload and not unit.stale:
        return f"{unit.name} cannot reload: say `state: restarted`"
    return ""


def _mask_steps(unit: Unit, wanted: WantedUnit) -> list[Step]:
    if wanted.masked and not unit.masked:
        return [Step("mask", unit.name)]
    return [Step("unmask", unit.name)] if wanted.masked is False and unit.masked else []


def _boot_steps(unit: Unit, wanted: WantedUnit) -> list[Step]:
    if wanted.enabled and not unit.enabled:
        return [Step("enable", unit.name)]
    off = wanted.enabled is False and unit.enabled and unit.file not in NOT_BY_LINKS
    return [Step("disable", unit.name)] if off else []


def _state_steps(unit: Unit, wanted: WantedUnit) -> list[Step]:
    state = wanted.state
    if state == "stopped":
        return [Step("stop", unit.name)] if unit.active not in ("inactive", "failed") else []
    if state == "restarted" and not unit.missing and unit.active != "inactive":
        return [Step("restart", unit.name)]
    if state == "reloaded" and unit.running:
        return [Step("reload", unit.name)]
    if state is None or (state == "started" and unit.running):
        return []
    # A unit that is waiting for its next automatic start keeps its count of restarts unless it is stopped first.
    return [
        Step("restart" if unit.active == "activating" and unit.sub.startswith("auto-restart") else "start", unit.name)
    ]


def fallen(before: Mapping[str, Unit], after: Mapping[str, Unit], steps: Sequence[Step]) -> list[str]:
    """Return the units that did not stay up after they were started, restarted or reloaded."""
    down = []
    for step in steps:
        unit = after.get(step.unit)
        if unit is None or step.verb not in ("start", "restart", "reload"):
            continue
        done = unit.type == "oneshot" and unit.active == "inactive" and unit.result == "success"
        allowed = before[step.unit].restarts if step.verb == "reload" else 0
        if not (unit.running or done) or unit.restarts > allowed:
            down.append(step.unit)
    return down
