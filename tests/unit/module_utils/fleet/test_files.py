# SPDX-License-Identifier: GPL-3.0-or-later
"""Promises of the planner behind config_files."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from plugins.module_utils.fleet.files import (
    HIDDEN,
    PIECE,
    Observed,
    Wanted,
    as_diff,
    masked,
    overlay,
    place_named,
    plan,
    step,
    verdict,
)

FILE = Wanted("/etc/app/app.conf", "file", b"port 1\n")
SAME = Observed("file", b"port 1\n", mode=0o644)
ETC = {"/etc", "/etc/app"}

paths = st.sampled_from(["/srv/a", "/srv/b", "/srv/b/c", "/srv/b/d", "/srv/e/f"])
modes = st.sampled_from([0o600, 0o644])
wanted_things = st.one_of(
    st.builds(
        Wanted, paths, st.just("file"), content=st.sampled_from([b"", b"x", b"y"]), mode=modes, force=st.booleans()
    ),
    st.builds(Wanted, paths, st.just("directory"), mode=modes),
    st.builds(Wanted, paths, st.just("link"), target=st.sampled_from(["a", "b"])),
    st.builds(Wanted, paths, st.just("absent"), recursive=st.booleans()),
)
observed_things = st.one_of(
    st.just(Observed()),
    st.builds(Observed, st.just("file"), content=st.sampled_from([b"", b"x"]), uid=st.sampled_from([0, 7]), mode=modes),
    st.builds(Observed, st.just("link"), target=st.sampled_from(["a", "b"])),
    st.builds(
        Observed, st.just("directory"), children=st.sampled_from([frozenset[str](), frozenset({"c"})]), mode=modes
    ),
    st.just(Observed("other")),
)


def after(before: Observed, wanted: Wanted) -> Observed:
    """Return what a path is once it is as wanted."""
    if wanted.kind == "absent":
        return Observed()
    if wanted.kind == "link":
        return Observed("link", target=wanted.target)
    if not wanted.force and before.kind != "missing":
        return before
    return Observed(wanted.kind, wanted.content, uid=wanted.uid or 0, gid=wanted.gid or 0, mode=wanted.mode)


@given(observed_things, wanted_things)
def test_what_was_made_as_wanted_is_left_alone(before: Observed, wanted: Wanted) -> None:
    assert step(after(before, wanted), wanted) is None


@given(st.lists(wanted_things, unique_by=lambda item: item.path), st.dictionaries(paths, observed_things))
def test_directories_come_first_and_removals_last_and_deepest_first(
    wanted: list[Wanted], observed: dict[str, Observed]
) -> None:
    changes = plan(observed, wanted, {"/srv"}).changes
    ranks = [{"directory": 0, "absent": 2}.get(change.wanted.kind, 1) for change in changes]
    assert ranks == sorted(ranks)
    removed = [change.path for change in changes if change.verb == "remove"]
    assert all(not later.startswith(earlier + "/") for i, earlier in enumerate(removed) for later in removed[i:])


@given(st.lists(wanted_things, unique_by=lambda item: item.path), st.dictionaries(paths, observed_things))
def test_no_directory_with_something_in_it_is_lost_unasked(wanted: list[Wanted], observed: dict[str, Observed]) -> None:
    made = plan(observed, wanted, {"/srv"})
    going = {item.path for item in wanted if item.kind == "absent"}
    stopped = {problem.path for problem in made.problems if not problem.may_pass}
    for change in made.changes:
        left = {f"{change.path}/{name}" for name in change.before.children} - going
        if change.verb in ("remove", "write", "link") and left and not change.wanted.recursive:
            assert change.path in stopped


def test_a_file_with_the_same_content_owner_and_mode_is_no_change() -> None:
    assert plan({FILE.path: SAME}, [FILE], ETC).changes == ()


def test_another_mode_or_owner_or_group_is_adjusted_without_writing() -> None:
    for other in (replace(SAME, mode=0o600), replace(SAME, uid=7), replace(SAME, gid=7)):
        change = step(other, FILE)
        assert change is not None
        assert change.verb == "adjust"


def test_the_set_user_bit_counts_as_part_of_the_mode() -> None:
    change = step(replace(SAME, mode=0o4644), FILE)
    assert change is not None
    assert change.describe() == "/etc/app/app.conf: mode 4644 -> 0644"


def test_an_owner_nobody_has_heard_of_is_always_a_change() -> None:
    assert step(SAME, replace(FILE, uid=None)) is not None


def test_a_seed_leaves_whatever_is_there() -> None:
    seed = replace(FILE, force=False)
    assert step(replace(SAME, content=b"grown", mode=0o600), seed) is None
    assert step(Observed(), seed) is not None


def test_a_link_where_a_file_shall_be_is_replaced_not_followed() -> None:
    change = step(Observed("link", target="/etc/passwd"), FILE)
    assert change is not None
    assert change.verb == "write"


def test_a_link_or_a_file_where_a_directory_shall_be_stops_the_plan() -> None:
    for before in (Observed("link", target="/srv"), Observed("file")):
        made = plan({"/etc/app": before}, [Wanted("/etc/app", "directory", mode=0o755)], {"/etc"})
        assert [problem.may_pass for problem in made.problems] == [False]


def test_a_missing_parent_stops_the_plan_but_may_come_later() -> None:
    made = plan({}, [FILE], {"/etc"})
    assert [str(problem) for problem in made.problems] == [
        "/etc/app/app.conf: the directory /etc/app does not exist: make /etc/app with an earlier entry `directory: true`, "
        "or install the package that brings it"
    ]
    assert made.problems[0].may_pass


def test_a_parent_made_in_the_same_call_is_enough() -> None:
    assert plan({}, [FILE, Wanted("/etc/app", "directory")], {"/etc"}).problems == ()


def test_a_directory_listed_before_its_parent_stops_the_plan() -> None:
    both = [Wanted("/etc/a/b", "directory"), Wanted("/etc/a", "directory")]
    assert len(plan({}, both, {"/etc"}).problems) == 1
    assert plan({}, both[::-1], {"/etc"}).problems == ()


def test_a_directory_that_this_call_empties_may_go() -> None:
    observed = {"/etc/a": Observed("directory", children=frozenset({"x"})), "/etc/a/x": Observed("file")}
    both = [Wanted("/etc/a", "absent"), Wanted("/etc/a/x", "absent")]
    assert plan(observed, both, {"/etc", "/etc/a"}).problems == ()
    (problem,) = plan(observed, both[:1], {"/etc"}).problems
    assert "not empty (it holds x): say `recursive: true`" in str(problem)


def test_a_socket_is_never_touched() -> None:
    for kind in ("file", "link", "absent", "directory"):
        (problem,) = plan({"/run/s": Observed("other")}, [Wanted("/run/s", kind)], {"/run"}).problems
        assert not problem.may_pass


def test_a_diff_of_a_secret_file_says_only_that_it_differs() -> None:
    change = step(Observed("file", b"old-password"), replace(FILE, content=b"new-password", secret=True))
    assert change is not None
    assert "password" not in str(as_diff(change))
    assert "differs" in as_diff(change)["prepared"]


def test_a_diff_of_an_ordinary_file_shows_both_texts_and_modes() -> None:
    change = step(replace(SAME, content=b"port 2\n"), FILE)
    assert change is not None
    assert as_diff(change) == {
        "before": "port 2\n",
        "after": "port 1\n",
        "before_header": "/etc/app/app.conf (0:0 0644)",
        "after_header": "/etc/app/app.conf (root:root 0644)",
    }


def test_a_diff_of_bytes_that_are_no_text_shows_none() -> None:
    change = step(Observed(), replace(FILE, content=b"\xff\xfe"))
    assert change is not None
    assert set(as_diff(change)) == {"prepared"}


@given(st.text(min_size=PIECE, max_size=30), st.text(max_size=20), st.text(max_size=20), st.data())
def test_no_piece_of_a_secret_survives_in_what_a_reader_says(
    secret: str, left: str, right: str, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(secret) - PIECE))
    shown = masked(left + secret[start : start + data.draw(st.integers(PIECE, 30))] + right, [secret])
    pieces = {secret[i : i + PIECE] for i in range(len(secret) - PIECE + 1)}
    assert not any(piece in kept for kept in shown.split(HIDDEN) for piece in pieces)


def test_a_reader_that_quotes_the_secret_line_is_masked_and_its_line_is_kept() -> None:
    output = "FATAL CONFIG FILE ERROR\nReading /etc/.s/0/redis.conf, at line 3\n>>> 'requirepass \"a b'\nBad directive"
    told = verdict("/etc/redis.conf", "/etc/.s/0/redis.conf", ["check", "%s"], (1, output), ['requirepass "a b'])
    assert told.line == 3
    assert "a b" not in told.output
    assert "/etc/redis.conf" in told.output
    assert "Bad directive" in told.output
    assert told.command == "check /etc/redis.conf"


def test_a_verdict_on_a_tree_names_the_file_in_it() -> None:
    output = "nginx: [emerg] unknown directive in /run/.s/nginx/conf.d/a.conf:12\nconfiguration file /run/.s/nginx/nginx.conf failed"
    told = verdict("/etc/nginx", "/run/.s/nginx", ["nginx", "-c", "%s/nginx.conf"], (1, output), [])
    assert (told.path, told.line) == ("/etc/nginx/conf.d/a.conf", 12)
    assert "/run/.s" not in str(told)


def test_a_file_that_is_missed_is_not_mistaken_for_the_file_that_misses_it() -> None:
    output = 'open() "/run/.s/nginx/missing.conf" failed (2: No such file or directory) in /run/.s/nginx/nginx.conf:3'
    assert place_named(output, "/run/.s/nginx") == ("/nginx.conf", 3)


def test_a_verdict_shows_the_line_of_a_file_that_is_no_secret() -> None:
    told = verdict("/etc/x", "/etc/.s/x", ["v", "%s"], (2, "/etc/.s/x: line 2: syntax error"), [], b"good\n  bad one\n")
    assert (
        str(told) == "/etc/x would be invalid (line 2: bad one): `v /etc/x` said: (exit 2) /etc/x: line 2: syntax error"
    )


def test_the_line_is_found_in_the_words_of_the_readers_in_use() -> None:
    said = {
        "/s/f:7:3: expected '}'": 7,  # nft
        "[ALERT]    (12) : config : parsing [/s/f:9] : unknown keyword": 9,  # haproxy
        "/s/f: line 4: Bad configuration option: X": 4,  # sshd
        "/s/f:3:8: syntax error": 3,  # visudo
        'nginx: [emerg] unexpected "}" in /s/f:15': 15,
        "error: config, file '/s/f', line 6, item 'x' (unknown)": 6,  # knot
        "Error parsing line 11": 11,
        "f:8: parse error": 8,
        "connecting to localhost:6379 failed": None,
        "no number here": None,
        "exit 127 at 12:30:01 nothing": None,
    }
    assert {text: place_named(text, "/s/f") for text in said} == {text: ("", line) for text, line in said.items()}


def test_an_overlay_holds_what_lies_in_the_tree_and_changes_its_content() -> None:
    wanted = [
        Wanted("/etc/nginx", "directory"),
        Wanted("/etc/nginx/a", "file", b"1"),
        Wanted("/etc/nginx-old/a", "file"),
        Wanted("/etc/nginx/mode", "file", b"1", mode=0o600),
    ]
    made = plan({"/etc/nginx/mode": Observed("file", b"1", mode=0o644)}, wanted, {"/etc", "/etc/nginx-old"})
    assert [relative for relative, _ in overlay("/etc/nginx", made.changes)] == [".", "a"]
