# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups are restored: beside the site, which does not notice, and with one file of the backup damaged, which must be named."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from bin.programs import tail
from tests.rehearsals.conftest import Operate
from tests.rehearsals.crowd import Crowd
from tests.visitors import Site

BUCKET = "backups"
# A backup's label begins with the time of the full one, and goes on with its own where it is another.
DATA = re.compile(r"/backup/[^/]+/(\d{8}-\d{6}F(?:_\d{8}-\d{6}[DI])?)/(?:bundle|pg_data)/")


@pytest.fixture
def bucket(site: Site, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The backups, as their owner sees them; this machine's resolver does not know the lab's names."""
    (store,) = site.hosts("object_store")
    real = socket.getaddrinfo

    def resolve(host: Any, *more: Any, **options: Any) -> Any:
        return real(site.address(store) if host == "s3.upstairs.test" else host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    session = boto3.Session(site.secrets["backup_access_key"], site.secrets["backup_secret_key"], region_name="default")
    resource = session.resource("s3", endpoint_url="https://s3.upstairs.test", verify=str(site.state / "ca.pem"))
    return resource.Bucket(BUCKET)


@pytest.fixture
def damaged(bucket: Any, left_as_found: None) -> Iterator[str]:
    """The name of a file of the newest backup in which one byte is another one."""
    files = {found: match[1] for found in bucket.objects.all() if (match := DATA.search(found.key))}
    newest = max(files.values())
    chosen = max((found for found, label in files.items() if label == newest), key=lambda found: found.size)
    whole = chosen.get()["Body"].read()
    middle = len(whole) // 2
    chosen.put(Body=whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    yield chosen.key
    chosen.put(Body=whole)


def test_a_drill_restores_the_newest_backup(operate: Operate, crowd: Crowd) -> None:
    drilled = operate("drill-restore.yml")
    assert drilled.status == 0, tail(drilled.output, 60)
    assert not crowd.failures, crowd.failures[:3]
    assert str(crowd.judge()) == "all is well"


@pytest.mark.changes_nothing
def test_a_drill_fails_for_one_damaged_file_and_names_it(operate: Operate, damaged: str) -> None:
    drilled = operate("drill-restore.yml")
    assert drilled.status != 0, "a damaged backup was called good"
    assert damaged[damaged.index("/backup/") + 1 :] + " is damaged" in drilled.output, tail(drilled.output, 60)
