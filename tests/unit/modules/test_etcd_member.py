# SPDX-License-Identifier: GPL-3.0-or-later
"""A member that comes too soon after a restart of the others is announced again, and one that is refused is not."""

from __future__ import annotations

import pytest

from plugins.module_utils.fleet.etcd import Member
from plugins.module_utils.fleet.ports.rest import Answer
from plugins.modules import etcd_member

ME, OTHER = Member("c", "10.0.0.3"), Member("a", "10.0.0.1")
TOO_SOON = '{"code":14,"message":"etcdserver: unhealthy cluster"}'


def played(monkeypatch: pytest.MonkeyPatch, *said: tuple[int, str]) -> list[str]:
    """Let the member that is asked say one thing after the other, and return where it was asked."""
    left, asked = list(said), list[str]()

    def ask(url: str, *_: object, **__: object) -> Answer:
        asked.append(url)
        return Answer(*left.pop(0))

    monkeypatch.setattr(etcd_member, "ask", ask)
    monkeypatch.setattr(etcd_member, "PAUSE", 0.0)
    return asked


def test_a_cluster_that_is_not_yet_well_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = played(monkeypatch, (503, TOO_SOON), (503, TOO_SOON), (200, "{}"))
    assert etcd_member.announce(ME, [OTHER], 60) is None
    assert len(asked) == 3


def test_one_that_stays_so_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    played(monkeypatch, (503, TOO_SOON))
    assert etcd_member.announce(ME, [OTHER], -1) == TOO_SOON


def test_a_refusal_is_final(monkeypatch: pytest.MonkeyPatch) -> None:
    played(monkeypatch, (400, "Peer URLs already exists"))
    assert etcd_member.announce(ME, [OTHER], 60) == "Peer URLs already exists"
