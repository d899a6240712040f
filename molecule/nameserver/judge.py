# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask two name servers as a resolver does, and change records as a stranger and as the owner of the key would.

usage: judge.py alive|bereaved|later|meanwhile
"""

from __future__ import annotations

import os
import sys
import time

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.tsigkeyring
import dns.update
import dns.xfr
import dns.zone

PRIMARY, SECONDARY = os.environ["JUDGE_PRIMARY"], os.environ["JUDGE_SECONDARY"]
NET = PRIMARY.rsplit(".", 2)[0]
MOVED = "192.0.2.66"
# Seconds for an answer that must come, however busy the machine; and for the one of who is dead, which is waited for in vain.
PATIENCE, SILENCE = 20, 5


def demand(true: bool | int, else_say: object) -> None:
    """Give up with these words unless it is true."""
    if not true:
        sys.exit(f"judge: {else_say}")


def expect(got: object, wanted: object) -> None:
    """Give up unless the answer is the wanted one; the traceback names the question."""
    if got != wanted:
        raise SystemError(f"the answer is {got}, not {wanted}")


def ask(server: str, name: str, kind: str = "A", tcp: bool = False, timeout: float = PATIENCE) -> tuple[str, set[str]]:
    """Return status and values; an answer without authority is no answer."""
    query = dns.message.make_query(name, kind)
    answer = (dns.query.tcp if tcp else dns.query.udp)(query, server, timeout=timeout)
    values = {
        item.to_text() for rrset in answer.answer if rrset.rdtype == dns.rdatatype.from_text(kind) for item in rrset
    }
    demand(not values or answer.flags & dns.flags.AA, f"{server} answered {name} without authority")
    demand(not answer.flags & dns.flags.RA, f"{server} offers recursion")
    return dns.rcode.to_text(answer.rcode()), values


def until(server: str, name: str, wanted: set[str]) -> None:
    """Ask until the answer is right, or for a minute."""
    deadline = time.monotonic() + 60
    while (got := ask(server, name)[1]) != wanted:
        demand(time.monotonic() < deadline, f"{server} says {name} is {got}, not {wanted}")
        time.sleep(0.1)


def update(key: str, secret: str, name: str, value: str) -> str:
    """Replace an address by an update; return what the server said to it."""
    ring = dns.tsigkeyring.from_text({key: secret})
    message = dns.update.UpdateMessage(
        "upstairs.test", keyring=ring, keyname=dns.name.from_text(key), keyalgorithm=dns.tsig.HMAC_SHA256
    )
    message.replace(name, 60, "A", value)
    try:
        return dns.rcode.to_text(dns.query.tcp(message, PRIMARY, timeout=PATIENCE).rcode())
    except dns.exception.DNSException as error:  # a refusal may come without a signature
        return type(error).__name__


def copy(server: str, key: str | None, secret: str) -> str:
    """Try to copy the zone; return what came of it."""
    ring = dns.tsigkeyring.from_text({key: secret}) if key else None
    zone = dns.zone.Zone("upstairs.test.")
    try:
        query, _ = dns.xfr.make_query(zone, keyring=ring)
        dns.query.inbound_xfr(server, zone, query, timeout=PATIENCE)
    except (dns.exception.DNSException, EOFError) as error:
        return type(error).__name__
    return "copied"


def alive() -> None:
    """Both answer; strangers get nothing; the owner of the key is heard by both."""
    transfer, key = os.environ["JUDGE_TRANSFER_KEY"], os.environ["JUDGE_UPDATE_KEY"]
    wrong = "A" * 43 + "="
    for server in (PRIMARY, SECONDARY):
        for tcp in (False, True):
            expect(ask(server, "social.upstairs.test", tcp=tcp), ("NOERROR", {f"{NET}.3.11", f"{NET}.3.12"}))
        expect(ask(server, "nothing.upstairs.test"), ("NXDOMAIN", set()))
        expect(ask(server, "second.test", "NS")[1], {"ns1.upstairs.test.", "ns2.upstairs.test."})
        expect(ask(server, "www.second.test", "CNAME")[1], {"social.upstairs.test."})
        expect(ask(server, "example.org"), ("REFUSED", set()))
        version = dns.query.udp(dns.message.make_query("version.bind", "TXT", "CH"), server, timeout=PATIENCE)
        demand(not version.answer, f"{server} tells its version: {version.answer}")
        expect(copy(server, None, ""), "TransferError")
        demand(copy(server, "upstairs-transfer", wrong) != "copied", "a wrong key copies the zone")
        demand(copy(server, "upstairs-transfer", transfer) != "copied", "the transfer key is good from anywhere")
    demand(update("upstairs-update", wrong, "evil", MOVED) != "NOERROR", "a wrong key changes records")
    demand(update("upstairs-transfer", transfer, "evil", MOVED) != "NOERROR", "who may copy may change")
    expect(ask(PRIMARY, "evil.upstairs.test"), ("NXDOMAIN", set()))
    for name in ("social", "fixed", "hand-made"):
        expect(update("upstairs-update", key, name, MOVED), "NOERROR")
        until(SECONDARY, f"{name}.upstairs.test", {MOVED})


def bereaved() -> None:
    """The primary is dead: the secondary knows all that it knew."""
    try:
        ask(PRIMARY, "social.upstairs.test", timeout=SILENCE)
    except (OSError, dns.exception.Timeout):
        pass
    else:
        sys.exit("judge: the primary answers")
    for name in ("social", "fixed", "hand-made"):
        expect(ask(SECONDARY, f"{name}.upstairs.test")[1], {MOVED})


def later() -> None:
    """After a crash and a converge: the seed and what nobody declared stay as moved, the managed record is back."""
    for server in (PRIMARY, SECONDARY):
        until(server, "fixed.upstairs.test", {f"{NET}.33.99"})
        expect(ask(server, "social.upstairs.test")[1], {MOVED})
        expect(ask(server, "hand-made.upstairs.test")[1], {MOVED})


def meanwhile() -> None:
    """Change a record while the secondary is away."""
    expect(update("upstairs-update", os.environ["JUDGE_UPDATE_KEY"], "meanwhile", "192.0.2.77"), "NOERROR")


if __name__ == "__main__":
    {"alive": alive, "bereaved": bereaved, "later": later, "meanwhile": meanwhile}[sys.argv[1]]()
