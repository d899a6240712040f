# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a host whether it is healthy, again and again until it is or until the time is up."""

from __future__ import annotations

import re
import shlex
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet import checks
from ..module_utils.fleet.checks import Finding
from ..module_utils.fleet.ports import sockets, systemd
from ..module_utils.fleet.ports.commands import run

DOCUMENTATION = r"""
---
module: probe
short_description: Ask a host questions until all answers are good, or say which are not
version_added: "1.0"
author: Upstairs (@upstairs)
description:
  - Asks all questions at once, and again with short pauses, until in one round every required answer is good or the time is up.
  - Reads only; runs in check mode too. It is for C(verify.yml), which may ask a broken host at 3 in the morning, so a failure
    says what was asked, what was answered, and what the journal of a unit that is down says.
  - Values of C(env) and C(headers) of six characters or more are hidden in whatever is reported.
options:
  within:
    description: Seconds in which all answers must become good; V(0) asks once.
    type: float
    default: 0
  checks:
    description: The questions, each with exactly one of O(checks[].unit), O(checks[].listen), O(checks[].http), O(checks[].command).
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The promise as a sentence, once per task. It is the key of the answer and the first thing that a failure shows.
        type: str
        required: true
      required:
        description: With V(false) the answer is reported and decides nothing.
        type: bool
        default: true
      timeout:
        description: Seconds for one answer; if it is not said, 5, or an eighth of O(within) where that is longer, because whoever waits
          longer for a host knows it to be slow.
        type: float
      unit:
        description: A systemd unit that must be active.
        type: str
      enabled:
        description: Whether the unit must also start at boot.
        type: bool
        default: true
      listen:
        description: An address at which somebody must listen, as V(10.44.1.11:6379), V([::1]:53) or V(udp/0.0.0.0:53). It must be
          exactly that one; a listener on every address is not good when a single one was asked. V(*:443) means every address, of
          IPv4 or of IPv6.
        type: str
      http:
        description: A request. Redirects are not followed, proxies are not used, certificates are verified.
        type: dict
        suboptions:
          url:
            description: What to ask.
            type: str
            required: true
          method:
            description: The method.
            type: str
            default: GET
          status:
            description: The statuses that are good.
            type: list
            elements: int
            default: [200]
          contains:
            description: A text that the body must contain.
            type: str
          headers:
            description: More headers; never reported.
            type: dict
            default: {}
          ca_file:
            description: Certificates to trust instead of the system's; a path on the host.
            type: str
          connect_to:
            description: C(address:port) to connect to instead of what the name resolves to. Host header and certificate stay the name's.
            type: str
      command:
        description: A program to run without a shell.
        type: list
        elements: str
      matches:
        description: A regular expression that must match somewhere in what the command says; C(^) and C($) match at lines.
        type: str
      rc:
        description: The exit status that is good.
        type: int
        default: 0
      env:
        description: More environment for the command; never reported.
        type: dict
        default: {}
attributes:
  check_mode:
    description: Asks as ever, since it only reads.
    support: full
  diff_mode:
    description: Nothing changes.
    support: none
"""

EXAMPLES = r"""
- name: verify | Ask whether Redis serves
  probe:
    within: 30
    checks:
      - {name: "It runs and starts at boot", unit: redis-server@data.service}
      - {name: "It listens on the private address only", listen: "{{ private_address }}:6379"}
      - name: "It answers"
        command: [redis-cli, -h, "{{ private_address }}", ping]
        env: {REDISCLI_AUTH: "{{ redis_password }}"}
        matches: ^PONG$
  register: __redis_probe

- name: verify | Ask the edge as a visitor would
  probe:
    within: 10
    checks:
      - name: "The page comes through this edge"
        http: {url: "https://social.example.org/", connect_to: "192.0.2.7:443", contains: "</html>"}
      - name: "The cache is warm"
        http: {url: "http://127.0.0.1:8404/cache"}
        required: false
"""

RETURN = r"""
answers:
  description: For each check whether it was good and what was seen.
  returned: always
  type: dict
  sample: {"It answers": {"ok": true, "said": "`redis-cli ping` exited 0 and said: PONG"}}
waited:
  description: Seconds from the first question to the last answer.
  returned: always
  type: float
"""

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 2.0
USUAL_TIMEOUT = 5.0
KINDS = ["unit", "listen", "http", "command"]
HTTP: dict[str, Any] = {
    "url": {"type": "str", "required": True},
    "method": {"type": "str", "default": "GET"},
    "status": {"type": "list", "elements": "int", "default": [200]},
    "contains": {"type": "str"},
    "headers": {"type": "dict", "default": {}},
    "ca_file": {"type": "str"},
    "connect_to": {"type": "str"},
}
CHECK: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "required": {"type": "bool", "default": True},
    "timeout": {"type": "float"},
    "unit": {"type": "str"},
    "enabled": {"type": "bool", "default": True},
    "listen": {"type": "str"},
    "http": {"type": "dict", "options": HTTP},
    "command": {"type": "list", "elements": "str"},
    "matches": {"type": "str"},
    "rc": {"type": "int", "default": 0},
    "env": {"type": "dict", "default": {}},
}
SPEC: dict[str, Any] = {
    "within": {"type": "float", "default": 0.0},
    "checks": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": CHECK,
        "mutually_exclusive": [KINDS],
        "required_one_of": [KINDS],
        "required_by": {"matches": ["command"]},
    },
}
Check = Mapping[str, Any]


def faults(asked: list[Check]) -> list[str]:
    """Return the questions that cannot be asked, in words."""
    names = [check["name"] for check in asked]
    found = [f"{name}: the name is given twice" for name in sorted({name for name in names if names.count(name) > 1})]
    for check in asked:
        try:
            prepare(check)
        except ValueError as error:
            found.append(f"{check['name']}: {error}")
    return found


def prepare(check: Check) -> None:
    """Parse everything that a person wrote in a small language of its own."""
    if check["listen"] is not None:
        checks.parse_listen(check["listen"])
    if check["http"] is not None:
        checks.parse_url(check["http"]["url"])
        if check["http"]["connect_to"]:
            checks.split_address(check["http"]["connect_to"])
    if check["command"] is not None and not check["command"]:
        raise ValueError("the command is empty")
    if check["matches"] is not None:
        try:
            re.compile(check["matches"])
        except re.error as error:
            raise ValueError(f"{check['matches']!r} is no regular expression: {error}") from error


def ask(check: Check, timeout: float) -> Finding:
    """Ask one question."""
    if check["unit"] is not None:
        return checks.judge_unit(systemd.observe([check["unit"]], timeout)[check["unit"]], check["enabled"])
    if check["listen"] is not None:
        return checks.judge_listen(checks.parse_listen(check["listen"]), sockets.listening())
    if check["http"] is not None:
        return ask_http(check["http"], timeout)
    env = {key: str(value) for key, value in check["env"].items()}
    answer = run(check["command"], timeout, env)
    return checks.judge_command(shlex.join(check["command"]), answer.rc, answer.output, check["rc"], check["matches"])


def ask_http(http: Mapping[str, Any], timeout: float) -> Finding:
    """Ask a web server."""
    # Here, as TLS takes as long to import as all the rest of a probe that does not need it.
    from ..module_utils.fleet.ports import web

    url = checks.parse_url(http["url"])
    connect_to = checks.split_address(http["connect_to"]) if http["connect_to"] else None
    told = f"{http['method']} {http['url']}" + (f" (asked at {http['connect_to']})" if connect_to else "")
    headers = {key: str(value) for key, value in http["headers"].items()}
    try:
        response = web.request(url, http["method"], headers, connect_to, http["ca_file"], timeout)
    except TimeoutError:
        return Finding(False, f"{told}: no answer within {timeout:g} s")
    except Exception as error:
        return Finding(False, f"{told}: {web.explain(error, http['ca_file'])}")
    return checks.judge_http(told, response, http["status"], http["contains"])


def secrets_of(check: Check) -> list[str]:
    """Return the values that no message may repeat."""
    headers = check["http"]["headers"] if check["http"] else {}
    return [str(value) for value in [*check["env"].values(), *headers.values()]]


def safely(check: Check, timeout: float, store: Callable[[Finding], None]) -> None:
    """Ask one question in a thread of its own: whatever happens is an answer."""
    try:
        finding = ask(check, timeout)
    except Exception as error:
        finding = Finding(False, f"could not be asked: {error}")
    store(Finding(finding.ok, checks.without(finding.said, secrets_of(check))))


def ask_all(asked: list[Check], longest: float | None) -> dict[str, Finding]:
    """Ask all questions at once; who has not answered in time has given an answer too."""
    findings: dict[str, Finding] = {}
    threads = []
    for check in asked:
        timeout = check["timeout"] if longest is None else min(check["timeout"], longest)
        late = Finding(False, f"no answer within {timeout:g} s")
        thread = threading.Thread(
            target=safely,
            args=(check, timeout, lambda found, name=check["name"]: findings.update({name: found})),
            daemon=True,
        )
        thread.start()
        threads.append((thread, check["name"], time.monotonic() + timeout + 1, late))
    answers = {}
    for thread, name, until, late in threads:
        thread.join(max(0.0, until - time.monotonic()))
        answers[name] = findings.get(name, late)
    return answers


def patient(asked: list[Check], within: float) -> list[Check]:
    """Return the questions, each with the seconds that its answer may take."""
    return [
        {**check, "timeout": usual_timeout(within) if check["timeout"] is None else check["timeout"]} for check in asked
    ]


def usual_timeout(within: float) -> float:
    """Return the seconds that one answer may take of which nobody says how long it does."""
    return max(USUAL_TIMEOUT, within / 8)


def ask_until(asked: list[Check], within: float) -> tuple[dict[str, Finding], float]:
    """Ask until in one round all required answers are good, or the time is up; return the last round and the seconds spent."""
    required = [check["name"] for check in asked if check["required"]]
    start = time.monotonic()
    pause = FIRST_PAUSE
    findings = ask_all(asked, None)
    while checks.still_false(findings, required):
        left = start + within - time.monotonic()
        if left <= 0:
            break
        time.sleep(min(pause, left))
        pause = min(pause * 2, LONGEST_PAUSE)
        # Not less than what is usual, or the last round calls those false that were only slow.
        findings = ask_all(asked, max(usual_timeout(within), left))
    return findings, time.monotonic() - start


class Quiet(AnsibleModule):  # type: ignore[misc]
    """A module that never repeats its arguments: env and headers carry passwords."""

    def log(self, *_: Any, **__: Any) -> None:
        """Write nothing to the host's log, not even with what it was invoked."""

    def exit_json(self, **kwargs: Any) -> None:
        """End well, without `invocation`."""
        super().exit_json(**{**kwargs, "invocation": {}})

    def fail_json(self, msg: str, **kwargs: Any) -> None:
        """End badly, without `invocation`."""
        super().fail_json(msg, **{**kwargs, "invocation": {}})


def main() -> None:
    """Ask, wait, and tell."""
    module = Quiet(argument_spec=SPEC, supports_check_mode=True)
    within = module.params["within"]
    asked = patient(module.params["checks"], within)
    unaskable = faults(asked)
    if unaskable:
        module.fail_json(msg="; ".join(unaskable))
    findings, waited = ask_until(asked, within)
    result = {
        "changed": False,
        "answers": {name: {"ok": found.ok, "said": found.said} for name, found in findings.items()},
    }
    result.update(waited=round(waited, 2), invocation={})
    false = checks.still_false(findings, [check["name"] for check in asked if check["required"]])
    if not false:
        module.exit_json(**result)
    logs = {
        check["unit"]: systemd.journal(check["unit"]) for check in asked if check["unit"] and check["name"] in false
    }
    module.fail_json(msg=checks.failure(findings, false, waited, logs), **result)


if __name__ == "__main__":
    main()
