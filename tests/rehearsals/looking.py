# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs on a host and looks at a picture, over and over, at a fixed rate, each time by its name through a resolver with a cache.

usage: python3 -c TEXT NAME PATH SHA256 RATE PORT, where PORT is that of the resolver on this host. The first line is its process id;
each other one is a read: when it was due, how long it took from then, at which address, its status, and what was wrong. Another
picture than the right one has the status 0. Whoever is late does not keep the next from coming. Times are of the clock that all
hosts of the lab share.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import random
import socket
import ssl
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import dns.exception
import dns.message
import dns.query
import dns.rdatatype

PATIENCE = 10.0
# At once; more than ever wait while all is well.
PEOPLE = 40


@dataclass(frozen=True)
class Sight:
    """A picture, and by which name it is looked at."""

    name: str
    path: str
    digest: str
    resolver: int

    def resolve(self) -> str:
        """Return one of the addresses that the resolver knows, as a browser takes one."""
        question = dns.message.make_query(self.name, "A")
        answer = dns.query.udp(question, "127.0.0.1", port=self.resolver, timeout=PATIENCE)
        found = [r.address for records in answer.answer if records.rdtype == dns.rdatatype.A for r in records]
        if not found:
            raise LookupError(f"the resolver knows no address of {self.name}")
        return str(random.choice(found))  # noqa: S311 - nobody shall be surprised by it

    def read(self, address: str, trust: ssl.SSLContext) -> tuple[int, str]:
        """Get the picture from one address; the certificate must be the name's."""
        there = http.client.HTTPSConnection(self.name, context=trust, timeout=PATIENCE)
        with socket.create_connection((address, 443), PATIENCE) as plain:
            there.sock = trust.wrap_socket(plain, server_hostname=self.name)
            there.request("GET", self.path)
            answer = there.getresponse()
            data = answer.read()
            there.close()
        right = answer.status != 200 or hashlib.sha256(data).hexdigest() == self.digest
        return (answer.status, "") if right else (0, f"another picture of {len(data)} bytes")


def look(sight: Sight, trust: ssl.SSLContext, due: float, say: threading.Lock) -> None:
    """Look once, and say what was seen."""
    address, status, said = "", 0, ""
    try:
        address = sight.resolve()
        status, said = sight.read(address, trust)
    except (dns.exception.DNSException, LookupError, OSError, http.client.HTTPException) as error:
        said = f"{type(error).__name__}: {error}"
    line = {"sent": due, "took": time.monotonic() - due, "status": status, "edge": address, "said": said}
    with say:
        print(json.dumps(line), flush=True)


def main(sight: Sight, rate: float) -> None:
    """Look until killed."""
    print(os.getpid(), flush=True)
    trust, say, due = ssl.create_default_context(), threading.Lock(), time.monotonic()
    with ThreadPoolExecutor(PEOPLE) as people:
        while True:
            people.submit(look, sight, trust, due, say)
            due += 1 / rate
            time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    main(Sight(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[5])), float(sys.argv[4]))
