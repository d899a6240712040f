# SPDX-License-Identifier: GPL-3.0-or-later
"""People who look at a picture by the read name, and what servers say of that name meanwhile."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from bin.picture import picture
from tests.rehearsals.faults import Faults
from tests.rehearsals.names import Names
from tests.rehearsals.readers import Readers
from tests.rehearsals.resolver import Resolver
from tests.rehearsals.stage import TTL, Stage
from tests.visitors import MEDIA, Visitor


@dataclass(frozen=True)
class Audience:
    """The split, what servers say of its read name, and who follows it through a resolver."""

    stage: Stage
    names: Names
    readers: Readers


@contextmanager
def gathered(faults: Faults, town: str, addresses: Sequence[str]) -> Iterator[Audience]:
    """Lead the read name to these edges, with a TTL that can be waited for, and let people in a town follow it until the block ends."""
    stage = Stage(faults)
    png = picture(secrets.randbelow(256))
    status = Visitor(stage.site, addresses[-1]).post_status("to be looked at", secrets.token_hex(12), png)
    path = urlsplit(status["media_attachments"][0]["url"]).path
    stage.set_up(addresses)
    with (
        Resolver(faults, town, stage.zone, stage.servers),
        Names(faults, town, MEDIA, stage.servers) as names,
        Readers(faults, town, MEDIA, path, png) as readers,
    ):
        names.everywhere(addresses, TTL)
        yield Audience(stage, names, readers)
