# SPDX-License-Identifier: GPL-3.0-or-later
"""An edge leaves the read name and rejoins it while people look at a picture by that name, through a resolver that remembers.

Before each story the name leads to both edges, with a TTL that can be waited for.
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
from tests.rehearsals.names import Lead, Names
from tests.rehearsals.operation import Operation
from tests.rehearsals.readers import Readers, last_at
from tests.rehearsals.stage import GRACE, TRANSIT, TTL, told
from tests.rehearsals.tier import until
from tests.visitors import Site, Visitor

LEAVE, REJOIN = "leave-service.yml", "rejoin-service.yml"
# Seconds for a run on a machine that has other things to do.
PATIENCE = 400


@dataclass(frozen=True)
class Pool:
    """Two edges, of which the first leaves, and the people who follow the name of both."""

    names: Names
    readers: Readers
    first: str
    second: str
    # What an operator types behind the playbook: the name with a TTL that can be waited for.
    declared: tuple[str, ...]

    @property
    def both(self) -> tuple[str, ...]:
        return tuple(sorted((self.first, self.second)))

    def limit(self, host: str) -> tuple[str, ...]:
        return ("--limit", host, *self.declared)

    def leads(self, addresses: tuple[str, ...], *ttls: int) -> list[Lead]:
        return [(addresses, ttl) for ttl in ttls]


@pytest.fixture
def pool(request: pytest.FixtureRequest, site: Site, faults: Faults, town: str) -> Iterator[Pool]:
    first, second = (site.address(host) for host in site.hosts("edge"))
    with gathered(faults, town, [first, second]) as audience:
        names, readers = audience.names, audience.readers
        for edge in (first, second):
            until(lambda edge=edge: last_at(readers.answers, edge) > 0, f"somebody reads at {edge}", 60)  # type: ignore[misc]
        yield Pool(names, readers, first, second, audience.stage.declare(first, second))
    story = request.node.name.removeprefix("test_").replace("_", " ")
    ROWS.append(row(story, readers.answers, None, readers.fault))


def test_an_edge_leaves_the_read_name_and_rejoins_it_and_nobody_notices(
    site: Site, operate: Operate, pool: Pool
) -> None:
    names, readers, (leaver, other) = pool.names, pool.readers, site.hosts("edge")
    with Operation(site, LEAVE, pool.limit(leaver)) as leave:
        left = leave.wait(PATIENCE)
    assert left.status == 0, tail(left.output, 60)
    told(names, "leave", leave.began, left.seconds)
    readers.all_at(pool.second, TRANSIT + GRACE)
    assert Visitor(site, pool.first).get("/edge-health").status == 503

    refused = operate(LEAVE, *pool.limit(other))
    assert refused.status != 0
    assert f"would lead nowhere without {leaver} and {other}" in refused.output, tail(refused.output, 40)
    assert Visitor(site, pool.second).get("/edge-health").status == 200, "the last edge was drained"
    for idle in (("verify-fleet.yml", *pool.declared, "--tags", "dns_split"), ("cut-over-dns.yml", *pool.declared)):
        done = operate(*idle)
        assert done.status == 0, f"{idle[0]} takes an edge that is out for a fault:\n{tail(done.output, 40)}"

    with Operation(site, REJOIN, pool.limit(leaver)) as rejoin:
        back = rejoin.wait(PATIENCE)
    assert back.status == 0, tail(back.output, 60)
    told(names, "rejoin", rejoin.began, back.seconds)
    until(
        lambda: last_at(readers.answers, pool.first) > rejoin.began,
        "somebody reads at the edge that is back",
        TTL + GRACE,
    )

    both, rest = pool.both, (pool.second,)
    seen = names.judge(
        *pool.leads(both, TTL, TRANSIT), *pool.leads(rest, TRANSIT, TTL, TRANSIT), *pool.leads(both, TRANSIT, TTL)
    )
    short, gone = (seen.began((at, TRANSIT), names.servers) for at in (both, rest))
    assert gone[0] - short[-1] >= TTL, "it left while caches could still hold the old answer for long"
    while_out = [answer for answer in readers.answers if answer.sent < rejoin.began]
    assert last_at(while_out, pool.first) <= gone[-1] + TRANSIT + GRACE
    print(f"  the last read at the edge {last_at(while_out, pool.first) - gone[0]:.1f} s after it was out of the name")
    print(f"  answered of what was due: {seen.shares(names.servers)}")
    assert not readers.failures, readers.failures[:5]


def test_a_leave_and_a_rejoin_that_are_killed_are_finished_by_the_next_run(site: Site, pool: Pool) -> None:
    names, both, rest = pool.names, pool.both, (pool.second,)
    for playbook, before, after in ((LEAVE, both, rest), (REJOIN, rest, both)):
        began = len(names.watch.sights)
        with Operation(site, playbook, pool.limit(site.hosts("edge")[0]), "killed") as killed:
            names.everywhere(before, TRANSIT, PATIENCE)
            killed.kill()
        assert all(sight.addresses != after for sight in names.watch.sights[began:]), (
            "it was killed too late, after the wait"
        )
        with Operation(site, playbook, pool.limit(site.hosts("edge")[0]), "next") as following:
            done = following.wait(PATIENCE)
        assert done.status == 0, tail(done.output, 60)
        names.everywhere(after, TTL)
    names.judge(
        *pool.leads(both, TTL, TRANSIT), *pool.leads(rest, TRANSIT, TTL, TRANSIT), *pool.leads(both, TRANSIT, TTL)
    )
    assert not pool.readers.failures, pool.readers.failures[:5]


def test_an_edge_that_is_lost_is_taken_out_of_the_name_without_its_help(
    site: Site, faults: Faults, operate: Operate, pool: Pool
) -> None:
    leaver = site.hosts("edge")[0]
    pool.readers.strike()
    faults.lose_host(leaver)
    left = operate(LEAVE, *pool.limit(leaver))
    assert left.status != 0, "nobody was told that it cannot be reached"
    assert f"[{leaver}]: UNREACHABLE" in left.output, tail(left.output, 60)
    pool.names.everywhere([pool.second], TTL)
    pool.readers.all_at(pool.second, TRANSIT + GRACE)
    assert {answer.edge for answer in pool.readers.failures} == {pool.first}
    faults.mend(leaver)
    back = operate(REJOIN, *pool.limit(leaver))
    assert back.status == 0, tail(back.output, 60)
    pool.names.everywhere(pool.both, TTL)
