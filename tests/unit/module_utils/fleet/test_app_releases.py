# SPDX-License-Identifier: GPL-3.0-or-later
"""Which release a host shall have, and what is missing for it."""

from __future__ import annotations

from plugins.module_utils.fleet import app_releases as releases
from plugins.module_utils.fleet.app_releases import Host, Mark, Refusal, Resolved

COMMIT, OTHER = "a" * 40, "b" * 40
BUILT = Mark(built=True)


def test_a_tag_with_a_message_means_the_commit_behind_it() -> None:
    refs = {"refs/tags/v1": OTHER, "refs/tags/v1^{}": COMMIT}
    assert releases.resolve("v1", refs, branches=False) == Resolved("v1", COMMIT, "v1-aaaaaaaaaa")


def test_a_tag_wins_over_a_branch_of_the_same_name() -> None:
    refs = {"refs/tags/v1": COMMIT, "refs/heads/v1": OTHER}
    assert releases.resolve("v1", refs, branches=True) == Resolved("v1", COMMIT, "v1-aaaaaaaaaa")


def test_a_branch_is_taken_only_where_it_may_move() -> None:
    refs = {"refs/heads/main": COMMIT}
    refused = releases.resolve("main", refs, branches=False)
    assert isinstance(refused, Refusal)
    assert "app_follow_branch" in refused.why
    assert releases.resolve("main", refs, branches=True) == Resolved("main", COMMIT, "main-aaaaaaaaaa")


def test_a_commit_needs_no_repository() -> None:
    assert releases.resolve(COMMIT, {}, branches=False) == Resolved(COMMIT, COMMIT, "aaaaaaaaaa")


def test_what_does_not_exist_is_refused_in_words() -> None:
    refused = releases.resolve("v9", {}, branches=True)
    assert isinstance(refused, Refusal)
    assert "neither a tag nor a branch v9" in refused.why


def test_a_version_with_a_slash_is_one_directory() -> None:
    assert releases.name_of("fix/it", COMMIT) == "fix-it-aaaaaaaaaa"


def test_a_directory_without_a_record_is_built_anew() -> None:
    half = Host(directories=("v1",))
    assert releases.to_build(half, "v1") == ("remove the half-built release v1", "build the release v1")


def test_a_record_without_a_directory_is_no_release() -> None:
    assert releases.to_build(Host(marks={"v1": BUILT}), "v1") == ("build the release v1",)


def test_what_is_done_is_not_done_again() -> None:
    done = Host(("v1",), {"v1": Mark(built=True, prepared=True, finished=True)}, "v1")
    assert releases.to_build(done, "v1") == releases.to_prepare(done, "v1") == releases.to_switch(done, "v1") == ()
    assert releases.to_finish(done, "v1", migrates=True, keep=2, newest_first=["v1"]) == ()


def test_a_migration_that_was_cut_off_is_taken_up() -> None:
    assert releases.to_prepare(Host(("v1",), {"v1": BUILT}), "v1") != ()


def test_only_the_migrating_host_finishes() -> None:
    host = Host(("v1",), {"v1": BUILT}, "v1")
    assert releases.to_finish(host, "v1", migrates=False, keep=2, newest_first=["v1"]) == ()
    assert len(releases.to_finish(host, "v1", migrates=True, keep=2, newest_first=["v1"])) == 1


def test_the_current_release_never_goes() -> None:
    assert releases.superfluous(["v4", "v3", "v2", "v1"], current="v1", wanted="v4", keep=1) == ("v2",)
    assert releases.superfluous(["v2", "v1"], current="v1", wanted="v1", keep=0) == ("v2",)


def test_references_are_read() -> None:
    assert releases.parse_refs(f"{COMMIT}\trefs/heads/main\n{OTHER} refs/tags/v1\n") == {
        "refs/heads/main": COMMIT,
        "refs/tags/v1": OTHER,
    }
