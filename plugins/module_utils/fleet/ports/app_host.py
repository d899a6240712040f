# SPDX-License-Identifier: GPL-3.0-or-later
"""The application's directories on a host, and commands that run in them as its user.

Layout: ``releases/`` and ``repository.git/`` belong to the user; ``records/``, ``shared/`` and ``current`` belong to root, so that an
application that was broken into can neither forge a record nor choose what runs next.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..app_releases import COMMIT, Host, Mark, Resolved, parse_refs
from ..environment_file import parse
from .whole import write_whole

LAST_LINES = 30


class CommandError(Exception):
    """A command failed; the message holds the end of what it said."""


class AppHost:
    """One host's releases."""

    def __init__(self, root: str, user: str, path: str, within: int) -> None:
        self.root = Path(root)
        self.user = user
        self.path = path
        self.within = within
        self.git_dir = self.root / "repository.git"

    def missing(self) -> str:
        """Return what must be there before anything can be asked: git, the user, the directories."""
        if shutil.which("git", path=self.path) is None:
            return "git"
        try:
            pwd.getpwnam(self.user)
        except KeyError:
            return f"user {self.user}"
        return "" if (self.root / "releases").is_dir() else f"{self.root}/releases"

    # What there is

    def observe(self) -> Host:
        """Return the releases, how far each has come, and the current one."""
        current = self.root / "current"
        return Host(
            directories=tuple(sorted(path.name for path in (self.root / "releases").iterdir() if path.is_dir())),
            marks={path.stem: self._mark(path) for path in (self.root / "records").glob("*.json")},
            current=current.readlink().name if current.is_symlink() else "",
        )

    def newest_first(self) -> list[str]:
        """Return the releases by the time at which they were built."""
        times = {path.name: path.stat().st_mtime for path in (self.root / "releases").iterdir() if path.is_dir()}
        return sorted(times, key=lambda name: times[name], reverse=True)

    def references(self, repository: str, version: str) -> dict[str, str]:
        """Return what the version may mean; a tag that is known here, or a commit, is not asked for again."""
        if COMMIT.fullmatch(version):
            return {}
        if (self.git_dir / "HEAD").exists():
            known = parse_refs(self._git(["show-ref", "--tags", "--dereference"], may_fail=True))
            if f"refs/tags/{version}" in known:
                return known
        wanted = (f"refs/tags/{version}", f"refs/tags/{version}^{{}}", f"refs/heads/{version}")
        return parse_refs(self._run(["git", "ls-remote", repository, *wanted], self.root, self._surroundings({})))

    # Changes

    def checkout(self, repository: str, resolved: Resolved) -> None:
        """Put the files of a commit into its release's directory."""
        release = self.root / "releases" / resolved.release
        if release.exists():
            self.remove(resolved.release)
        if not (self.git_dir / "HEAD").exists():
            self._run(["git", "init", "--quiet", "--bare", str(self.git_dir)], self.root, self._surroundings({}))
        named = resolved.version != resolved.commit
        tag = f"refs/tags/{resolved.version}"
        is_tag = named and tag in self.references(repository, resolved.version)
        source = f"+{tag}:{tag}" if is_tag else f"refs/heads/{resolved.version}" if named else resolved.commit
        # Only this commit: the history of a large application is many times its size.
        self._git(["fetch", "--quiet", "--depth=1", repository, source])
        self._run(["mkdir", str(release)], self.root, self._surroundings({}))
        index = self.git_dir / f"index-{resolved.release}"
        arguments = [f"--work-tree={release}", "checkout", "--quiet", "--force", resolved.commit, "--", "."]
        self._git(arguments, {"GIT_INDEX_FILE": str(index)})
        index.unlink()
        self._write_as_user(release / "REVISION", f"{resolved.commit}\n")
        # Both are written to while the application runs; units make only these writable.
        self._run(["mkdir", "-p", "log", "tmp"], release, self._surroundings({}))

    def write_bundle_config(self, release: str, settings: Mapping[str, object]) -> None:
        """Write Bundler's own settings file: the processes must find the gems where the build put them."""
        if settings:
            lines = "".join(
                f"BUNDLE_{name.upper()}: {json.dumps(str(value))}\n" for name, value in sorted(settings.items())
            )
            directory = self.root / "releases" / release
            self._run(["mkdir", "-p", ".bundle"], directory, self._surroundings({}))
            self._write_as_user(directory / ".bundle" / "config", f"---\n{lines}")

    def run(self, argv: Sequence[str], release: str, environment: Mapping[str, object]) -> str:
        """Run a command in a release as the user and return what it said."""
        surroundings = self._surroundings({name: str(value) for name, value in environment.items()})
        return self._run(argv, self.root / "releases" / release, surroundings)

    def environment(self, instead: Mapping[str, object]) -> dict[str, str]:
        """Return the application's environment, with some values replaced."""
        text = (self.root / "shared" / ".env.production").read_text(encoding="utf-8")
        return {**parse(text), **{name: str(value) for name, value in instead.items()}}

    def link_shared(self, release: str, paths: Sequence[str]) -> None:
        """Make paths of a release links into shared/."""
        directory = self.root / "releases" / release
        for path in paths:
            self._run(["mkdir", "-p", str((directory / path).parent)], directory, self._surroundings({}))
            self._run(["ln", "-sfnT", str(self.root / "shared" / path), path], directory, self._surroundings({}))

    def record(self, release: str, said: Mapping[str, object]) -> None:
        """Add to what is known about a release, whole or not at all."""
        path = self.root / "records" / f"{release}.json"
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        write_whole(path, (json.dumps({**known, **said}, indent=1, sort_keys=True) + "\n").encode())

    def switch(self, release: str) -> None:
        """Turn the link in one step: there is no moment without a current release."""
        temporary = self.root / ".current.new"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(f"releases/{release}")
        temporary.replace(self.root / "current")

    def remove(self, release: str) -> None:
        """Remove a release; the record goes first, so that what is left is never taken for whole."""
        (self.root / "records" / f"{release}.json").unlink(missing_ok=True)
        # By its own user: what the application may have put there can lead nowhere that it could not go itself.
        self._run(["rm", "-rf", "--", str(self.root / "releases" / release)], self.root, self._surroundings({}))

    # How

    def _mark(self, path: Path) -> Mark:
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            return Mark()
        return Mark(bool(said.get("built")), bool(said.get("prepared")), bool(said.get("finished")))

    def _surroundings(self, more: Mapping[str, str]) -> dict[str, str]:
        home = pwd.getpwnam(self.user).pw_dir
        base = {
            "PATH": self.path,
            "HOME": home,
            "USER": self.user,
            "LANG": "C.UTF-8",
            "RAILS_ENV": "production",
            "NODE_ENV": "production",
        }
        return {**base, "GIT_TERMINAL_PROMPT": "0", **more}

    def _git(self, arguments: Sequence[str], more: Mapping[str, str] | None = None, *, may_fail: bool = False) -> str:
        argv = ["git", f"--git-dir={self.git_dir}", *arguments]
        return self._run(argv, self.root, self._surroundings(more or {}), may_fail=may_fail)

    def _write_as_user(self, path: Path, text: str) -> None:
        self._run(["tee", "--", str(path)], path.parent, self._surroundings({}), text)

    def _run(
        self,
        argv: Sequence[str],
        directory: Path,
        environment: Mapping[str, str],
        text: str = "",
        *,
        may_fail: bool = False,
    ) -> str:
        known = pwd.getpwnam(self.user)
        program = shutil.which(argv[0], path=self.path)
        if program is None:
            raise CommandError(f"there is no program {argv[0]} in {self.path}; is its package in app_packages?")
        # Whoever is not root is the user already, or fails at the first file.
        identity: dict[str, Any] = (
            {"user": known.pw_uid, "group": known.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        )
        try:
            done: subprocess.CompletedProcess[str] = subprocess.run(
                [program, *argv[1:]],
                cwd=directory,
                env=dict(environment),
                input=text,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=self.within,
                check=False,
                umask=0o022,
                **identity,
            )
        except subprocess.TimeoutExpired:
            raise CommandError(f"`{' '.join(argv)}` did not end within {self.within} s") from None
        if done.returncode != 0 and not may_fail:
            last = "\n".join(f"{done.stdout}\n{done.stderr}".strip().splitlines()[-LAST_LINES:])
            raise CommandError(f"`{' '.join(argv)}` ended with {done.returncode} and said:\n{last}")
        return done.stdout
