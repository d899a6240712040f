# SPDX-License-Identifier: GPL-3.0-or-later
"""A story of the split names begins with what the lab itself declares, and with one update that leaves no name empty."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.rehearsals import stage
from tests.rehearsals.resolver import configuration, packages
from tests.rehearsals.stage import BAKE, TRANSIT, TTL, declared, edited, update, written
from tests.visitors import Site


def test_an_operator_changes_the_addresses_and_the_times_and_keeps_every_probe() -> None:
    split = declared()
    before = dict(split)
    changed = edited(split, ["192.0.2.2"])
    assert changed["read"] == {"name": "media", "addresses": ["192.0.2.2"]}
    assert (changed["ttl"], changed["transit_ttl"]) == (TTL, TRANSIT)
    assert changed["probes"] == split["probes"] != []
    assert split == before, "the next story declares what this one changed"


def test_all_names_are_declared_in_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "ROOT", tmp_path)
    (tmp_path / ".cache").mkdir()
    option, file = written(Site("lab"), [edited(declared(name), ["192.0.2.2"]) for name in ("media", "social")])
    assert option == "-e"
    found = json.loads(Path(file.removeprefix("@")).read_text())
    assert [split["id"] for split in found["dns_split_splits"]] == ["media", "social"]
    assert found["dns_split_bake"] == BAKE


def test_the_stage_is_set_by_one_update() -> None:
    leads = {"media": ["192.0.2.1", "192.0.2.2"], "s3": ["192.0.2.9"]}
    assert update("192.0.2.53", "example.org", "hmac-sha256:key secret", leads, 15).splitlines() == [
        "server 192.0.2.53",
        "zone example.org.",
        "key hmac-sha256:key secret",
        "update delete media.example.org. A",
        "update add media.example.org. 15 A 192.0.2.1",
        "update add media.example.org. 15 A 192.0.2.2",
        "update delete _upstairs-owner.media.example.org. TXT",
        "update delete s3.example.org. A",
        "update add s3.example.org. 15 A 192.0.2.9",
        "update delete _upstairs-owner.s3.example.org. TXT",
        "send",
    ]


def test_the_resolver_asks_the_zone_s_servers_and_forgets_when_their_ttl_says_so() -> None:
    text = configuration("example.org", ["192.0.2.53", "192.0.2.54"])
    assert 'name: "example.org"\n  stub-addr: 192.0.2.53\n  stub-addr: 192.0.2.54\n' in text
    assert "prefetch: no" in text
    assert "serve-expired: no" in text


def test_what_the_stories_install_is_in_the_image() -> None:
    assert "unbound" in packages()
