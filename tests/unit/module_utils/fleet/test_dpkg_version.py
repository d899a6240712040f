# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of package versions is dpkg's own."""

from __future__ import annotations

import subprocess
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugins.module_utils.fleet.dpkg_version import compare

# Written by `dpkg --compare-versions`: each line is newer than those above, what stands on one line is the same.
ORDER = """\
0~
0 00
1.0~~
1.0~~a
1.0~
1.0~a
1.0 1.00
1.0-1~
1.0-1
1.0-1.5
1.0A
1.0a
1.0a1
1.0a2
1.0a10
1.0+
1.0+dfsg-1
1.0-1-1
1.0-2-1
1.0.
1.0.1
1.01
5.15.0-91.101
5.15.0-101.111~20.04.1
5.15.0-101.111
6.1.0-9
6.1.0-10
6.1.9-1
6.1.10-1
6.1.94 6.1.94-0
6.1.94-1~bpo11+1
6.1.94-1~bpo12+1
6.1.94-1 0:6.1.94-1
6.1.94-1+b1
6.1.94-1+deb12u1
6.1.94-2
6.1.94-9
6.1.94-10
6.1.94+1
6.1.94.1
6.1.100-1
6.1.176-1
6.1.192-2
6.5.0-0.deb12.4
6.5.10-1~bpo12+1
6.5.10-1
6.12~rc5-1~exp1
6.12~rc6-1~exp1
6.12-1~exp1
6.12.9+bpo-1
6.12.38-1
6.12.94-1
6.12.107-1
2024-06-21
1:1.0-1
2:0.1
"""
RANKS = [(version, rank) for rank, line in enumerate(ORDER.splitlines()) for version in line.split()]

part = st.text("0123.+~ab-", max_size=5)
versions = st.builds(
    lambda epoch, first, rest, revision: f"{epoch}{first}{rest}{revision}",
    st.sampled_from(["", "0:", "1:"]),
    st.integers(0, 12),
    part,
    st.one_of(st.just(""), part.map(lambda text: f"-1{text}")),
).filter(lambda version: not version.endswith("-"))


def test_the_order_is_that_of_the_table() -> None:
    assert len(RANKS) > 50
    for (one, here), (other, there) in product(RANKS, RANKS):
        assert compare(one, other) == (here > there) - (here < there), (one, other)


@settings(max_examples=300)
@given(versions, versions)
def test_dpkg_itself_agrees(one: str, other: str) -> None:
    verb = {-1: "lt", 0: "eq", 1: "gt"}[compare(one, other)]
    assert subprocess.run(["dpkg", "--compare-versions", one, verb, other], check=False).returncode == 0


@pytest.mark.parametrize("text", ["", "x:1", "1:", ":1", "1-"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no version"):
        compare(text, "1")
