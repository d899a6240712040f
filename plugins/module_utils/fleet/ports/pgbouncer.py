# SPDX-License-Identifier: GPL-3.0-or-later
"""This host's PgBouncer, by its admin console: hold its clients, and never for longer than was promised."""

from __future__ import annotations

import threading

from .commands import run
from .postgres import Session, Unreachable

# The timer that lets go of the clients if nobody else does.
DEAD_MAN = "upstairs-resume-pgbouncer"


class Pooler:
    """The console is for the account that PgBouncer runs as, over the socket."""

    def __init__(self, socket: str, port: int, account: str) -> None:
        """Remember where it is."""
        self.where = (socket, port, account)

    def _session(self) -> Session:
        return Session(*self.where, user="pgbouncer", database="pgbouncer")

    def _ask(self, command: str) -> list[dict[str, object]]:
        session = self._session()
        try:
            return session.run(command)
        finally:
            session.close()

    def paused(self) -> bool:
        """Return whether it holds its clients, or is about to."""
        return {str(row["key"]): str(row["value"]) for row in self._ask("SHOW STATE")}.get("paused") == "yes"

    def clients(self) -> frozenset[str]:
        """Return the addresses of those who are connected, in the kernel's words.

        PgBouncer itself does not look at a client that it holds, and goes on counting one that has long gone.
        """
        answer = run(["ss", "-Htn", "state", "established", f"sport = :{self.where[1]}"], 10.0)
        return frozenset(line.split()[3] for line in answer.stdout.splitlines() if len(line.split()) > 3)

    def pause(self, within: float) -> bool:
        """Hold new transactions and wait until those under way have ended; let go again if they do not end in time."""
        session, failed = self._session(), list[Unreachable]()

        def wait() -> None:
            try:
                session.run("PAUSE")
            except Unreachable as error:
                failed.append(error)

        waiting = threading.Thread(target=wait, daemon=True)
        waiting.start()
        waiting.join(within)
        if waiting.is_alive():
            self.resume()
            return False
        session.close()
        if failed:
            raise failed[0]
        return True

    def resume(self) -> bool:
        """Let go of the clients. Return whether they were held."""
        if not self.paused():
            return False
        self._ask("RESUME")
        return True

    def arm(self, seconds: float) -> str:
        """Have systemd let go of the clients after some time, whatever becomes of us. Return what went wrong."""
        self.disarm()
        socket, port, account = self.where
        psql = ["psql", "-XAt", "-h", socket, "-p", str(port), "-U", "pgbouncer", "-d", "pgbouncer", "-c", "RESUME"]
        timer = ["systemd-run", f"--unit={DEAD_MAN}", "--collect", "--quiet", f"--on-active={seconds:g}"]
        timer += ["--timer-property=AccuracySec=500ms", "--description=Let go of PgBouncer's clients"]
        answer = run([*timer, "--", "runuser", "-u", account, "--", *psql], 10.0)
        return "" if answer.rc == 0 else answer.output or "systemd-run gave no answer"

    def armed(self) -> bool:
        """Return whether that timer still runs."""
        return run(["systemctl", "is-active", "--quiet", f"{DEAD_MAN}.timer"], 10.0).rc == 0

    def disarm(self) -> None:
        """Take the timer away."""
        if self.armed():
            run(["systemctl", "stop", f"{DEAD_MAN}.timer"], 10.0)
