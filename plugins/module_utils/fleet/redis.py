# SPDX-License-Identifier: GPL-3.0-or-later
"""What Redis and its Sentinels say of themselves, and when it is well. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TROUBLE = ("s_down", "o_down", "failover_in_progress")


@dataclass(frozen=True)
class Member:
    """A host that holds a copy."""

    name: str
    address: str
    priority: int = 100


@dataclass(frozen=True)
class Copy:
    """A copy by its own word (INFO replication and persistence)."""

    role: str
    offset: int | None = None
    follows: str = ""
    link_up: bool = False
    syncing: bool = False
    priority: int | None = 100
    loading: bool | None = False
    disk_bytes: int | None = 0
    # Replicas that count for min-replicas-to-write; said only while that is set.
    counted: int | None = None
    followers: int | None = None


@dataclass(frozen=True)
class Opinion:
    """What one Sentinel says of one master (SENTINEL MASTER, SENTINEL CKQUORUM)."""

    address: str
    epoch: int = 0
    flags: tuple[str, ...] = ()
    others: int = 0
    quorum: bool = True
    quorum_said: str = ""


Copies = Mapping[str, Copy | None]
Opinions = Mapping[str, Opinion | None]


def parse_info(text: str) -> dict[str, str]:
    """Return what INFO says as a mapping."""
    pairs = (line.partition(":") for line in text.splitlines() if ":" in line and not line.startswith("#"))
    return {key: value.strip() for key, _, value in pairs}


def parse_pairs(flat: Sequence[Any]) -> dict[str, str]:
    """Return a flat list of keys and values, as Sentinel answers, as a mapping."""
    return {str(key): str(value) for key, value in zip(flat[::2], flat[1::2], strict=False)}


def copy_of(info: Mapping[str, str]) -> Copy:
    """Read a copy's own word."""
    role = info.get("role", "")
    key = "master_repl_offset" if role == "master" else "slave_repl_offset"
    offset = info.get(key, "")
    return Copy(
        role=role,
        # A replica that never had a link says -1, which is no measurement.
        offset=int(offset) if offset.isdigit() else None,
        follows=f"{info['master_host']}:{info.get('master_port', '')}" if "master_host" in info else "",
        link_up=info.get("master_link_status") == "up",
        syncing=info.get("master_sync_in_progress") == "1",
        # What is not said was not measured: a master has no priority, and who has no append-only file no size of it.
        priority=_number(info, "slave_priority"),
        loading=info["loading"] != "0" if "loading" in info else None,
        disk_bytes=_number(info, "aof_current_size"),
        counted=_number(info, "min_slaves_good_slaves"),
        followers=_number(info, "connected_slaves"),
    )


def _number(info: Mapping[str, str], key: str) -> int | None:
    said = info.get(key, "")
    return int(said) if said.isdigit() else None


def opinion_of(pairs: Mapping[str, str], quorum_said: str) -> Opinion:
    """Read a Sentinel's opinion."""
    return Opinion(
        address=f"{pairs.get('ip', '')}:{pairs.get('port', '')}",
        epoch=int(pairs.get("config-epoch", "0")),
        flags=tuple(pairs.get("flags", "").split(",")),
        others=int(pairs.get("num-other-sentinels", "0")),
        quorum=quorum_said.startswith("OK"),
        quorum_said=quorum_said,
    )


def lag(master: Copy, replica: Copy) -> int | None:
    """Return how many bytes a replica has yet to receive; None if that was not measured, which is not zero."""
    if master.offset is None or replica.offset is None or not replica.link_up:
        return None
    return max(0, master.offset - replica.offset)


def masters(copies: Copies) -> list[str]:
    """Return who says that it is master."""
    return sorted(name for name, copy in copies.items() if copy and copy.role == "master")


def complaints(
    members: Sequence[Member], port: int, copies: Copies, opinions: Opinions, max_lag: int, without: str = ""
) -> list[str]:
    """Tell what keeps one instance from being well. ``without`` is a member that may be missing."""
    lead = masters(copies)
    if len(lead) != 1:
        silent = [name for name, copy in copies.items() if copy is None]
        return [
            (f"{' and '.join(lead)} all say that they are master" if lead else "nobody says that it is master")
            + (f" ({', '.join(silent)} did not answer)" if silent else "")
        ]
    addresses = {member.name: f"{member.address}:{port}" for member in members}
    found = []
    for member in members:
        if member.name not in (lead[0], without):
            copy, leader = copies.get(member.name), copies[lead[0]]
            found += [f"{member.name} {what}" for what in _replica(copy, leader, addresses[lead[0]], max_lag)]
    for name, opinion in sorted(opinions.items()):
        found += [f"Sentinel {name} {what}" for what in doubts(opinion, addresses[lead[0]], len(opinions))]
    return found


def _replica(copy: Copy | None, leader: Copy | None, address: str, max_lag: int) -> list[str]:
    if copy is None or leader is None:
        return ["does not answer"]
    if copy.loading is not False:
        return ["loads its data" if copy.loading else "does not say whether it has loaded its data"]
    if copy.follows != address:
        return [f"follows {copy.follows or 'nobody'}, the master is {address}"]
    if not copy.link_up:
        return ["copies the whole data set" if copy.syncing else "has no link to the master"]
    behind = lag(leader, copy)
    if behind is None:
        return ["has a lag that could not be measured"]
    return [f"is {behind} bytes behind, {max_lag} are allowed"] if behind > max_lag else []


def doubts(opinion: Opinion | None, address: str, sentinels: int) -> list[str]:
    """Tell what a Sentinel says other than that all is well with the master at ``address``."""
    if opinion is None:
        return ["does not answer, or does not watch this instance"]
    found = []
    if opinion.address != address:
        found.append(f"says that {opinion.address} is master, {address} says so itself")
    bad = [flag for flag in opinion.flags if flag in TROUBLE]
    if bad:
        found.append(f"says of the master: {', '.join(bad)}")
    if opinion.others != sentinels - 1:
        found.append(
            f"knows {opinion.others} other Sentinels, there are {sentinels - 1} (one that is gone for good is forgotten "
            "with SENTINEL RESET, on one Sentinel after the other)"
        )
    if not opinion.quorum:
        found.append(f"could not fail over: {opinion.quorum_said}")
    return found


def careless(members: Sequence[Member], copies: Copies, replicas_needed: int) -> list[str]:
    """Tell who would take writes that nobody else has: a switch that was killed leaves min-replicas-to-write at 0."""
    if not replicas_needed:
        return []
    return [
        f"{member.name} has min-replicas-to-write 0 and shall have {replicas_needed}, as a switch leaves it that was killed: "
        "run playbooks/switch-redis.yml again, or restart the instance there if it is no master"
        for member in members
        if (copy := copies.get(member.name)) and copy.counted is None
    ]


def returned(copy: Copy | None) -> bool:
    """Whether a copy that was restarted is back: a replica with its link, a master with its data."""
    return copy is not None and copy.loading is False and (copy.role == "master" or copy.link_up)


def restart_refusal(copy: Copy | None, replicas: int) -> str:
    """Tell why a copy must not be restarted now: a master whose replicas are not back leaves nobody to be elected."""
    if copy is None or copy.role != "master" or not replicas:
        return ""
    if copy.followers is None or copy.followers < replicas:
        seen = "an unknown number of" if copy.followers is None else copy.followers
        return f"it is master, {seen} replicas follow it and {replicas} must (docs/runbooks/redis-lost.md)"
    return ""


def may_leave(
    name: str, members: Sequence[Member], port: int, copies: Copies, replicas_needed: int, max_lag: int
) -> list[str]:
    """Tell why a member cannot be taken out of service; who is out already is counted, and so is who is not well."""
    lead = masters(copies)
    if name in lead:
        return [f"{name} is its master: hand it over first, with playbooks/switch-redis.yml"]
    if len(lead) != 1:
        return [f"{' and '.join(lead) or 'nobody'} says that it is master: find out why before anybody leaves"]
    address = next(f"{member.address}:{port}" for member in members if member.name == lead[0])
    rest = [member.name for member in members if member.name not in (name, lead[0])]
    wrong = {other: _replica(copies.get(other), copies[lead[0]], address, max_lag) for other in rest}
    well = [other for other in rest if not wrong[other]]
    # One replica at least, whatever is asked for: without any, the loss of the master is the loss of the data.
    needed = max(1, replicas_needed)
    if len(well) < needed:
        left = ", ".join(well) or "nobody"
        why = "; ".join(f"{other} {what}" for other in rest for what in wrong[other])
        return [
            f"only {left} would be left to follow {lead[0]}, and {needed} must: bring the others back first"
            + (f" ({why})" if why else "")
        ]
    return []
