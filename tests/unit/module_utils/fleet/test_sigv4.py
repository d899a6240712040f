# SPDX-License-Identifier: GPL-3.0-or-later
"""The same signature as the library of the store's vendor makes."""

from __future__ import annotations

from datetime import UTC, datetime

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from plugins.module_utils.fleet.checks import parse_url
from plugins.module_utils.fleet.sigv4 import Keys, sign

NOW = datetime(2025, 1, 1, 10, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("method", "url", "payload"),
    [
        ("PUT", "https://s3.example.org/media/upstairs-canary-1", b"canary"),
        ("GET", "http://media.s3.example.org:8080/a_b~c.d-e", b""),
        ("DELETE", "https://s3.example.org/", b""),
    ],
)
def test_a_request_is_signed_as_botocore_signs_it(
    method: str, url: str, payload: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: NOW.replace(tzinfo=None))
    ours = sign(method, parse_url(url), payload, Keys("key", "secret", "eu-1"), NOW)
    theirs = AWSRequest(method, url, data=payload, headers={"X-Amz-Content-Sha256": ours["X-Amz-Content-Sha256"]})
    botocore.auth.S3SigV4Auth(Credentials("key", "secret"), "s3", "eu-1").add_auth(theirs)
    assert ours["Authorization"] == theirs.headers["Authorization"]
    assert ours["X-Amz-Date"] == theirs.headers["X-Amz-Date"]


def test_keys_never_show_their_secret() -> None:
    assert "hidden away" not in repr(Keys("key", "hidden away"))
