# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets what a host leads, before it is rebooted."""

from __future__ import annotations

import pytest
import yaml
from ansible.template import trust_as_template

from bin.programs import ROOT
from tests.templates.conftest import Roles

SITES = {"rack": ["alice", "dot", "wakko"], "cloud": ["freud", "nixie"]}


@pytest.mark.parametrize(
    ("turn", "order", "others", "heir"),
    [
        # In its own site, and there to whose turn is over.
        ("alice", "dot wakko alice", "freud dot wakko", "dot"),
        ("dot", "wakko dot alice", "alice wakko", "wakko"),
        # In its own site also to whose turn is still to come: the other site is farther away than a second hand-over is bad.
        ("freud", "alice freud nixie", "alice nixie", "nixie"),
        # In the other site to whose turn is over.
        ("alice", "freud alice nixie", "nixie freud", "freud"),
        ("alice", "alice nixie freud", "nixie freud", "nixie"),
        # Nobody else has a turn.
        ("alice", "alice", "nixie dot", "dot"),
    ],
)
def test_a_leader_hands_over_nearby_and_to_whose_turn_is_over(
    roles: Roles, turn: str, order: str, others: str, heir: str
) -> None:
    (play,) = yaml.safe_load((ROOT / "playbooks" / "update-kernels.yml").read_text())
    named = play["tasks"][0]["vars"]
    heirs = roles.value(
        "kernel_update",
        "kernel_heirs",
        **{name: trust_as_template(named[name]) for name in ("kernel_later", "kernel_near", "kernel_heirs")},
        __kernel_update_turn=turn,
        __kernel_update_plan={"order": order.split()},
        kernel_others=others.split(),
        groups=SITES,
        hostvars={host: {"kernel_update_site": site} for site, hosts in SITES.items() for host in hosts},
    )
    assert heirs[0] == heir
    assert {*heirs} == {*others.split()}
