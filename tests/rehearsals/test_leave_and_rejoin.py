# SPDX-License-Identifier: GPL-3.0-or-later
"""A host leaves and rejoins while people use the site, and nobody notices."""

from __future__ import annotations

import pytest

from bin.programs import tail
from tests.rehearsals.conftest import Operate
from tests.rehearsals.crowd import Crowd
from tests.rehearsals.faults import Faults
from tests.rehearsals.stage import all_names
from tests.visitors import Site, Visitor


def test_a_web_host_leaves_and_rejoins_unnoticed(site: Site, operate: Operate, crowd: Crowd) -> None:
    left = operate("leave-service.yml", "--limit", "yakko")
    assert left.status == 0, tail(left.output, 40)
    assert site.host("yakko").run("ss -Hltn sport = :3000").stdout == "", "Puma still listens after it left"
    before = len(crowd.answers)
    back = operate("rejoin-service.yml", "--limit", "yakko")
    assert back.status == 0, tail(back.output, 40)
    assert len(crowd.answers) > before, "nobody came while yakko was out: the story proves nothing"
    assert not crowd.failures, crowd.failures[:5]
    assert str(crowd.judge()) == "all is well"


def test_an_edge_that_left_says_so_and_still_serves_those_who_come(
    site: Site, operate: Operate, faults: Faults
) -> None:
    visitor, declared = Visitor(site, site.address("slappy")), all_names(faults)
    left = operate("leave-service.yml", "--limit", "slappy", *declared)
    assert left.status == 0, tail(left.output, 40)
    assert visitor.get("/edge-health").status == 503
    assert visitor.get("/health").status == 200, "resolvers still send people here until the name's TTL has passed"
    back = operate("rejoin-service.yml", "--limit", "slappy", *declared)
    assert back.status == 0, tail(back.output, 40)
    assert visitor.get("/edge-health").status == 200


@pytest.mark.changes_nothing
def test_a_run_without_a_limit_is_refused(operate: Operate) -> None:
    refused = operate("leave-service.yml")
    assert refused.status != 0
    assert "--limit" in refused.output
