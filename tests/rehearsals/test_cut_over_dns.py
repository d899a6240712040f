# SPDX-License-Identifier: GPL-3.0-or-later
"""The read name moves to other edges while people look at a picture by it, through a resolver that remembers: nobody notices.

Two edges stand for two sets of them. Before each story the name leads to the first alone, with a TTL that can be waited for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from bin.programs import tail
from tests.rehearsals.answers import row
from tests.rehearsals.audience import gathered
from tests.rehearsals.conftest import ROWS, Operate
from tests.rehearsals.faults import Faults
from tests.rehearsals.names import Names, Watch
from tests.rehearsals.operation import Operation
from tests.rehearsals.readers import Readers, last_at
from tests.rehearsals.stage import GRACE, TRANSIT, TTL, Stage, told
from tests.rehearsals.tier import until
from tests.visitors import Site

# Seconds: a TTL that is not over by the time a second run has read how far the first one came.
LONG_TTL = 25
PLAYBOOK = "cut-over-dns.yml"


@dataclass(frozen=True)
class Scene:
    """Two edges, what servers say of the name that leads to one of them, and the people who follow it."""

    stage: Stage
    names: Names
    readers: Readers
    old: str
    new: str

    def move_to_new(self) -> tuple[str, ...]:
        """Declare that the name shall lead to the new edge, and return the arguments of the playbook."""
        return self.stage.declare(self.new)

    def waited(self, seen: Watch) -> float:
        """Return the seconds between the last server's short TTL and the first server's new address."""
        low = seen.began(((self.old,), TRANSIT), self.names.servers)
        return seen.began(((self.new,), TRANSIT), self.names.servers)[0] - low[-1]


@pytest.fixture
def scene(request: pytest.FixtureRequest, site: Site, faults: Faults, town: str) -> Iterator[Scene]:
    old, new = (site.address(host) for host in site.hosts("edge"))
    with gathered(faults, town, [old]) as audience:
        readers = audience.readers
        readers.all_at(old, 20)
        yield Scene(audience.stage, audience.names, readers, old, new)
    story = request.node.name.removeprefix("test_").replace("_", " ")
    ROWS.append(row(story, readers.answers, None, readers.fault))


def test_the_read_name_moves_to_other_edges_and_back_and_nobody_notices(site: Site, scene: Scene) -> None:
    arguments, names, readers = scene.move_to_new(), scene.names, scene.readers
    with Operation(site, PLAYBOOK, arguments) as cut:
        moved = cut.wait()
    assert moved.status == 0, tail(moved.output, 60)
    told(scene.names, "cut", cut.began, moved.seconds)
    readers.all_at(scene.new, TRANSIT + GRACE)
    with Operation(site, PLAYBOOK, (*arguments, "-e", "rollback=true")) as rollback:
        back = rollback.wait()
    assert back.status == 0, tail(back.output, 60)
    told(scene.names, "rollback", rollback.began, back.seconds)
    readers.all_at(scene.old, TTL + GRACE)

    old, new = (scene.old,), (scene.new,)
    seen = names.judge((old, TTL), (old, TRANSIT), (new, TRANSIT), (new, TTL), (old, TTL))
    assert scene.waited(seen) >= TTL, "it moved while caches could still hold the old answer for long"
    cut_at = seen.began((new, TRANSIT), names.servers)
    until_rollback = [answer for answer in readers.answers if answer.sent < rollback.began]
    # Not only the old TTL, which has been waited out: that caches forget the old target after the short one is what the wait is for.
    assert last_at(until_rollback, scene.old) <= cut_at[-1] + TRANSIT + GRACE
    back_at = max(sight.at for sight in seen.sights if sight.lead == (old, TTL))
    assert last_at(readers.answers, scene.new) <= back_at + TTL + GRACE
    print(f"  the last read at the old edge {last_at(until_rollback, scene.old) - cut_at[0]:.1f} s after the cut")
    print(f"  answered of what was due: {seen.shares(names.servers)}")
    assert not readers.failures, readers.failures[:5]


def test_a_new_edge_that_is_broken_is_refused_before_anything_is_written(
    site: Site, operate: Operate, faults: Faults, scene: Scene
) -> None:
    faults.stop(site.hosts("edge")[1], "nginx")
    refused = operate(PLAYBOOK, *scene.move_to_new())
    assert refused.status != 0
    assert "The new target is not ready" in refused.output, tail(refused.output, 40)
    print(f"  refused after {refused.seconds:.1f} s")
    scene.names.judge(((scene.old,), TTL))
    assert not scene.readers.failures, scene.readers.failures[:5]


def test_a_new_edge_that_breaks_right_after_the_cut_is_left_again_by_itself(
    site: Site, faults: Faults, scene: Scene
) -> None:
    with Operation(site, PLAYBOOK, scene.move_to_new()) as cut:
        scene.names.somewhere([scene.new])
        scene.readers.strike()
        faults.stop(site.hosts("edge")[1], "nginx")
        left = cut.wait()
    assert left.status != 0
    assert "The move was turned back" in left.output, tail(left.output, 60)
    told(scene.names, "cut", cut.began, left.seconds)
    scene.readers.all_at(scene.old, TRANSIT + GRACE)

    old, new = (scene.old,), (scene.new,)
    seen = scene.names.judge((old, TTL), (old, TRANSIT), (new, TRANSIT), (old, TTL))
    bad = scene.readers.failures
    assert bad, "nobody met the broken edge: the story proves nothing"
    assert all(answer.edge == scene.new for answer in bad), bad[:5]
    back_at = max(sight.at for sight in seen.sights)
    assert max(answer.sent for answer in bad) <= back_at + TRANSIT + GRACE
    print(
        f"  {len(bad)} reads met the broken edge, the last {max(a.sent for a in bad) - back_at:.1f} s after the way back"
    )


def test_a_move_that_is_killed_twice_is_finished_by_the_next_run_and_waits_as_long(site: Site, scene: Scene) -> None:
    arguments, names, readers = scene.stage.declare(scene.new, ttl=LONG_TTL), scene.names, scene.readers
    old, new = (scene.old,), (scene.new,)
    scene.stage.lead(old, LONG_TTL)
    names.everywhere(old, LONG_TTL)
    with (
        Operation(site, PLAYBOOK, arguments, "ada") as ada,
        Operation(site, PLAYBOOK, arguments, "bob") as bob,
    ):
        refused = until(lambda: [one for one in (ada, bob) if one.over], "one of two operators is refused", 240)[0]
        assert refused.wait().status != 0
        # By the lock, or already by the servers, of which one said what the other run had just written.
        words = ("The fleet's lock is held", "Not all authoritative servers agree")
        assert any(said in refused.output for said in words), tail(refused.output, 40)
        names.everywhere(old, TRANSIT)
        (ada if refused is bob else bob).kill()
        assert not names.watch.began((new, TRANSIT), names.servers), "it was killed too late, after the wait"
        with Operation(site, PLAYBOOK, arguments, "cuts") as cuts:
            names.somewhere(new)
            cuts.lose_power()
    with Operation(site, PLAYBOOK, arguments, "last") as last:
        done = last.wait()
    assert done.status == 0, tail(done.output, 60)
    told(scene.names, "three runs", ada.began, last.began - ada.began + done.seconds)
    readers.all_at(scene.new, TRANSIT + GRACE)
    seen = names.judge((old, TTL), (old, LONG_TTL), (old, TRANSIT), (new, TRANSIT), (new, LONG_TTL))
    assert scene.waited(seen) >= LONG_TTL, "a run that was killed made the wait shorter"
    assert not readers.failures, readers.failures[:5]
