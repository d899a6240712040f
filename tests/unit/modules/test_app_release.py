# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases from a real repository, in a real directory."""

from __future__ import annotations

import getpass
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.fleet.app_releases import Resolved
from plugins.module_utils.fleet.environment_file import render
from plugins.module_utils.fleet.ports.app_host import AppHost, CommandError
from plugins.modules import app_release


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository with one version that says what it sees when it is built."""
    path = tmp_path / "repository"
    path.mkdir()
    (path / "build.sh").write_text('echo "$DB_PASS,$SECRET_KEY_BASE_DUMMY" > built\n')
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    commit, tag = [*identity, "commit", "-q", "-m", "x"], [*identity, "tag", "-a", "-m", "x", "v1"]
    for argv in (["init", "-q", "-b", "main"], ["add", "."], commit, tag):
        subprocess.run(["git", *argv], cwd=path, check=True)
    return path


@pytest.fixture
def host(tmp_path: Path) -> AppHost:
    """Return a host as the role leaves it before its first release."""
    root = tmp_path / "root"
    for directory in ("releases", "records", "shared/public/system", "repository.git"):
        (root / directory).mkdir(parents=True)
    (root / "shared" / ".env.production").write_text(render({"DB_PASS": "it's secret", "DB_HOST": "pooler"}))
    return AppHost(str(root), getpass.getuser(), os.environ["PATH"], 30)


def params(repository: Path, **more: Any) -> dict[str, Any]:
    return {
        "repository": f"file://{repository}",
        "version": "v1",
        "build": [["sh", "build.sh"]],
        "build_environment": {"SECRET_KEY_BASE_DUMMY": 1},
        "bundle_config": {"without": "development:test"},
        "shared": ["public/system", ".env.production"],
        "migration_environment": {"DB_HOST": "primary"},
        "migrate": ["sh", "-c", 'echo "migrate $DB_HOST $SKIP_POST_DEPLOYMENT_MIGRATIONS" >> said'],
        "seed": ["sh", "-c", "echo seed >> said"],
        "pending": ["true"],
        "migrates": True,
        "keep": 0,
        "follow_branch": False,
        "state": "built",
        **more,
    }


def built(host: AppHost, repository: Path) -> Resolved:
    given = params(repository)
    resolved = app_release.resolve(given, host, host.observe())
    app_release.build(given, host, resolved)
    return resolved


def version(host: AppHost, number: int) -> None:
    """Put a bundle before all others that says which version the database has."""
    directory = host.root / "bin"
    directory.mkdir(exist_ok=True)
    (directory / "bundle").write_text(f"#!/bin/sh\necho Current version: {number}\n")
    (directory / "bundle").chmod(0o755)
    host.path = f"{directory}:{host.path}"


def test_a_release_is_the_files_of_its_commit_and_links(host: AppHost, repository: Path) -> None:
    release = host.root / "releases" / built(host, repository).release
    assert (release / "REVISION").read_text()[:10] == release.name.removeprefix("v1-")
    assert (release / "public/system").resolve() == host.root / "shared/public/system"
    assert (release / ".bundle/config").read_text() == '---\nBUNDLE_WITHOUT: "development:test"\n'
    assert host.observe().mark(release.name).built


def test_the_build_sees_no_secret(host: AppHost, repository: Path) -> None:
    release = host.root / "releases" / built(host, repository).release
    assert (release / "built").read_text() == ",1\n"


def test_a_tag_that_is_known_is_not_asked_for_again(host: AppHost, repository: Path) -> None:
    resolved = built(host, repository)
    repository.rename(repository.with_name("gone"))
    assert app_release.resolve(params(repository), host, host.observe()) == resolved


def test_a_build_that_fails_leaves_no_record_and_is_built_anew(host: AppHost, repository: Path) -> None:
    given = params(repository, build=[["sh", "-c", "echo half > half; echo why >&2; exit 3"]])
    resolved = app_release.resolve(given, host, host.observe())
    with pytest.raises(CommandError, match=r"(?s)ended with 3 and said:.*why"):
        app_release.build(given, host, resolved)
    assert not host.observe().mark(resolved.release).built
    assert not (host.root / "releases" / built(host, repository).release / "half").exists()


def test_migrations_go_around_the_pooler_and_leave_what_the_running_code_needs(host: AppHost, repository: Path) -> None:
    release = built(host, repository).release
    version(host, 20260101)
    app_release.prepare(params(repository), host, release)
    assert (host.root / "releases" / release / "said").read_text() == "migrate primary true\n"
    assert host.observe().mark(release).prepared


def test_an_empty_database_gets_everything(host: AppHost, repository: Path) -> None:
    release = built(host, repository).release
    version(host, 0)
    app_release.prepare(params(repository), host, release)
    assert (host.root / "releases" / release / "said").read_text() == "migrate primary \nseed\n"


def test_nothing_is_current_before_the_database_is_ready(host: AppHost, repository: Path) -> None:
    release = built(host, repository).release
    with pytest.raises(CommandError, match="the host with app_migrate runs the migrations first"):
        app_release.switch(params(repository, pending=["false"]), host, release)
    assert host.observe().current == ""
    app_release.switch(params(repository), host, release)
    assert host.observe().current == release


def test_what_is_finished_is_recorded_and_old_releases_go(host: AppHost, repository: Path) -> None:
    release = built(host, repository).release
    host.switch(release)
    (host.root / "releases" / "old").mkdir()
    app_release.finish(params(repository), host, host.observe(), release)
    assert host.observe().directories == (release,)
    assert json.loads((host.root / "records" / f"{release}.json").read_text())["finished"] is True


def test_a_release_is_not_gone_on_with_out_of_order(host: AppHost) -> None:
    with pytest.raises(CommandError, match="not built on this host yet"):
        app_release.refuse_out_of_order({"state": "current"}, host.observe(), "v1")
    with pytest.raises(CommandError, match="not the current release"):
        app_release.refuse_out_of_order({"state": "finished"}, host.observe(), "v1")
