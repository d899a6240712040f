# SPDX-License-Identifier: GPL-3.0-or-later
"""Sign a request as an object store wants it (AWS Signature Version 4). Pure: no I/O."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from .checks import Url

ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True)
class Keys:
    """Who signs. The secret is in no representation."""

    access_key: str
    secret_key: str = field(repr=False)
    region: str = "us-east-1"


def host_header(url: Url) -> str:
    """Return what a client sends as Host: without the port that the scheme has anyway."""
    usual = 443 if url.scheme == "https" else 80
    return url.host if url.port == usual else f"{url.host}:{url.port}"


def sign(method: str, url: Url, payload: bytes, keys: Keys, now: datetime) -> Mapping[str, str]:
    """Return the headers that make a request the key's own. The path must need no escaping, and there is no query."""
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(payload).hexdigest()
    headers = {"host": host_header(url), "x-amz-content-sha256": digest, "x-amz-date": stamp}
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    canonical = f"{method}\n{url.target}\n\n{lines}\n{names}\n{digest}"
    scope = f"{stamp[:8]}/{keys.region}/s3/aws4_request"
    text = f"{ALGORITHM}\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(_key(keys, stamp[:8]), text.encode(), hashlib.sha256).hexdigest()
    said = f"{ALGORITHM} Credential={keys.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {"Host": headers["host"], "X-Amz-Content-Sha256": digest, "X-Amz-Date": stamp, "Authorization": said}


def _key(keys: Keys, day: str) -> bytes:
    key = f"AWS4{keys.secret_key}".encode()
    for part in (day, keys.region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
