# SPDX-License-Identifier: GPL-3.0-or-later
"""Use the store as the app does (boto3, path style, TLS by the lab's CA) and as a stranger does.

usage: judge.py use|remember
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import botocore.config
import botocore.exceptions

NAME, ADDRESS, CA = "s3.upstairs.test", os.environ["JUDGE_ADDRESS"], os.environ["JUDGE_CA"]
BODY = b"picture" * 7000


def by_address(host: str, *rest: Any, resolve: Any = socket.getaddrinfo, **more: Any) -> Any:
    """Resolve the store's name: its name server is another scenario."""
    return resolve(ADDRESS if host == NAME else host, *rest, **more)


def app(secret: str) -> Any:
    """Return a client as the app configures it."""
    config = botocore.config.Config(
        s3={"addressing_style": "path"},
        request_checksum_calculation="when_required",
        retries={"max_attempts": 1},
        max_pool_connections=8,
    )
    return boto3.client(
        "s3",
        endpoint_url=f"https://{NAME}",
        region_name="lab",
        verify=CA,
        aws_access_key_id=os.environ["JUDGE_ACCESS_KEY"],
        aws_secret_access_key=secret,
        config=config,
    )


def stranger(path: str, method: str = "GET") -> tuple[int, str | None, bytes]:
    """Ask without keys; return status, type and body."""
    connection = http.client.HTTPSConnection(NAME, context=ssl.create_default_context(cafile=CA), timeout=10)
    connection.request(method, path)
    answer = connection.getresponse()
    return answer.status, answer.getheader("Content-Type"), answer.read()


def expect(got: object, wanted: object) -> None:
    """Give up unless the answer is the wanted one; the traceback names the question."""
    if got != wanted:
        raise SystemError(f"the answer is {got!r}, not {wanted!r}")


def refused(call: Any, **arguments: Any) -> str:
    """Return the code with which a call is refused."""
    try:
        call(**arguments)
    except botocore.exceptions.ClientError as error:
        return str(error.response["Error"]["Code"])
    return "accepted"


def use(client: Any) -> None:
    """Do all that the app does."""
    put = {"Bucket": "media", "Body": BODY, "ContentType": "image/png", "CacheControl": "public, max-age=315576000"}
    client.put_object(Key="kept/by restart.png", ACL="public-read", **put)
    client.put_object(Key="hidden.png", ACL="public-read", **put)
    expect(stranger("/media/hidden.png"), (200, "image/png", BODY))
    client.put_object_acl(Bucket="media", Key="hidden.png", ACL="private")
    expect(stranger("/media/hidden.png")[0], 403)
    expect(client.get_object(Bucket="media", Key="hidden.png")["Body"].read(), BODY)
    expect(stranger("/media/missing.png")[0], 403)
    expect(stranger("/media")[0], 403)
    expect(stranger("/media/from-nowhere.png", "PUT")[0] in (403, 411), True)
    expect(refused(client.get_object, Bucket="media", Key="missing.png"), "NoSuchKey")
    expect(refused(app("w" * 40).list_objects_v2, Bucket="media"), "SignatureDoesNotMatch")
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: client.put_object(Key=f"many/{number:03}", **put), range(200)))
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket="media", Prefix="many/", PaginationConfig={"PageSize": 70}
    )
    many = [entry["Key"] for page in pages for entry in page["Contents"]]
    expect(many, [f"many/{number:03}" for number in range(200)])
    ranged = client.get_object(Bucket="media", Key="many/007", Range="bytes=7-13")
    expect((ranged["ResponseMetadata"]["HTTPStatusCode"], ranged["Body"].read()), (206, b"picture"))
    for key in [*many, "hidden.png"]:
        client.delete_object(Bucket="media", Key=key)
    expect(refused(client.head_object, Bucket="media", Key="hidden.png"), "404")
    remember(client)


def remember(client: Any) -> None:
    """Find exactly what was kept."""
    expect([entry["Key"] for entry in client.list_objects_v2(Bucket="media")["Contents"]], ["kept/by restart.png"])
    expect(stranger("/media/kept/by%20restart.png"), (200, "image/png", BODY))
    found = client.head_object(Bucket="media", Key="kept/by restart.png")
    expect(found["CacheControl"], "public, max-age=315576000")


if __name__ == "__main__":
    vars(socket)["getaddrinfo"] = by_address
    {"use": use, "remember": remember}[sys.argv[1]](app(os.environ["JUDGE_SECRET_KEY"]))
