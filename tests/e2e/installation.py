"""A whole Firebreak in processes of its own, driven as a person would: the command, the API, signals and SQL."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg

from cli.client import connect
from cli.home import Home
from tools.http import trust

FIREBREAK = str(Path(sys.executable).with_name("firebreak"))
USERS = ("/", "/api/catalogue")
ENDED = frozenset({"resolved", "escalated", "dismissed", "taken"})


class Installation:
    """One home that is up."""

    def __init__(self, home: Path, env: Mapping[str, str]) -> None:
        self.home = home
        self.greeting = ""
        """What `up` printed."""
        self._env = {**os.environ, "FIREBREAK_HOME": str(home), **env}

    def run(self, *words: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        """One command."""
        return subprocess.run(
            [FIREBREAK, *words], env=self._env, capture_output=True, text=True, timeout=timeout_s, check=False
        )

    def ask(self, *words: str) -> dict[str, Any]:
        """One command with --json. Fails when stdout is not exactly one document."""
        done = self.run(*words, "--json")
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def read(self, path: str, **params: Any) -> dict[str, Any]:
        """What the app's API says now. Waiting is done with this: a command per look would take half a core from the patient."""
        with connect(Home.at(self.home)) as app:
            return app.get(path, **params)

    def process(self, name: str) -> dict[str, Any]:
        """A row of `status`."""
        rows: list[dict[str, Any]] = self.ask("status")["processes"]
        return next(row for row in rows if row["name"] == name)

    def kill(self, name: str, number: int = signal.SIGKILL) -> int:
        """Send a signal to a process by name."""
        pid = int(self.process(name)["pid"])
        os.kill(pid, number)
        return pid

    def facts(self) -> dict[str, Any]:
        """What `status` says about breaking the stack by hand."""
        found: dict[str, Any] = self.ask("status")["stack"]
        return found

    def sql(self, statement: str) -> None:
        """One statement as the database's administrator."""
        with psycopg.connect(self.facts()["admin_dsn"], autocommit=True) as connection:
            connection.execute(statement.encode())

    @contextlib.contextmanager
    def held_lock(self, table: str) -> Iterator[None]:
        """A session that locks a table and forgets about it."""
        connection = psycopg.connect(self.facts()["admin_dsn"], application_name="forgotten-report")
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        try:
            yield
        finally:
            connection.close()

    def users_are_served(self) -> bool:
        """Whether the shop answers a visitor and takes an order, from outside."""
        shop = Home.at(self.home).stack_facts()["shop_url"]
        order = {"customer": "e2e", "items": [{"product_id": 1, "quantity": 1}]}
        try:
            with httpx.Client(base_url=shop, timeout=3, trust_env=False, verify=trust()) as http:
                pages = [http.get(path).status_code for path in USERS]
                return [*pages, http.post("/api/orders", json=order).status_code] == [200, 200, 201]
        except httpx.HTTPError:
            return False

    def incidents(self) -> list[dict[str, Any]]:
        """Rows, newest first."""
        rows: list[dict[str, Any]] = self.read("/api/incidents", limit=100)["incidents"]
        return rows

    def calm(self) -> None:
        """Wait until users are served and no incident is open, so that the next thing that happens is the test's own."""
        until(
            lambda: self.users_are_served() and not self._open(),
            90,
            lambda: f"a calm system; served: {self.users_are_served()}, open: {[_story(r) for r in self._open()]}",
        )

    def new_incident(self, known: set[str], seconds: float = 120) -> str:
        """Id of the first incident that was not known before. An alert that fires still is told again after a minute only."""
        found: list[str] = []

        def look() -> bool:
            found[:] = [row["id"] for row in self.incidents() if row["id"] not in known]
            return bool(found)

        until(look, seconds, "an incident that opens by itself")
        return found[-1]

    def ended(self, incident: str, seconds: float = 120) -> dict[str, Any]:
        """The record once it is terminal."""
        record: dict[str, Any] = {}

        def look() -> bool:
            record.update(self.read(f"/api/incidents/{incident}"))
            return record["status"] in ENDED

        until(look, seconds, lambda: f"the end of {incident}, which is {record['status']}: {_story(record)}")
        return record

    def known(self) -> set[str]:
        """Ids of all incidents so far."""
        return {row["id"] for row in self.incidents()}

    def _open(self) -> list[dict[str, Any]]:
        return [r for r in self.incidents() if r["status"] not in ENDED]


def _story(record: Mapping[str, Any]) -> str:
    """What a reader of a failure wants to know of an incident that did not end."""
    told = ("id", "status", "title", "diagnosis", "plan", "results", "timeline")
    return json.dumps({key: record[key] for key in told if record.get(key)})[:8000]


def until(condition: Callable[[], bool], seconds: float, what: str | Callable[[], str]) -> None:
    """Wait for something outside; the whole point of these tests is that it takes real time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.5)
    raise AssertionError(f"expected within {seconds:.0f} s: {what if isinstance(what, str) else what()}")


@contextlib.contextmanager
def installed(home: Path, **env: str) -> Iterator[Installation]:
    """Everything up; afterwards everything down and nothing left."""
    it = Installation(home, env)
    try:
        started = it.run("up", "--detach", timeout_s=150)
        assert started.returncode == 0, started.stderr
        it.greeting = started.stdout
        yield it
    finally:
        it.run("down")
    assert leftovers(home) == []


def leftovers(home: Path) -> list[str]:
    """Processes and mounts that still name this home."""
    found = []
    for process in psutil.process_iter(["cmdline", "pid"]):
        line = " ".join(process.info["cmdline"] or [])
        if str(home) in line and process.info["pid"] != os.getpid() and "pytest" not in line:
            found.append(line[:200])
    mounts = Path("/proc/mounts").read_text().splitlines()
    return found + [line for line in mounts if str(home) in line]
