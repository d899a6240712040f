# SPDX-License-Identifier: GPL-3.0-or-later
"""Says what clients of the two instances see; passwords come by the environment.

usage: test_redis.py neighbour ADDRESS | test_redis.py owner ADDRESS
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

ROLE, ADDRESS = sys.argv[1], sys.argv[2]
PORTS = {"data": "6379", "cache": "6380"}


def ask(instance: str, *command: str, password: str | None = None, user: str = "default", stdin: str = "") -> str:
    """Ask as a client does. Without a password given it is the instance's own; an empty one means none."""
    secret = os.environ[f"JUDGE_{instance.upper()}"] if password is None else password
    environment = {"PATH": os.environ["PATH"]} | ({"REDISCLI_AUTH": secret} if secret else {})
    argv = ["redis-cli", "-h", ADDRESS, "-p", PORTS[instance], *(["--user", user] if secret else []), *command]
    done = subprocess.run(argv, env=environment, input=stdin, capture_output=True, text=True, check=False, timeout=60)
    return (done.stdout + done.stderr).strip()


def fill(instance: str) -> str:
    """Write 40 MB in values of 10 kB into an instance of 16 MB, and return what was said to each."""
    return ask(instance, stdin="".join(f"SETRANGE filler:{number} 9999 x\n" for number in range(1, 4001)))


def systemctl(*arguments: str) -> None:
    subprocess.run(["systemctl", *arguments], check=True)


def until(found: Callable[[], str], wanted: str) -> None:
    """Wait until a text is in what is found, however busy the machine is."""
    deadline = time.monotonic() + 60
    while wanted not in (last := found()):
        assert time.monotonic() < deadline, f"wanted {wanted}, found {last}"
        time.sleep(0.2)


def until_it_answers(instance: str) -> None:
    until(lambda: ask(instance, "PING"), "PONG")


def until_written() -> None:
    """Wait until what was acknowledged is in the file: within a second (appendfsync everysec), if the disk gets its turn."""
    time.sleep(1.2)
    admin = os.environ["JUDGE_ADMIN"]
    until(lambda: ask("data", "INFO", "persistence", password=admin, user="admin"), "aof_buffer_length:0")


def the_awkward_passwords_open_their_own_instance_only() -> None:
    assert ask("data", "PING") == ask("cache", "PING") == "PONG"
    assert "WRONGPASS" in ask("data", "PING", password=os.environ["JUDGE_CACHE"])


def nobody_gets_anything_without_a_password() -> None:
    for instance in PORTS:
        for command in (
            ["PING"],
            ["INFO"],
            ["REPLICAOF", "203.0.113.1", "6379"],
            ["CONFIG", "GET", "*"],
            ["EVAL", "return 1", "0"],
        ):
            assert "NOAUTH" in ask(instance, *command, password=""), command


def the_application_cannot_administer() -> None:
    for command in (
        ["REPLICAOF", "203.0.113.1", "6379"],
        ["CONFIG", "GET", "*"],
        ["SHUTDOWN"],
        ["ACL", "LIST"],
        ["FLUSHALL"],
    ):
        assert "NOPERM" in ask("data", *command), command
    assert "NOPERM" in ask("cache", "CONFIG", "SET", "dir", "/etc")


def the_application_can_what_rails_and_sidekiq_ask_for() -> None:
    for command in (
        ["ROLE"],
        ["INFO"],
        ["CLIENT", "SETNAME", "judge"],
        ["KEYS", "nothing*"],
        ["SCRIPT", "LOAD", "return 1"],
    ):
        assert not ask("data", *command).startswith("NOPERM"), command
    assert ask("cache", "FLUSHDB") == "OK"


def the_administrator_can_but_not_change_the_file() -> None:
    admin = os.environ["JUDGE_ADMIN"]
    assert ask("data", "CONFIG", "GET", "appendonly", password=admin, user="admin").split() == ["appendonly", "yes"]
    assert "ERR" in ask("data", "CONFIG", "REWRITE", password=admin, user="admin")


def a_full_cache_forgets_and_goes_on() -> None:
    assert set(fill("cache").split()) == {"10000"}
    # Not which ones: Redis tells ages apart by seconds, and on a quick machine all of these are of one age.
    assert 0 < int(ask("cache", "DBSIZE")) < 4000
    assert ask("cache", "EXISTS", "filler:4000") == "1"


def full_data_refuses_and_forgets_nothing() -> None:
    assert ask("data", "SET", "status:1", "kept") == "OK"
    assert "OOM" in fill("data")
    assert "OOM" in ask("data", "SET", "status:2", "too much")
    assert ask("data", "GET", "status:1") == "kept"
    script = "for i = 1, 4000 do redis.call('DEL', 'filler:' .. i) end return 'emptied'"
    assert ask("data", "EVAL", script, "0") == "emptied"


def data_survives_a_restart_and_the_cache_does_not() -> None:
    assert ask("cache", "SET", "page:1", "rendered") == "OK"
    systemctl("restart", "redis-server@data", "redis-server@cache")
    until_it_answers("data")
    until_it_answers("cache")
    assert ask("data", "GET", "status:1") == "kept"
    assert ask("cache", "GET", "page:1") == ""


def data_survives_being_killed() -> None:
    assert ask("data", "SET", "status:3", "written a second ago") == "OK"
    until_written()
    systemctl("kill", "--signal=KILL", "redis-server@data")
    until_it_answers("data")
    assert ask("data", "GET", "status:3") == "written a second ago"


def a_full_disk_refuses_writes_and_forgets_nothing() -> None:
    assert ask("data", "SET", "status:4", "kept") == "OK"
    filler = "/var/lib/redis/filler"
    subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=64k"], check=False, capture_output=True)
    # Until then writes would be taken that cannot be kept.
    until(lambda: ask("data", "SETRANGE", "log", "99999", "x"), "MISCONF")
    assert ask("data", "GET", "status:4") == "kept"
    assert ask("cache", "SET", "page:2", "rendered") == "OK"
    subprocess.run(["rm", filler], check=True)
    until(lambda: ask("data", "SET", "status:5", "kept too"), "OK")
    until_written()
    systemctl("kill", "--signal=KILL", "redis-server@data")
    until_it_answers("data")
    assert ask("data", "MGET", "status:4", "status:5").split("\n") == ["kept", "kept too"]


def no_password_is_in_a_process_list_or_a_readable_file() -> None:
    secrets = [os.environ[name] for name in ("JUDGE_DATA", "JUDGE_CACHE", "JUDGE_ADMIN")]
    listing = subprocess.run(["ps", "-eo", "args"], check=True, capture_output=True, text=True).stdout
    assert not any(secret in listing for secret in secrets)
    for path in ("/etc/redis/redis-data.conf", "/var/lib/redis/data"):
        denied = subprocess.run(["runuser", "-u", "nobody", "--", "ls", path + "/."], capture_output=True, check=False)
        read = subprocess.run(["runuser", "-u", "nobody", "--", "cat", path], capture_output=True, check=False)
        assert denied.returncode != 0, path
        assert read.returncode != 0, path


PROMISES: dict[str, list[Callable[[], None]]] = {
    "neighbour": [
        the_awkward_passwords_open_their_own_instance_only,
        nobody_gets_anything_without_a_password,
        the_application_cannot_administer,
        the_application_can_what_rails_and_sidekiq_ask_for,
        the_administrator_can_but_not_change_the_file,
        a_full_cache_forgets_and_goes_on,
        full_data_refuses_and_forgets_nothing,
    ],
    "owner": [
        data_survives_a_restart_and_the_cache_does_not,
        data_survives_being_killed,
        a_full_disk_refuses_writes_and_forgets_nothing,
        no_password_is_in_a_process_list_or_a_readable_file,
    ],
}


def main() -> None:
    for promise in PROMISES[ROLE]:
        promise()
        print(promise.__name__.replace("_", " "))


if __name__ == "__main__":
    main()
