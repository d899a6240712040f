# SPDX-License-Identifier: GPL-3.0-or-later
"""What Locust runs, in a process of its own: reads and posts at a fixed rate through every edge, each answer written down.

The next visitor comes when it is due, whether or not the last one has been served (an open loop): a site that stands still
does not get fewer visitors for it. They come through all edges alike or, with CROWD_NAME, where that name leads them, and a name that
nobody tells them is a bad answer. ``crowd.py`` starts this, gives what it needs in the environment, and reads the answers.
"""

from __future__ import annotations

import json
import os
import secrets
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import gevent.pool
import gevent.ssl
from geventhttpclient.client import HTTPClientPool
from locust import FastHttpUser, events, task
from locust.env import Environment

from tests.rehearsals.answers import Answer
from tests.rehearsals.following import Fixed, Following
from tests.rehearsals.sampling import ask
from tests.visitors import SOCIAL, Site

SITE = Site.of_environment()
TOKEN = SITE.token
EDGES = os.environ["CROWD_EDGES"].split()
ANSWERS = Path(os.environ["CROWD_ANSWERS"]).open("w", buffering=1)  # noqa: SIM115 - for as long as the process lives
# No more visitors than these stand at one edge's door at once, whatever is late behind it; the others wait outside.
AT_THE_DOOR = 200
PATIENCE = float(os.environ["CROWD_PATIENCE"])
NAME = os.environ["CROWD_NAME"]
WAY = Following(NAME, os.environ["CROWD_SERVERS"].split(), ask) if NAME else Fixed(EDGES)


def trusted(*_: Any, **__: Any) -> ssl.SSLContext:
    """Return a context that believes the lab's CA and nobody else."""
    context: ssl.SSLContext = gevent.ssl.create_default_context(cafile=SITE.state / "ca.pem")
    return context


@events.request.add_listener  # type: ignore[untyped-decorator]
def write_down(response_time: float, response: Any, exception: Any, context: dict[str, Any], **_: Any) -> None:
    """Write one line for one answer."""
    said = "" if exception is None else f"{exception!r} {(response.text or '')[:200]}"
    answer = Answer(
        sent=context["sent"],
        took=response_time / 1000,
        status=200 if exception is None else response.status_code or 0,
        edge=context["edge"],
        uuid=context["uuid"],
        said=said,
    )
    ANSWERS.write(json.dumps(vars(answer)) + "\n")


def follow(environment: Environment) -> None:
    """Keep to what the name says, for as long as visitors come."""
    while environment.runner is None or environment.runner.state not in ("stopping", "stopped"):
        if said := WAY.refresh():
            ANSWERS.write(json.dumps(vars(Answer(time.monotonic(), 0.0, 0, said=f"{NAME}: {said}"))) + "\n")
        gevent.sleep(0.1)


@events.test_start.add_listener  # type: ignore[untyped-decorator]
def begin(environment: Environment, **_: Any) -> None:
    """Ask where to go before anybody comes."""
    WAY.refresh()
    gevent.spawn(follow, environment)


class Edge(FastHttpUser):
    """All who come through one edge."""

    abstract = True
    insecure = False
    address = ""
    reads = posts = 0.0

    def _read(self) -> None:
        context = {"sent": time.monotonic(), "edge": self.host, "uuid": None}
        self.client.get("/api/v1/timelines/public", headers={"Host": SOCIAL}, name="read", context=context)

    def _post(self) -> None:
        context = {"sent": time.monotonic(), "edge": self.host, "uuid": secrets.token_hex(12)}
        self.client.post(
            "/api/v1/statuses",
            data={"status": "crowd", "uuid": context["uuid"]},
            headers={"Host": SOCIAL, "Authorization": f"Bearer {TOKEN}"},
            name="post",
            context=context,
        )

    def _come(self, visitors: gevent.pool.Group, visit: Callable[[], None], rate: float) -> None:
        due = time.monotonic()
        while self.environment.runner.state in ("spawning", "running"):
            share = WAY.share(self.address)
            if not share:
                gevent.sleep(0.05)
                due = time.monotonic()
                continue
            visitors.spawn(visit)
            due += 1 / (rate * share)
            gevent.sleep(max(0.0, due - time.monotonic()))

    @task
    def crowd(self) -> None:
        """Let them come until the run is stopped, and wait for those who came."""
        visitors = gevent.pool.Group()
        kinds = [(visit, rate) for visit, rate in ((self._read, self.reads), (self._post, self.posts)) if rate]
        gevent.joinall([gevent.spawn(self._come, visitors, visit, rate) for visit, rate in kinds])
        visitors.join(timeout=PATIENCE)
        self.stop()


def through(address: str) -> type[Edge]:
    """Return the user class of one edge. It gets its part of the rates."""
    pool = HTTPClientPool(
        concurrency=AT_THE_DOOR,
        ssl_options={"server_hostname": SOCIAL},
        ssl_context_factory=trusted,
        insecure=False,
        connection_timeout=5,
        network_timeout=PATIENCE,
    )
    return type(
        f"Through{address.replace('.', '_')}",
        (Edge,),
        {
            "host": f"https://{address}",
            "address": address,
            "client_pool": pool,
            "reads": float(os.environ["CROWD_READS"]),
            "posts": float(os.environ["CROWD_POSTS"]),
            "fixed_count": 1,
        },
    )


# Locust finds its users by name in this file.
for number, edge in enumerate(EDGES):
    globals()[f"Edge{number}"] = through(edge)
