# SPDX-License-Identifier: GPL-3.0-or-later
"""A name moves under traffic, and whatever happens on the way."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.module_utils.fleet.ports.dns_provider import Unanswered
from plugins.module_utils.fleet.split import Picture, picture
from plugins.module_utils.fleet.split_preview import differences, preview
from plugins.module_utils.fleet.split_record import read
from plugins.module_utils.fleet.split_verify import Verdict
from plugins.module_utils.fleet.split_world import Limits, Outcome, Refusal
from tests.unit.module_utils.fleet.dns_simulator import (
    ATOMIC,
    BUCKET,
    MEDIA,
    NEW,
    OLD,
    S3,
    SINGLE,
    Crash,
    Run,
    SimWorld,
    promises,
    rrset,
    split,
    world,
)

PROVIDERS = pytest.mark.parametrize("can", [ATOMIC, SINGLE], ids=["atomic", "one by one"])


def leads_to(run: Run) -> set[str]:
    return {value for record in run.world.zone.names()[MEDIA] for value in record.values}


def ttls(run: Run) -> set[int]:
    return {record.ttl for record in run.world.zone.names()[MEDIA]}


def phase(run: Run) -> object:
    return (run.ledger or {}).get("phase")


def until(wanted: str) -> Callable[[Outcome], None]:
    """Kill the run when a phase is stored."""

    def look(outcome: Outcome) -> None:
        if outcome.record is not None and outcome.record.phase == wanted and outcome.record.intent is None:
            raise Crash

    return look


def written(outcome: Outcome) -> None:
    """Kill the run when a write is made, and nobody knows yet whether all servers have it."""
    if outcome.record and outcome.record.intent and outcome.record.intent.written:
        raise Crash


def killed(run: Run, between: Callable[[Outcome], None], state: str = "present") -> Run:
    run.between = between
    with pytest.raises(Crash):
        run.run(state)
    run.between = lambda _: None
    return run


def stopped_at(wanted: str, **options: object) -> Run:
    return killed(Run(world(), **options), until(wanted))  # type: ignore[arg-type]


@PROVIDERS
def test_a_name_moves_with_a_short_ttl_after_every_cache_forgot_the_long_one(can: object) -> None:
    run = Run(world(can=can))  # type: ignore[arg-type]
    outcome = run.run()
    assert outcome.over
    assert not outcome.failed
    assert phase(run) == "finalised"
    assert leads_to(run) == {*NEW}
    assert ttls(run) == {300}
    promises(run.world, run.split, 300)


def test_a_move_that_is_done_is_not_done_again_but_verified_again() -> None:
    run = Run(world())
    run.run()
    before = run.world.provider.writes, dict(run.ledger or {})
    outcome = run.run()
    assert (run.world.provider.writes, run.ledger) == before
    assert not outcome.changed
    run.world.zone.servers["ns2"].error = "SERVFAIL"
    with pytest.raises(Refusal, match="SERVFAIL"):
        run.run()


def test_the_wait_begins_when_the_last_server_has_the_short_ttl() -> None:
    run = stopped_at("ttl_lowered")
    lowered = run.world.zone.versions[-1].at
    assert run.world.zone.clock.real - lowered >= run.world.zone.servers["ns2"].lag
    left = run.once()
    assert left.pause == pytest.approx(300)
    assert left.ready_at is not None
    assert left.ready_at.utc == pytest.approx(run.world.zone.clock.utc + 300)


def test_a_run_that_comes_back_goes_on_waiting_and_never_from_the_start() -> None:
    run = stopped_at("ttl_lowered")
    run.world.zone.clock.advance(100)
    run.world.zone.clock.reboot()
    assert run.once().pause == pytest.approx(200)
    run.world.zone.clock.advance(200)
    assert run.once().pause == 0
    assert phase(run) == "waited"


def test_a_clock_that_went_back_makes_the_wait_longer_and_not_shorter() -> None:
    run = stopped_at("ttl_lowered")
    run.world.zone.clock.reboot()
    run.world.zone.clock.utc -= 50
    assert "anew" in run.once().did
    assert run.once().pause == pytest.approx(300)


def test_within_one_boot_a_calendar_that_jumps_ahead_skips_nothing() -> None:
    run = stopped_at("ttl_lowered")
    run.world.zone.clock.utc += 100_000
    assert run.once().pause == pytest.approx(300)


def test_a_name_that_lacked_a_type_waits_for_the_memory_of_its_absence_too() -> None:
    here = world(media=(rrset(MEDIA, "A", 20, OLD[0]),))
    run = Run(here, split=split(ttl=20))
    run.run()
    promises(here, run.split, 60)
    assert leads_to(run) == {*NEW}


def test_prepared_lowers_the_ttl_and_moves_nothing() -> None:
    run = Run(world())
    outcome = run.run("prepared")
    assert leads_to(run) == {*OLD}
    assert ttls(run) == {5}
    assert outcome.ready_at is not None
    run.world.zone.clock.advance(301)
    run.run("prepared")
    assert leads_to(run) == {*OLD}
    run.run("present")
    promises(run.world, run.split, 300)


def test_cut_moves_and_leaves_the_way_back_short() -> None:
    run = Run(world())
    run.run("cut")
    assert (phase(run), ttls(run), leads_to(run)) == ("verified", {5}, {*NEW})
    run.run("finalised")
    assert (phase(run), ttls(run)) == ("finalised", {300})


def test_there_is_nothing_to_finish_before_the_cut() -> None:
    with pytest.raises(Refusal, match="no move to finish"):
        Run(world()).run("finalised")
    run = stopped_at("ttl_lowered")
    with pytest.raises(Refusal, match="has not moved yet"):
        run.run("finalised")


# Broken targets


def test_a_target_that_does_not_work_is_refused_before_anything_is_written() -> None:
    run = Run(world())
    run.world.healthy -= {NEW[1]}
    with pytest.raises(Refusal, match=f"{NEW[1]} does not answer.*Nothing was written"):
        run.run()
    assert run.world.provider.writes == 0


@pytest.mark.parametrize("before", ["observed", "waited"])
def test_a_target_that_answers_late_once_is_not_refused(before: str) -> None:
    run = Run(world()) if before == "observed" else stopped_at(before)
    run.world.late = {NEW[0]}
    run.run()
    assert leads_to(run) == {*NEW}
    assert not run.world.late


def test_a_target_that_broke_during_the_wait_is_refused_before_the_cut() -> None:
    run = stopped_at("ttl_lowered")
    run.world.healthy -= {NEW[0]}
    with pytest.raises(Refusal, match="was not moved"):
        run.run()
    assert leads_to(run) == {*OLD}
    run.world.healthy |= {NEW[0]}
    run.run()
    assert leads_to(run) == {*NEW}


@PROVIDERS
def test_a_target_that_breaks_right_after_the_cut_is_left_again(can: object) -> None:
    run = Run(world(can=can))  # type: ignore[arg-type]
    run.between = lambda o: run.world.healthy.discard(NEW[0]) if o.record and o.record.phase == "cut" else None
    outcome = run.run()
    assert outcome.failed
    assert "192.0.2.2 does not answer" in outcome.did
    assert (phase(run), leads_to(run), ttls(run)) == ("rolled_back", {*OLD}, {300})
    promises(run.world, run.split, 300)


def test_a_target_that_breaks_while_it_is_watched_is_left_again() -> None:
    run = stopped_at("baking")
    run.world.healthy -= {NEW[0]}
    assert run.run().failed
    assert leads_to(run) == {*OLD}


def test_a_server_that_is_silent_is_no_reason_to_go_back_and_one_that_says_otherwise_is() -> None:
    run = stopped_at("baking")
    run.world.zone.servers["ns2"].error = "no answer"
    for _ in range(5):
        assert "is well" in run.once().did
    run.world.zone.servers["ns2"].error = ""
    run.world.zone.servers["ns2"].stuck = 0
    while not (outcome := run.once()).did.startswith("decided: restore"):
        assert "checks in a row failed: ns2" in outcome.did
    run.world.zone.servers["ns2"].stuck = None
    assert run.run().failed


def test_a_single_failure_is_no_reason_to_go_back() -> None:
    run = stopped_at("converged")
    run.world.healthy -= {NEW[0]}
    assert "1 of 3" in run.once().did
    run.world.healthy |= {NEW[0]}
    assert not run.run().failed
    assert leads_to(run) == {*NEW}


def test_going_back_does_not_give_up_when_the_provider_is_silent_for_a_while() -> None:
    run = stopped_at("baking")
    run.world.healthy -= {NEW[0]}
    run.between = lambda o: setattr(run.world.provider, "silent", 5) if "decided: restore" in o.did else None
    assert run.run().failed
    assert leads_to(run) == {*OLD}


def test_going_back_that_fails_says_what_to_restore_by_hand() -> None:
    run = stopped_at("baking")
    run.world.healthy -= {NEW[0]}
    run.between = lambda o: setattr(run.world.provider, "silent", 10_000) if "decided: restore" in o.did else None
    with pytest.raises(Refusal, match=r"media\.example\.org\. 300 A 192\.0\.2\.1"):
        run.run()


def test_a_move_that_was_turned_back_may_be_tried_again_by_who_asks_again() -> None:
    run = stopped_at("baking")
    run.world.healthy -= {NEW[0]}
    run.run()
    with pytest.raises(Refusal, match="not ready"):
        run.run()
    run.world.healthy |= {NEW[0]}
    run.run()
    assert (phase(run), leads_to(run)) == ("finalised", {*NEW})


# Going back on request


@pytest.mark.parametrize("at", ["prepared", "ttl_lowered", "waited", "converged", "verified", "baking", "finalised"])
def test_whoever_asks_goes_back_from_anywhere(at: str) -> None:
    run = stopped_at(at)
    outcome = run.run("rolled_back")
    assert not outcome.failed
    assert (phase(run), leads_to(run), ttls(run)) == ("rolled_back", {*OLD}, {300})
    promises(run.world, run.split, 300)
    assert not run.run("rolled_back").changed


def test_nothing_recorded_is_nothing_to_go_back_to() -> None:
    with pytest.raises(Refusal, match="Nothing is recorded"):
        Run(world()).run("rolled_back")


def test_going_back_to_what_is_dead_is_refused_while_the_new_one_lives() -> None:
    run = stopped_at("finalised")
    run.world.healthy -= {OLD[0]}
    with pytest.raises(Refusal, match="old target does not work"):
        run.run("rolled_back")
    run.world.healthy -= {NEW[0]}
    run.run("rolled_back")
    assert leads_to(run) == {*OLD}


def test_a_rollback_that_was_cut_off_is_finished_by_whoever_comes_next() -> None:
    run = stopped_at("finalised")
    run.once("rolled_back")
    outcome = run.run("present")
    assert outcome.failed
    assert leads_to(run) == {*OLD}


# Servers


def test_a_server_that_is_silent_right_before_the_cut_leaves_the_name_where_it_was() -> None:
    run = stopped_at("waited")
    run.world.zone.servers["ns2"].error = "no answer"
    with pytest.raises(Refusal, match=r"ns2 .* no answer.*was not moved; only its TTL is short"):
        run.run()
    assert leads_to(run) == {*OLD}


def test_a_stuck_server_is_found_before_anything_is_written() -> None:
    run = Run(world())
    run.world.zone.put({**run.world.zone.records, (S3, "A"): rrset(S3, "A", 299, *BUCKET)})
    run.world.zone.servers["ns2"].stuck = 0
    with pytest.raises(Refusal, match=r"ns2 \(10\.0\.0\.2\).*Nothing was written"):
        run.run()


def test_a_server_that_gets_stuck_holds_up_the_move_until_the_deadline_and_is_named() -> None:
    run = stopped_at("prepared")
    run.world.zone.servers["ns2"].stuck = 0
    with pytest.raises(Refusal, match=r"still not true that the TTL is short: ns2 \(10\.0\.0\.2\)"):
        run.run()
    assert leads_to(run) == {*OLD}
    run.world.zone.servers["ns2"].stuck = None
    run.run()
    assert leads_to(run) == {*NEW}
    promises(run.world, run.split, 300)


@pytest.mark.parametrize("later", [0.0, 3_000_000.0])
def test_the_next_run_asks_a_server_that_still_lags_for_as_long_again(later: float) -> None:
    run = stopped_at("prepared")
    here = run.world.zone
    here.servers["ns2"].stuck = 0
    with pytest.raises(Refusal, match=r"After 6\d s it is still not true"):
        run.run()
    here.clock.advance(later)
    began = here.clock.real
    with pytest.raises(Refusal, match=r"After 6\d s it is still not true"):
        run.run()
    assert here.clock.real - began > run.limits.converge_within
    # It comes while the third run asks.
    run.between = lambda o: setattr(here.servers["ns2"], "stuck", None) if o.did.startswith("not yet") else None
    assert not run.run().failed
    assert leads_to(run) == {*NEW}
    promises(run.world, run.split, 300)


def test_without_servers_nothing_is_proven() -> None:
    run = Run(world())
    run.world.zone.servers.clear()
    with pytest.raises(Refusal, match="no authoritative server"):
        run.run()


def test_a_delegation_that_leads_elsewhere_is_refused() -> None:
    run = Run(world())
    run.world.provider.wrong_delegation = "the parent names ns9.example.net."
    with pytest.raises(Refusal, match=r"ns9\.example\.net"):
        run.run()


def test_a_zone_in_error_is_not_converged_whatever_the_servers_say() -> None:
    run = stopped_at("prepared")
    run.world.provider.failed = "the zone is in error"
    with pytest.raises(Refusal, match="the zone is in error"):
        run.run()
    assert phase(run) == "prepared"


# Others


def test_what_belongs_to_somebody_else_is_refused() -> None:
    run = Run(world(owner="external/other"), limits=Limits(adopt=True))
    with pytest.raises(Refusal, match="belongs to external/other"):
        run.run()
    assert run.world.provider.writes == 0


def test_what_belongs_to_nobody_is_taken_over_only_when_told_so() -> None:
    run = Run(world(owner=""))
    with pytest.raises(Refusal, match="adopt"):
        run.run()
    run.limits = Limits(adopt=True, bake=10)
    here = split(read_to=OLD)
    assert differences(here, run.world, run.limits, None) == []
    assert len(differences(here, run.world, Limits(), None)) == 2
    run.run()
    assert run.world.zone.owners == dict.fromkeys((MEDIA, S3), "upstairs/media")
    assert leads_to(run) == {*NEW}


@pytest.mark.parametrize("at", ["ttl_lowered", "waited", "converged"])
def test_what_somebody_changes_by_hand_meanwhile_is_never_overwritten(at: str) -> None:
    run = stopped_at(at)
    strange = rrset(MEDIA, "A", 5, "203.0.113.9")
    run.world.zone.put({**run.world.zone.records, (MEDIA, "A"): strange})
    if at == "converged":
        # After the cut it is as bad as a broken target: back to what was known to work.
        assert run.run().failed
        return
    with pytest.raises(Refusal, match=r"203\.0\.113\.9"):
        run.run()
    assert strange in run.world.zone.names()[MEDIA]


def test_what_somebody_changes_between_a_decision_and_its_write_is_never_overwritten() -> None:
    run = stopped_at("prepared")
    run.once()
    strange = rrset(MEDIA, "A", 300, "203.0.113.9")
    run.world.zone.put({**run.world.zone.records, (MEDIA, "A"): strange})
    with pytest.raises(Refusal, match=r"meanwhile: media\.example\.org\. A: is 203\.0\.113\.9"):
        run.run()
    assert strange in run.world.zone.names()[MEDIA]


def test_what_somebody_changes_after_the_move_is_drift() -> None:
    run = Run(world())
    run.run()
    run.world.zone.put({**run.world.zone.records, (MEDIA, "A"): rrset(MEDIA, "A", 300, "203.0.113.9")})
    run.world.zone.clock.advance(10)
    assert differences(run.split, run.world, run.limits, read(run.ledger, run.split)) == [
        "media.example.org. A: 203.0.113.9 (TTL 300) becomes 192.0.2.2 (TTL 300)"
    ]
    # Names without an owner are another matter than names that somebody changed.
    for adopt in (False, True):
        run.limits = Limits(adopt=adopt, bake=10)
        with pytest.raises(Refusal, match=r"203\.0\.113\.9.*Nothing was written"):
            run.run()
    assert "203.0.113.9" in leads_to(run)


@pytest.mark.parametrize(("ttl", "wait"), [(20, 300), (60, 300), (600, 600)])
def test_what_somebody_changed_is_taken_when_it_is_declared_and_moved_on_from_there(ttl: int, wait: int) -> None:
    run = Run(world())
    run.run()
    here, by_hand = run.world.zone, ("203.0.113.9", "2001:db8::3")
    here.clock.advance(10_000)
    changed = {(MEDIA, k): rrset(MEDIA, k, ttl, at) for k, at in zip(("A", "AAAA"), by_hand, strict=True)}
    here.put({**here.records, **changed, (S3, "A"): rrset(S3, "A", ttl, *BUCKET)})
    here.clock.advance(10)
    run.world.healthy |= {*by_hand}
    run.split, writes = split(read_to=by_hand, ttl=20), run.world.provider.writes
    run.run()
    assert (leads_to(run), ttls(run)) == ({*by_hand}, {20})
    assert run.world.provider.writes - writes == (ttl != 20)
    run.split = split(ttl=20)
    # When it was changed nobody knows: caches may hold what was there before it for a whole TTL yet.
    run.run("prepared")
    assert (run.ledger or {})["wait"] == pytest.approx(wait, abs=5)
    run.run()
    assert leads_to(run) == {*NEW}


def test_a_name_that_somebody_removed_is_not_made_anew_behind_his_back() -> None:
    run = Run(world())
    run.run()
    run.world.zone.put({key: record for key, record in run.world.zone.records.items() if key[0] != MEDIA})
    run.world.zone.clock.advance(10)
    with pytest.raises(Refusal, match=r"is missing.*Put back what was"):
        run.run()


def test_another_wish_in_the_middle_of_a_move_is_refused() -> None:
    run = stopped_at("ttl_lowered")
    run.split = split(read_to=("192.0.2.3",))
    with pytest.raises(Refusal, match="under way"):
        run.run()


def test_another_wish_before_the_first_write_is_simply_the_wish() -> None:
    run = stopped_at("prepared")
    run.split = split(read_to=("192.0.2.3",))
    run.world.healthy.add("192.0.2.3")
    run.run()
    assert leads_to(run) == {"192.0.2.3"}


def test_both_names_at_once_are_refused() -> None:
    with pytest.raises(Refusal, match="one at a time"):
        Run(world(), split=split(write_to=("198.51.100.2",))).run()


def test_a_read_name_that_would_lead_to_what_is_written_to_is_refused() -> None:
    here = world()
    here.zone.put({**here.zone.records, (S3, "A"): rrset(S3, "A", 300, *NEW[:1])})
    here.zone.clock.advance(10)
    with pytest.raises(Refusal):
        Run(here).run()


def test_beside_a_name_that_is_elsewhere_only_the_other_is_touched() -> None:
    run = Run(world(), split=split(write_elsewhere="bucket.example.net."))
    run.run()
    assert leads_to(run) == {*NEW}
    promises(run.world, run.split, 300)
    # The simulated host resolves no name, so a target of that very name is what both would share.
    run.split = split(read_to=("192.0.2.3",), write_elsewhere="bucket.example.net.")
    run.world.healthy.add("192.0.2.3")
    run.world.resolved["bucket.example.net."] = "192.0.2.3"
    with pytest.raises(Refusal, match=r"both names would lead to 192\.0\.2\.3"):
        run.run()


def test_a_decision_to_cut_that_is_hours_old_is_made_again() -> None:
    run = stopped_at("waited")
    run.once()
    assert (run.ledger or {}).get("intent")
    run.world.zone.clock.advance(7200)
    run.world.healthy -= {NEW[0]}
    with pytest.raises(Refusal, match="was not moved"):
        run.run()
    assert leads_to(run) == {*OLD}


# Kinds


def test_addresses_become_a_cname_at_once_or_not_at_all() -> None:
    media = (rrset(MEDIA, "CNAME", 300, "old.example.net."),)
    here = world(media=media)
    here.healthy |= {"old.example.net."}
    run = Run(here)
    run.run()
    assert leads_to(run) == {*NEW}
    promises(here, run.split, 300)
    other = Run(world(media=media, can=SINGLE))
    with pytest.raises(Refusal, match="cannot change between addresses and a CNAME"):
        other.run()


def test_names_that_there_were_not_are_made_and_nothing_waits() -> None:
    here = world(media=())
    run = Run(here)
    run.run()
    assert leads_to(run) == {*NEW}
    assert here.probed == sorted(NEW)
    # Going back makes no name vanish.
    run.run("rolled_back")
    assert leads_to(run) == {*NEW}


@pytest.mark.parametrize(
    "fates", [["lost"], ["dropped"], ["late"], ["lost", "dropped", "lost", "lost"], ["dropped"] * 4]
)
@PROVIDERS
def test_a_write_without_an_answer_is_looked_at_again(fates: list[str], can: object) -> None:
    run = Run(world(can=can))  # type: ignore[arg-type]
    run.world.provider.fate = [*fates]
    run.run()
    assert (phase(run), leads_to(run)) == ("finalised", {*NEW})
    promises(run.world, run.split, 300)


# Crashes


def crashing(here: SimWorld, at: int) -> list[str]:
    """Kill the process at the n-th thing that it touches, once."""
    seen: list[str] = []

    def touched(what: str) -> None:
        seen.append(what)
        if len(seen) == at:
            raise Crash

    here.touched = touched
    return seen


def things_touched() -> int:
    run = Run(world())
    seen = crashing(run.world, 0)
    run.run()
    return len(seen)


@PROVIDERS
def test_killed_anywhere_the_next_run_comes_to_the_same_end_and_skips_no_wait(can: object) -> None:
    killed = 0
    for at in range(1, 10_000):
        run = Run(world(can=can))  # type: ignore[arg-type]
        crashing(run.world, at)
        try:
            run.run()
        except Crash:
            killed += 1
            run.world.touched = lambda _: None
            run.run()
            assert (phase(run), leads_to(run), ttls(run)) == ("finalised", {*NEW}, {300})
            promises(run.world, run.split, 300)
            continue
        break
    assert killed >= things_touched() > 50


@given(st.lists(st.integers(1, 40), max_size=6), st.integers(0, 2), st.booleans(), st.booleans())
def test_killed_again_and_again_with_servers_that_lag_and_clocks_that_restart(
    kills: list[int], lag: int, reboot: bool, single: bool
) -> None:
    run = Run(world(can=SINGLE if single else ATOMIC))
    run.world.zone.servers["ns1"].lag = float(lag * 7)
    for at in kills:
        crashing(run.world, at)
        try:
            run.run()
        except Crash:
            if reboot:
                run.world.zone.clock.reboot()
    run.world.touched = lambda _: None
    run.run()
    assert leads_to(run) == {*NEW}
    promises(run.world, run.split, 300)


def test_killed_anywhere_on_the_way_back_the_next_run_goes_all_the_way_back() -> None:
    for at in range(1, 10_000):
        run = stopped_at("baking")
        run.world.healthy -= {NEW[0]}
        crashing(run.world, at)
        try:
            run.run()
        except Crash:
            run.world.touched = lambda _: None
            if phase(run) != "rolled_back":
                assert run.run().failed
            assert (phase(run), leads_to(run)) == ("rolled_back", {*OLD})
            promises(run.world, run.split, 300)
            continue
        assert at > 10
        break


# The plan


def test_the_plan_has_the_steps_of_the_move_with_their_times_and_writes_nothing() -> None:
    run = Run(world())
    seen = preview(run.split, "present", run.world, run.limits, None)
    assert run.world.provider.writes == 0
    assert run.world.probed == sorted(NEW)
    moved = next(at for at, said in seen.steps if said == "decided: move")
    assert moved == pytest.approx(300)
    assert [change.describe() for change in seen.changes if change.type == "A"] == [
        "media.example.org. A: 192.0.2.1 (TTL 300) becomes 192.0.2.1 (TTL 5)",
        "media.example.org. A: 192.0.2.1 (TTL 5) becomes 192.0.2.2 (TTL 5)",
        "media.example.org. A: 192.0.2.2 (TTL 5) becomes 192.0.2.2 (TTL 300)",
    ]
    run.run()
    versions = [picture(version.records.values(), (MEDIA,)) for version in run.world.zone.versions]
    assert len(versions) == 4


def test_the_plan_of_a_move_under_way_begins_where_it_stands() -> None:
    run = stopped_at("waited")
    seen = preview(run.split, "present", run.world, run.limits, read(run.ledger, run.split))
    assert seen.steps[0] == (0.0, "decided: move")


def test_the_plan_refuses_what_the_move_would_refuse() -> None:
    run = Run(world(owner=""))
    with pytest.raises(Refusal, match="adopt"):
        preview(run.split, "present", run.world, run.limits, None)


def test_a_ttl_that_was_long_until_just_now_is_waited_for_although_the_zone_has_forgotten_it() -> None:
    here = world(media=(rrset(MEDIA, "A", 3600, OLD[0]), rrset(MEDIA, "AAAA", 3600, OLD[1])))
    only_the_ttl = Run(here, split=split(read_to=OLD, ttl=20))
    only_the_ttl.run()
    assert ttls(only_the_ttl) == {20}
    here.zone.clock.advance(600)
    then = Run(here, split=split(ttl=20), ledger=only_the_ttl.ledger)
    then.run("prepared")
    assert then.once("prepared").pause == 0
    assert (then.ledger or {})["wait"] == pytest.approx(3000, abs=5)
    here.zone.clock.advance(3600)
    then.run()
    assert leads_to(then) == {*NEW}


def test_a_ttl_that_was_long_some_time_ago_is_not_waited_for() -> None:
    here = world(media=(rrset(MEDIA, "A", 3600, OLD[0]), rrset(MEDIA, "AAAA", 3600, OLD[1])))
    only_the_ttl = Run(here, split=split(read_to=OLD, ttl=20))
    only_the_ttl.run()
    here.zone.clock.advance(3700)
    then = Run(here, split=split(ttl=20), ledger=only_the_ttl.ledger)
    then.run("prepared")
    assert (then.ledger or {})["wait"] == 20


def test_what_was_seen_before_another_wish_still_counts_for_the_wait() -> None:
    run = stopped_at("prepared")
    for kind, address in zip(("A", "AAAA"), OLD, strict=True):
        short = rrset(MEDIA, kind, 5, address)
        run.world.zone.put({**run.world.zone.records, (MEDIA, kind): short})
    run.world.zone.clock.advance(10)
    run.split = split(read_to=("192.0.2.2",))
    run.run("prepared")
    assert (run.ledger or {})["wait"] == 300


@pytest.mark.parametrize("by", ["the declaration", "a hand"])
def test_a_move_that_nobody_needs_any_more_before_its_first_write_is_over(by: str) -> None:
    run = stopped_at("prepared")
    if by == "a hand":
        for kind, address in zip(("A", "AAAA"), NEW, strict=True):
            run.world.zone.put({**run.world.zone.records, (MEDIA, kind): rrset(MEDIA, kind, 300, address)})
        run.world.zone.clock.advance(10)
    else:
        run.split = split(read_to=OLD)
    assert not run.run().changed
    assert phase(run) == "finalised"
    assert differences(run.split, run.world, run.limits, read(run.ledger, run.split)) == []


def test_what_somebody_changed_after_the_wait_and_put_back_is_waited_for_too() -> None:
    run = stopped_at("waited")
    here = run.world.zone
    low = here.records
    here.put({**low, (MEDIA, "A"): rrset(MEDIA, "A", 3600, "192.0.2.9")})
    here.clock.advance(10)
    with pytest.raises(Refusal, match=r"192\.0\.2\.9"):
        run.run()
    here.put(low)
    here.clock.advance(10)
    assert "anew" in run.once().did
    assert run.once().pause == pytest.approx(3600)
    run.run()
    assert leads_to(run) == {*NEW}


def test_the_plan_of_a_move_that_waits_for_a_server_ends_there_and_does_not_ask_for_ever() -> None:
    run = killed(Run(world()), written)
    seen = preview(run.split, "present", run.world, run.limits, read(run.ledger, run.split))
    assert [said.partition(":")[0] for _, said in seen.steps] == ["not yet"]
    assert "ns2" in seen.steps[0][1]


def test_the_plan_leaves_it_to_the_move_to_remember_that_somebody_changed_a_name() -> None:
    run = stopped_at("waited")
    run.world.zone.put({**run.world.zone.records, (MEDIA, "A"): rrset(MEDIA, "A", 3600, "192.0.2.9")})
    seen = preview(run.split, "present", run.world, run.limits, read(run.ledger, run.split))
    assert "192.0.2.9" in seen.steps[-1][1]


def test_a_name_that_somebody_changes_while_it_is_put_back_is_put_back_again_hours_later_too() -> None:
    run = stopped_at("converged")
    killed(run, written, "rolled_back")
    run.world.zone.put({**run.world.zone.records, (MEDIA, "A"): rrset(MEDIA, "A", 300, "203.0.113.9")})
    run.world.zone.clock.advance(10_000)
    assert not run.run("rolled_back").failed
    assert leads_to(run) == {*OLD}


def test_a_primary_that_restarts_while_the_target_is_watched_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    run = stopped_at("baking")
    servers = run.world.verify
    silent = iter([True, True])

    def verify(wanted: Picture) -> Verdict:
        if next(silent, False):
            raise Unanswered("the primary gave no copy")
        return servers(wanted)

    monkeypatch.setattr(run.world, "verify", verify)
    assert "no copy" in run.once().did
    assert phase(run) == "baking"
    run.run()
    assert phase(run) == "finalised"


def test_a_primary_that_stays_away_ends_the_watch_and_not_the_move(monkeypatch: pytest.MonkeyPatch) -> None:
    run = stopped_at("baking")

    def verify(wanted: Picture) -> Verdict:
        raise Unanswered("the primary gave no copy")

    monkeypatch.setattr(run.world, "verify", verify)
    # The next run, too, has patience before it ends.
    for _ in range(2):
        began = run.world.zone.clock.real
        with pytest.raises(Unanswered):
            run.run()
        assert run.world.zone.clock.real - began > run.limits.converge_within
    assert phase(run) == "baking"
    assert leads_to(run) == {*NEW}


def test_a_server_that_is_stuck_is_named_in_the_end_also_by_a_clock_that_went_back() -> None:
    run = killed(Run(world()), written)
    run.world.zone.servers["ns2"].stuck = 0
    run.world.zone.clock.reboot()
    run.world.zone.clock.utc -= 1_000_000
    with pytest.raises(Refusal, match="still not true that the TTL is short: ns2"):
        run.run()


def test_the_plan_to_mark_names_that_are_as_declared_is_the_plan_of_a_change() -> None:
    run = Run(world(owner=""), split=split(read_to=OLD), limits=Limits(adopt=True))
    seen = preview(run.split, "present", run.world, run.limits, None)
    assert (seen.changes, seen.marked) == ((), (MEDIA, S3))
