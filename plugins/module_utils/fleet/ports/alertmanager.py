# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask all Alertmanagers, and tell each of them: they are a cluster only as long as they see each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ..alerts import Mistake, Said, query, read_alerts, read_silences
from .rest import Answer, ask, ask_all

SILENCES = "/api/v2/silences"


class Unbelievable(Exception):
    """It said nothing, or nothing that can be believed."""


def listen(places: Sequence[str], matchers: Sequence[str], watchdog: Sequence[str], within: float) -> dict[str, Said]:
    """Ask all at once what fires, what is silenced, and whether the watchdog barks."""
    asked = {"alerts": query(matchers), "silences": SILENCES} | ({"watchdog": query(watchdog)} if watchdog else {})
    return {place: _said(told) for place, told in _ask(places, asked, within).items()}


def listen_for_silences(places: Sequence[str], within: float) -> dict[str, Said]:
    """Ask all at once for their silences."""
    return {place: _said(told) for place, told in _ask(places, {"silences": SILENCES}, within).items()}


def _ask(places: Sequence[str], asked: Mapping[str, str], within: float) -> dict[str, dict[str, Answer]]:
    answers = ask_all({f"{what} {place}": place + path for place in places for what, path in asked.items()}, within)
    return {place: {what: answers[f"{what} {place}"] for what in asked} for place in places}


def _said(told: Mapping[str, Answer]) -> Said:
    try:
        return Said(
            alerts=read_alerts(_items(told.get("alerts"))),
            silences=read_silences(_items(told["silences"])),
            watchdog=read_alerts(_items(told.get("watchdog"))),
        )
    except (Unbelievable, Mistake) as error:
        return Said(fault=str(error))


def _items(answer: Answer | None) -> list[Mapping[str, Any]]:
    if answer is None:
        return []
    found = answer.items()
    if not answer.ok or found is None:
        raise Unbelievable(said(answer))
    return found


def said(answer: Answer) -> str:
    """Return an answer in one line, for people."""
    text = " ".join(answer.text.split())[:200] or "nothing"
    if not answer.status:
        return f"it does not answer ({text})"
    return f"it answers {answer.status}, and not as an Alertmanager does: {text}"


def silence(place: str, body: Mapping[str, Any], within: float) -> Answer:
    """Ask one for a silence. What it made of it is to be read back."""
    return ask(place + SILENCES, body, timeout=within)


def unsilence(place: str, identity: str, within: float) -> Answer:
    """Ask one to end a silence. That it had ended already, which some versions call a fault, is to be read back too."""
    return ask(f"{place}/api/v2/silence/{quote(identity, safe='')}", method="DELETE", timeout=within)
