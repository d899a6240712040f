# SPDX-License-Identifier: GPL-3.0-or-later
"""The site as people and other servers meet it: by its names, through its edges."""

from __future__ import annotations

import pytest

from tests.visitors import Site, Visitor


@pytest.fixture(scope="session")
def site() -> Site:
    return Site.of_environment()


@pytest.fixture(params=["esme", "slappy"])
def visitor(site: Site, request: pytest.FixtureRequest) -> Visitor:
    """A visitor whose resolver chose one of the edges; each test runs through both."""
    return Visitor(site, site.address(request.param))
