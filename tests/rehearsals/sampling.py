# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs on a host and watches a name: asks each authoritative server at a fixed rate, and says what changes.

usage: python3 -c TEXT NAME RATE SERVER... The first line is its process id; each other one is JSON: an answer that is not like the
one before it, or, once a second, how many questions were due and how many were answered. A question that comes too late is not
made up for: it counts as due and not answered. Times are of the clock that all hosts of the lab share.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

PATIENCE = 1.0
SAY = threading.Lock()


def say(**line: Any) -> None:
    """Write one line."""
    with SAY:
        print(json.dumps(line), flush=True)


def ask(name: str, server: str) -> dict[str, Any]:
    """Return what one server says of the addresses of a name now."""
    question = dns.message.make_query(name, "A", flags=0)
    try:
        answer = dns.query.udp(question, server, timeout=PATIENCE)
    except (dns.exception.DNSException, OSError) as error:
        return {"addresses": [], "ttl": 0, "said": f"silence: {type(error).__name__}"}
    found = [records for records in answer.answer if records.rdtype == dns.rdatatype.A]
    addresses = sorted(record.address for records in found for record in records)
    said = "" if answer.flags & dns.flags.AA else "no authority"
    if answer.rcode() != dns.rcode.NOERROR:
        said = dns.rcode.to_text(answer.rcode())
    return {"addresses": addresses, "ttl": max((records.ttl for records in found), default=0), "said": said}


def watch(name: str, rate: float, server: str) -> None:
    """Ask one server until killed."""
    start, number, answered, before, told = time.monotonic(), 0, 0, None, 0.0
    while True:
        seen = ask(name, server)
        answered += not seen["said"].startswith("silence")
        if seen != before:
            say(at=time.monotonic(), server=server, **seen)
            before = seen
        now = time.monotonic()
        # The next question that is still to come; those that were missed are missed.
        number = max(number + 1, int((now - start) * rate) + 1)
        if now - told >= 1:
            say(at=now, server=server, due=number, answered=answered)
            told = now
        time.sleep(max(0.0, start + number / rate - time.monotonic()))


def main(name: str, rate: float, servers: list[str]) -> None:
    """Watch all servers at once."""
    print(os.getpid(), flush=True)
    watchers = [threading.Thread(target=watch, args=(name, rate, server)) for server in servers]
    for watcher in watchers:
        watcher.start()
    for watcher in watchers:
        watcher.join()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), sys.argv[3:])
