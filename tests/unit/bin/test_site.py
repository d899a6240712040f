# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's description is the inventory's, read once."""

from __future__ import annotations

import pytest

from bin.picture import picture
from bin.site import Site


def test_hosts_and_their_features_are_the_inventorys() -> None:
    site = Site("test")
    assert site.hosts("edge") == ["esme", "slappy"]
    assert set(site.hosts("app")) == set(site.hosts("web")) == {"yakko", "wakko", "freud"}
    assert {"base", "cloud", "edge"} <= set(site.features["esme"])
    assert "cloud" not in site.features["alice"]


def test_both_labs_are_the_same_but_for_their_network() -> None:
    assert [Site(name).edges for name in ("lab", "test")] == [
        ["10.44.3.11", "10.44.3.12"],
        ["10.45.3.11", "10.45.3.12"],
    ]
    assert Site("lab").controller == "10.44.0.1"


def test_the_hosts_of_a_scenario_are_in_the_same_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSTAIRS_LAB", "test")
    site = Site.of_scenario("kernel_update_machines")
    assert site.hosts("edge") == ["machine-2", "machine-3"]
    assert site.edges == ["10.45.45.12", "10.45.45.13"]
    assert [str(word).rsplit("/", 2)[-2] for word in site.command("x.yml")[2:5:2]] == [
        "shared",
        "kernel_update_machines",
    ]


def test_the_inventory_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site("lab")
    assert site.hosts("etcd")
    monkeypatch.setattr("subprocess.run", None)
    assert site.edges


def test_another_lab_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSTAIRS_LAB", "prod")
    with pytest.raises(SystemExit, match="UPSTAIRS_LAB is 'prod': say lab or test"):
        Site.of_environment()


def test_another_seed_is_another_picture() -> None:
    assert len({picture(seed, side=64) for seed in range(256)}) == 256
