# SPDX-License-Identifier: GPL-3.0-or-later
"""Move a name one step at a time, so that a run may be killed between any two of them. Pure: what it touches is a ``World``.

A step either decides, and returns a record that says what will be written, or acts on a record that was stored before. Nothing is
ever written that the ledger does not know, and nothing that the ledger knows is taken for done before it was seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from . import split_plan
from .ports.dns_provider import Ambiguous, Failed, Raced, Reading, Receipt, Unanswered
from .split import Picture, Side, Split, crossings, lines, lowered, picture, targets, values_of, with_ttl
from .split_plan import moving
from .split_record import (
    BAKING,
    CONVERGED,
    CUT,
    FINALISED,
    FINISH,
    LOWER,
    MOVE,
    OBSERVED,
    OVER,
    PREPARED,
    RESTORE,
    ROLLED_BACK,
    TTL_LOWERED,
    VERIFIED,
    WAITED,
    Intent,
    Moment,
    Record,
)
from .split_world import Limits, Outcome, Refusal, World

STATES = ("present", "prepared", "cut", "finalised", "rolled_back")
# The phase when all servers have a write.
REACHES = {LOWER: TTL_LOWERED, MOVE: CONVERGED, FINISH: FINALISED, RESTORE: ROLLED_BACK}
SAID = {
    LOWER: "the TTL is short",
    MOVE: "the name has moved",
    FINISH: "the names are as they shall stay",
    RESTORE: "the names are as they were before",
}


# Seconds between two looks at a target that has just failed one: sooner than usual, and not so soon that one hiccup fails them all.
DOUBT = 5.0


@dataclass(frozen=True)
class Mover:
    """Makes the next step of a split."""

    split: Split
    state: str
    world: World
    limits: Limits
    # Seconds since this run began: the next one has patience of its own, however long ago the write was.
    running: float = 0.0

    def step(self, record: Record | None) -> Outcome:
        """Decide or do what comes next after what is recorded."""
        if self.state == "rolled_back":
            turned = self._turn_back(record)
            if turned is not None:
                return turned
        if record is None or (record.phase in OVER and record.intent is None):
            return self._begin(record)
        if record.intent is not None:
            return self._carry_out(record, record.intent)
        if record.desired != self.split.final():
            return self._another_wish(record)
        if self.state == "finalised" and record.phase in (OBSERVED, PREPARED, TTL_LOWERED, WAITED):
            raise Refusal(
                f"The name has not moved yet ({record.phase}), so there is nothing to finish. Ask for state=present."
            )
        if record.phase in STOPS.get(self.state, ()):
            if record.phase == TTL_LOWERED:
                return replace(self._wait(record), over=True, pause=0.0)
            return Outcome(record, f"{record.phase}: nothing more was asked for", over=True)
        return PHASES[record.phase](self, record)

    # Before anything is written

    def _begin(self, previous: Record | None) -> Outcome:
        reading = self.world.read()
        live = picture(reading.records, self.split.names)
        final = self.split.final()
        if fault := self.world.delegation():
            raise Refusal(
                f"The zone {self.split.zone} is delegated elsewhere: {fault}. Put that right first; nothing was written."
            )
        drifted = self._drifted(previous, live)
        if drifted and previous is not None:
            # When is not known, so caches may hold for as long as ever what was there before.
            previous = replace(previous, ended=self.world.now())
        plan = split_plan.plan(reading, final, self.split.marker, self.world.capabilities, self.limits.adopt)
        if plan.refusals:
            raise Refusal("Nothing was written: " + "; ".join(plan.refusals) + ".")
        self._refuse_others(live, final)
        self._everywhere(live)
        if not plan.batches:
            said = "all is as declared, by the word of every authoritative server"
            return Outcome(self._taken(previous, drifted) if previous and drifted else previous, said, over=True)
        if self.state == "finalised":
            raise Refusal("There is no move to finish. Ask for state=present to begin one.")
        names = moving(live, final)
        self._refuse_moves(live, names)
        return self._observed(reading, live, names, previous.held(self.world.now()) if previous else 0)

    def _drifted(self, previous: Record | None, live: Picture) -> str:
        """Say what somebody changed since the last move. Unless it is what is declared now, nothing is made of it."""
        if previous is None:
            return ""
        left = previous.desired if previous.phase == FINALISED else _restorable(previous)
        faults = "; ".join(split_plan.drift({name: live[name] for name in left}, left))
        final = self.split.final()
        if faults and any(values_of(live[name]) != values_of(final[name]) for name in left):
            raise Refusal(
                f"Somebody changed the names since the last move: {faults}. Put back what was; or declare what is there now and run this, "
                "and then declare what you want. Nothing was written."
            )
        return faults

    def _taken(self, record: Record, why: str) -> Record:
        """Return the record of a move that is over because what is there is what is declared."""
        now, final = self.world.now(), self.split.final()
        held = replace(record, ended=now).held(now)
        done = replace(record, phase=FINALISED, desired=final, snapshot=final, moving=(), old_ttl=held, ended=now)
        return done.told(now, f"taken as it is: {why}")

    def _refuse_others(self, live: Picture, final: Picture) -> None:
        if self.limits.only is None:
            return
        moved = (targets(live[name]) ^ targets(final[name]) for name in sorted(final))
        if others := sorted(frozenset().union(*moved) - self.limits.only):
            raise Refusal(
                f"The names are not as declared, by more than who leaves or rejoins: {', '.join(others)}. Lead them there first "
                "(playbooks/cut-over-dns.yml), or declare what is true. Nothing was written."
            )

    def _refuse_moves(self, live: Picture, names: tuple[str, ...]) -> None:
        if len(names) > 1:
            raise Refusal(
                f"Both names would move ({' and '.join(names)}). Move one at a time: first the write name, whose clients are yours "
                "alone, then the read name. Nothing was written."
            )
        for name in names:
            side = self._side(name)
            others = (one for one in self.split.sides if one.name != name)
            faults = [
                fault
                for other in others
                for fault in crossings(side, replace(other, records=live.get(other.name, other.records)))
            ]
            if faults:
                raise Refusal("Nothing was written: " + "; ".join(faults) + ".")

    def _anew(self, record: Record) -> Outcome:
        """Look again, since nothing was written yet. What caches may hold of the other look still counts."""
        again = self._begin(None)
        if again.record is not None:
            return replace(again, record=_remember(again.record, record))
        # Without us it is as declared: a record that stays would be a move under way, which no run ever ends.
        return replace(again, record=self._taken(record, again.did))

    def _observed(self, reading: Reading, live: Picture, names: tuple[str, ...], held: int) -> Outcome:
        now = self.world.now()
        final = self.split.final()
        old = [record.ttl for name in names for record in live[name]]
        absent = any({r.type for r in final[name]} - {r.type for r in live[name]} for name in final)
        record = Record(
            marker=self.split.marker,
            desired=final,
            snapshot=live,
            moving=names,
            transit_ttl=self.split.transit_ttl,
            old_ttl=max([held, *old]),
            absent=absent,
        )
        said = (
            f"observed {' and '.join(lines(live)) or 'two names without records'} (state {reading.token or 'unnamed'})"
        )
        return Outcome(record.told(now, said), said)

    def _another_wish(self, record: Record) -> Outcome:
        if record.phase in (OBSERVED, PREPARED):
            return self._anew(record)
        raise Refusal(
            f"A move is under way ({record.phase}) to {' and '.join(lines(record.desired))}, which is not what is wanted now. Finish it "
            "with the old declaration, or roll it back, before the next one. If it is of a host that leaves or rejoins, let that finish."
        )

    def _prepare(self, record: Record) -> Outcome:
        if faults := self._unready(record):
            raise Refusal("The new target is not ready: " + "; ".join(faults) + ". Nothing was written.")
        return self._reach(record, PREPARED, "the new target passes every probe" if _new(record) else "nothing moves")

    def _decide_lowering(self, record: Record) -> Outcome:
        live = self._live()
        if live != record.snapshot:
            return self._anew(record)
        if not record.moving:
            return self._intend(record, FINISH, live, record.desired)
        want = {name: lowered(live[name], record.transit_ttl) if name in record.moving else live[name] for name in live}
        return self._intend(record, LOWER, live, want)

    # The wait

    def _wait(self, record: Record) -> Outcome:
        now = self.world.now()
        passed = None if record.lowered is None else now.elapsed_since(record.lowered)
        if passed is None:
            why = "the clock went back" if record.lowered else "the names are as they were again"
            return self._begin_waiting(record, now, f"{why}, so the wait begins anew")
        left = record.wait - passed
        if left > 0:
            ready = replace(now, utc=now.utc + left, ticks=now.ticks + left)
            return Outcome(record, f"caches may hold the old answer for {left:.0f} s more", pause=left, ready_at=ready)
        return self._reach(record, WAITED, f"no cache can hold the old answer any more ({record.wait} s)")

    def _wait_anew(self, record: Record, live: Picture, faults: list[str]) -> Outcome:
        """Forget that the wait is over: what somebody else put there is in caches, also when it is put back."""
        longest = max((one.ttl for name in record.moving for one in live[name]), default=0)
        said = "somebody changed a name since its TTL was lowered, so the wait begins anew: " + "; ".join(faults)
        record = replace(record, phase=TTL_LOWERED, lowered=None, wait=max(record.wait, longest))
        return Outcome(record.told(self.world.now(), said), said, unknown=True)

    def _begin_waiting(self, record: Record, now: Moment, why: str) -> Outcome:
        low = self._low(record)
        if faults := split_plan.drift(self._live(), low):
            raise Refusal(
                "Somebody changed a name since its TTL was lowered: "
                + "; ".join(faults)
                + ". Put it back, or roll back and begin anew. The name was not moved."
            )
        self._everywhere(low, "The name was not moved; only its TTL is short.")
        return Outcome(replace(record, lowered=now).told(now, why), why)

    def _decide_move(self, record: Record) -> Outcome:
        low = self._low(record)
        live = self._live()
        if faults := split_plan.drift(live, low):
            return self._wait_anew(record, live, faults)
        self._everywhere(low, "The name was not moved; only its TTL is short.")
        if faults := self._unready(record):
            raise Refusal(
                "The new target is not ready: " + "; ".join(faults) + ". The name was not moved; only its TTL is short."
            )
        return self._intend(record, MOVE, live, self._moved(record))

    # Writing, which may be cut off anywhere

    def _carry_out(self, record: Record, intent: Intent) -> Outcome:
        if intent.written is None:
            return self._guarded(record, intent, self._write)
        return self._guarded(record, intent, self._converge)

    def _guarded(self, record: Record, intent: Intent, act: Callable[[Record, Intent], Outcome]) -> Outcome:
        """Try again what got no clear answer, but not for ever."""
        try:
            return act(record, intent)
        except (Unanswered, Ambiguous, Raced, Failed) as error:
            # A failure is final for the write that it answers; the next look tells what is left to do.
            return self._not_yet(record, intent, str(error))

    def _not_yet(self, record: Record, intent: Intent, why: str) -> Outcome:
        passed = self.world.now().elapsed_since(intent.written or intent.decided)
        # By a clock that went back the deadline would be years away.
        asked = self.running if passed is None else min(passed, self.running)
        if asked > self.limits.converge_within:
            raise Refusal(
                f"After {asked:.0f} s it is still not true that {SAID[intent.write]}: {why}. {self._by_hand(record)}"
            )
        return Outcome(record, f"not yet: {why}", pause=1.0, unknown=True)

    def _write(self, record: Record, intent: Intent) -> Outcome:
        """Write what is still missing of an intent, one batch at a time, and believe only what is read back."""
        reading = self.world.read()
        live = picture(reading.records, self.split.names)
        # Whoever restores wants what was there before, whatever is there now.
        if intent.write != RESTORE and (faults := split_plan.drift(live, intent.base, intent.want)):
            raise Refusal("Somebody changed a name meanwhile: " + "; ".join(faults) + f". {self._by_hand(record)}")
        if intent.write == MOVE and live == intent.base and self._is_old(intent):
            return Outcome(
                replace(record, intent=None), "the decision to move is old: look again before it is carried out"
            )
        # A name that is not there yet has its own time.
        want = {name: records for name, records in intent.want.items() if records}
        plan = split_plan.plan(reading, want, self.split.marker, self.world.capabilities, adopt=True)
        if plan.refusals:
            raise Refusal("; ".join(plan.refusals) + f". {self._by_hand(record)}")
        if plan.batches:
            receipt = self.world.write(plan.batches[0])
            taken = replace(record, intent=replace(intent, receipt=(*intent.receipt, *receipt.ids)))
            return Outcome(
                taken, f"wrote: {'; '.join(split_plan.SplitPlan(plan.batches[:1]).describe())}", changed=True
            )
        now = self.world.now()
        phase = CUT if intent.write == MOVE else record.phase
        done = replace(record, intent=replace(intent, written=now), phase=phase)
        return Outcome(done.told(now, f"the zone has it: {SAID[intent.write]}"), "the provider has all of it")

    def _is_old(self, intent: Intent) -> bool:
        passed = self.world.now().elapsed_since(intent.decided)
        return passed is None or passed > self.limits.converge_within

    def _converge(self, record: Record, intent: Intent) -> Outcome:
        self.world.settled(Receipt(intent.receipt))
        verdict = self.world.verify(intent.want)
        if not verdict.ok and intent.write == RESTORE and self._lacks(intent.want):
            # Nobody else can go back, so it is written again: only looking would never end.
            again = replace(record, intent=replace(intent, written=None))
            return Outcome(again, "somebody changed the names after they were put back, so they are put back again")
        if not verdict.ok:
            return self._not_yet(record, intent, "; ".join(verdict.faults))
        now = self.world.now()
        said = f"{SAID[intent.write]} at every authoritative server"
        record = replace(record, intent=None, phase=REACHES[intent.write], failures=0)
        if intent.write == LOWER:
            negative = self.world.negative_ttl() if record.absent else 0
            record = replace(record, lowered=now, wait=max(record.old_ttl, negative))
        failed = intent.write == RESTORE and not (record.asked and self.state == "rolled_back")
        if failed:
            said += f"; it was rolled back because {record.reason}"
        over = record.phase in OVER
        record = replace(record, ended=now if over else None)
        return Outcome(record.told(now, said), said, over=over, changed=True, failed=failed)

    def _lacks(self, want: Picture) -> bool:
        """Whether the provider itself has something else."""
        live = self._live()
        return any(records and live[name] != records for name, records in want.items())

    # After the cut

    def _check(self, record: Record) -> Outcome:
        faults = self._new_target_faults(record)
        if faults:
            return self._doubt(record, faults)
        now = self.world.now()
        record = replace(record, phase=VERIFIED, verified=now, failures=0)
        return Outcome(record.told(now, "the name works at its new target"), "the name works at its new target")

    def _start_baking(self, record: Record) -> Outcome:
        return self._reach(
            record, BAKING, f"watch the new target for {self.limits.bake:.0f} s while the way back is short"
        )

    def _bake(self, record: Record) -> Outcome:
        now = self.world.now()
        passed = None if record.verified is None else now.elapsed_since(record.verified)
        try:
            faults = self._new_target_faults(record)
        except Unanswered as error:
            # A primary restarts in the day that a target is watched. Nothing was seen, so nothing ends here, well or badly.
            if passed is not None and min(passed - self.limits.bake, self.running) > self.limits.converge_within:
                raise
            return Outcome(record, f"not looked: {error}", pause=self.limits.bake_interval, unknown=True)
        if faults:
            return self._doubt(record, faults)
        if passed is None:
            return Outcome(replace(record, verified=now), "the clock went back, so the watch begins anew")
        left = self.limits.bake - passed
        if left > 0:
            ready = replace(now, utc=now.utc + left, ticks=now.ticks + left)
            pause = min(left, self.limits.bake_interval)
            calm = replace(record, failures=0)
            return Outcome(calm, f"the new target is well; watched for {left:.0f} s more", pause=pause, ready_at=ready)
        return self._intend(record, FINISH, self._moved(record), record.desired)

    def _moved(self, record: Record) -> Picture:
        """Return what is there between the cut and the end."""
        short = {name: with_ttl(record.desired[name], record.transit_ttl) for name in record.moving}
        return {**record.snapshot, **short}

    def _new_target_faults(self, record: Record) -> list[str]:
        # A server that is silent for a while (it restarts, perhaps) is no reason to go back: nobody is led astray by it.
        return [*self.world.verify(self._moved(record)).otherwise, *self._target_faults(record)]

    def _doubt(self, record: Record, faults: list[str]) -> Outcome:
        record = replace(record, failures=record.failures + 1)
        why = "; ".join(faults)
        if record.failures < self.limits.failures:
            said = f"{record.failures} of {self.limits.failures} checks in a row failed: {why}"
            return Outcome(record, said, pause=min(self.limits.bake_interval, DOUBT))
        return self._intend_restore(
            record, f"the new target failed {record.failures} times in a row: {why}", asked=False
        )

    # Going back

    def _turn_back(self, record: Record | None) -> Outcome | None:
        """Return the decision to go back, or None if it was made already."""
        if record is None:
            raise Refusal("Nothing is recorded that could be rolled back.")
        if record.intent is not None and record.intent.write == RESTORE:
            return (
                None
                if record.asked
                else Outcome(replace(record, asked=True), "the rollback that began by itself goes on")
            )
        if record.phase == ROLLED_BACK:
            self._everywhere(self._live())
            return Outcome(record, "it is rolled back already", over=True)
        if record.phase in (OBSERVED, PREPARED) and record.intent is None:
            now = self.world.now()
            record = replace(record, phase=ROLLED_BACK, reason="asked for", asked=True, ended=now)
            return Outcome(record.told(now, "given up before anything was written"), "nothing was written", over=True)
        old = _restorable(record)
        if not old:
            raise Refusal("There was nothing at these names before, so there is nothing to go back to.")
        faults = self._probe(record.moving, old)
        # Out of two evils the one that serves: going back to what is dead helps only if the new one is dead as well.
        if faults and not self._probe(record.moving, record.desired):
            raise Refusal(
                "The old target does not work, and the new one does: " + "; ".join(faults) + ". Nothing was written."
            )
        again = [
            f"{one.address} of {one.host}" for one in self.split.away if one.address in targets(old.get(one.name, ()))
        ]
        why = f"; {' and '.join(again)}, which is out, is led to again" if again else ""
        return self._intend_restore(record, f"a person asked for it{why}", asked=True)

    def _intend_restore(self, record: Record, why: str, asked: bool) -> Outcome:
        record = replace(record, reason=why, asked=asked, failures=0)
        return self._intend(record, RESTORE, record.desired, _restorable(record))

    # Small words

    def _intend(self, record: Record, write: str, base: Picture, want: Picture) -> Outcome:
        now = self.world.now()
        said = f"decided: {write}" + (f" ({record.reason})" if write == RESTORE else "")
        return Outcome(replace(record, intent=Intent(write, base, want, now)).told(now, said), said)

    def _reach(self, record: Record, phase: str, said: str) -> Outcome:
        return Outcome(replace(record, phase=phase, failures=0).told(self.world.now(), said), said)

    def _low(self, record: Record) -> Picture:
        snapshot = record.snapshot
        return {n: lowered(snapshot[n], record.transit_ttl) if n in record.moving else snapshot[n] for n in snapshot}

    def _live(self) -> Picture:
        return picture(self.world.read().records, self.split.names)

    def _everywhere(self, wanted: Picture, so: str = "Nothing was written.") -> None:
        verdict = self.world.verify(wanted)
        if not verdict.ok:
            raise Refusal(
                "Not all authoritative servers agree with the provider: " + "; ".join(verdict.faults) + f". {so}"
            )

    def _probe(self, names: Iterable[str], image: Picture) -> list[str]:
        return [fault for name in names for fault in self.world.probe(self.split.role_of(name), image[name])]

    def _unready(self, record: Record) -> list[str]:
        """Say what is wrong with a target that nobody is led to yet. One answer that is late is nothing: it is asked once more."""
        return self._target_faults(record) and self._target_faults(record)

    def _target_faults(self, record: Record) -> list[str]:
        """Say what is wrong with where the names will lead: it does not work, or it is where the other name leads."""
        ends = [record.desired.get(side.name, side.records) for side in self.split.sides]
        both = frozenset.intersection(*map(self.world.addresses, ends)) if len(ends) > 1 else frozenset()
        met = [f"both names would lead to {', '.join(sorted(both))}"] if both else []
        return met + self._probe(_new(record), record.desired)

    def _side(self, name: str) -> Side:
        return next(side for side in self.split.sides if side.name == name)

    def _by_hand(self, record: Record) -> str:
        return f"What there was before the move: {' | '.join(lines(record.snapshot)) or 'no records'}."


PHASES: dict[str, Callable[[Mover, Record], Outcome]] = {
    OBSERVED: Mover._prepare,
    PREPARED: Mover._decide_lowering,
    TTL_LOWERED: Mover._wait,
    WAITED: Mover._decide_move,
    CONVERGED: Mover._check,
    VERIFIED: Mover._start_baking,
    BAKING: Mover._bake,
}
# Where a state that asks for less than all of it stops.
STOPS = {"prepared": (TTL_LOWERED, WAITED, CONVERGED, VERIFIED, BAKING), "cut": (VERIFIED, BAKING)}


def _new(record: Record) -> tuple[str, ...]:
    """Return the names that will lead where they do not lead yet."""
    return (*record.moving, *(name for name in sorted(record.desired) if not record.snapshot[name]))


def _restorable(record: Record) -> Picture:
    """Return what going back leads to. A name that there was not stays as it is: a name is never made to vanish."""
    return {name: records for name, records in record.snapshot.items() if records}


def _remember(fresh: Record, stale: Record) -> Record:
    return replace(fresh, old_ttl=max(fresh.old_ttl, stale.old_ttl), absent=fresh.absent or stale.absent)
