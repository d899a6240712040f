# SPDX-License-Identifier: GPL-3.0-or-later
"""Which release an application host shall have, what is missing for that, and which old ones may go."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

COMMIT = re.compile(r"[0-9a-f]{40}")
SHORT = 10


@dataclass(frozen=True)
class Resolved:
    """A version, the commit that it means, and the name of the directory."""

    version: str
    commit: str
    release: str


@dataclass(frozen=True)
class Refusal:
    """Why a version is not taken, and what to do."""

    why: str


@dataclass(frozen=True)
class Mark:
    """How far a release has come on this host."""

    built: bool = False
    prepared: bool = False
    finished: bool = False


@dataclass(frozen=True)
class Host:
    """What there is on a host: directories of releases, their marks, and where ``current`` points."""

    directories: Sequence[str] = ()
    marks: Mapping[str, Mark] | None = None
    current: str = ""

    def mark(self, release: str) -> Mark:
        """Return how far a release has come; a directory without a mark is the rest of a build that was cut off."""
        return (self.marks or {}).get(release, Mark()) if release in self.directories else Mark()


def name_of(version: str, commit: str) -> str:
    """Return the directory's name: a person reads the version, and a tag that was moved can not hide behind it."""
    if version == commit:
        return commit[:SHORT]
    return f"{re.sub(r'[^A-Za-z0-9._+-]', '-', version)}-{commit[:SHORT]}"


def resolve(version: str, refs: Mapping[str, str], branches: bool) -> Resolved | Refusal:
    """Return the commit that a version means among the references of a repository (a tag's commit stands behind ``^{}``)."""
    if COMMIT.fullmatch(version):
        return Resolved(version, version, name_of(version, version))
    tag = f"refs/tags/{version}"
    if tag in refs:
        commit = refs.get(f"{tag}^{{}}", refs[tag])
        return Resolved(version, commit, name_of(version, commit))
    branch = f"refs/heads/{version}"
    if branch in refs and branches:
        return Resolved(version, refs[branch], name_of(version, refs[branch]))
    if branch in refs:
        return Refusal(
            f"{version} is a branch: it may move between two hosts, which would then run different code. Give app_version a tag "
            "or a whole commit, or set app_follow_branch where that does not matter"
        )
    return Refusal(
        f"the repository has neither a tag nor a branch {version}; give app_version one of its tags or a whole commit"
    )


def parse_refs(output: str) -> dict[str, str]:
    """Return reference -> object from the output of ``git ls-remote`` and ``git show-ref``."""
    pairs = (line.split(maxsplit=1) for line in output.splitlines() if line.strip())
    return {name: commit for commit, name in pairs}


def to_build(host: Host, release: str) -> tuple[str, ...]:
    """Return the steps until a release is built."""
    if host.mark(release).built:
        return ()
    remains = (f"remove the half-built release {release}",) if release in host.directories else ()
    return (*remains, f"build the release {release}")


def to_prepare(host: Host, release: str) -> tuple[str, ...]:
    """Return the steps until the database is ready for a release that runs beside the one before it."""
    return (
        ()
        if host.mark(release).prepared
        else (f"migrate the database for {release}, but for what the code before it still needs",)
    )


def to_switch(host: Host, release: str) -> tuple[str, ...]:
    """Return the steps until a release is the current one."""
    return () if host.current == release else (f"make {release} current (before: {host.current or 'none'})",)


def to_finish(host: Host, release: str, migrates: bool, keep: int, newest_first: Sequence[str]) -> tuple[str, ...]:
    """Return the steps after all processes run the release: the rest of the migrations, and old releases."""
    rest = (
        (f"migrate what only the code before {release} needed",) if migrates and not host.mark(release).finished else ()
    )
    return (*rest, *(f"remove the release {old}" for old in superfluous(newest_first, host.current, release, keep)))


def superfluous(newest_first: Sequence[str], current: str, wanted: str, keep: int) -> tuple[str, ...]:
    """Return the releases that may go: the current and the wanted one stay, and ``keep`` others to go back to."""
    others = [release for release in newest_first if release not in (current, wanted)]
    return tuple(others[keep:])
