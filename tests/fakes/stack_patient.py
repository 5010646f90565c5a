"""A running stack as its users, its operator and a vandal meet it: only over HTTP, SQL, files and signals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg

ORDER = {"customer": "tester", "items": [{"product_id": 1, "quantity": 1}]}
FAST_S = 1.0
"""A visit slower than this counts as failed."""


def eventually(check: Callable[[], bool], seconds: float, *, what: str, every: float = 0.1) -> None:
    """Fail with `what` unless the check holds within so many seconds."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(every)


@dataclass
class Patient:
    """One stack in one home, run by `python -m stack` as a stranger would."""

    home: Path
    env: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None

    def up(self, rps: float = 4) -> dict[str, Any]:
        """Start; the line that it prints when it is ready."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "stack", "up", "--home", str(self.home), "--rps", str(rps)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **self.env},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        return dict(json.loads(line)) if line else {"ready": False, "error": "ended without a word"}

    def command(self, name: str) -> dict[str, Any]:
        """`down` or `status`."""
        command = [sys.executable, "-m", "stack", name, "--home", str(self.home)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return dict(json.loads(done.stdout))

    def down(self) -> dict[str, Any]:
        """Stop, whatever state it is in."""
        said = self.command("down")
        if self.process is not None:
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process.wait(timeout=20)
            self.process = None
        return said

    @property
    def facts(self) -> dict[str, Any]:
        """stack.json."""
        return dict(json.loads((self.home / "stack.json").read_text()))

    def status(self) -> dict[str, Any]:
        """Live, over the control endpoint with the read token."""
        facts = self.facts
        headers = {"Authorization": f"Bearer {facts['read_token']}"}
        return dict(httpx.get(f"{facts['control_url']}/status", headers=headers, timeout=10).json())

    def row(self, name: str) -> dict[str, Any]:
        """One process."""
        return next(row for row in self.status()["processes"] if row["name"] == name)

    def pid(self, name: str) -> int:
        """Of a running process."""
        return int(self.row(name)["pid"])

    def post(self, path: str, body: Mapping[str, Any] | None = None, **headers: str) -> httpx.Response:
        """As operator."""
        facts = self.facts
        headers = {"Authorization": f"Bearer {facts['control_token']}", **headers}
        return httpx.post(f"{facts['control_url']}{path}", json=dict(body or {}), headers=headers, timeout=60)

    def done(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The answer of a POST that must succeed."""
        answer = self.post(path, body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def restart(self, name: str) -> httpx.Response:
        """As operator."""
        return self.post(f"/processes/{name}/restart")

    def toxics(self, proxy: str, **toxics: float | bool) -> httpx.Response:
        """As vandal."""
        found = self.facts["proxies"][proxy]
        headers = {"Authorization": f"Bearer {found['token']}"}
        return httpx.put(f"{found['admin_url']}/toxics", json=toxics, headers=headers, timeout=5)

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """As administrator."""
        with psycopg.connect(self.facts["admin_dsn"], autocommit=True) as conn:
            cursor = conn.execute(statement.encode())
            return list(cursor.fetchall()) if cursor.description else []

    def visit(self) -> bool:
        """Whether a user who browses and orders is served, and soon."""
        shop = self.facts["shop_url"]
        begun = time.monotonic()
        try:
            with httpx.Client(base_url=shop, timeout=5) as client:
                if client.get("/api/catalogue").status_code != 200:
                    return False
                return client.post("/api/orders", json=ORDER).status_code == 201 and time.monotonic() - begun < FAST_S
        except httpx.TransportError:
            return False

    def served(self, seconds: float = 12.0) -> None:
        """Users are served, three times in a row, within so many seconds."""
        eventually(lambda: all(self.visit() for _ in range(3)), seconds, what="users are served")

    def suffer(self, seconds: float = 12.0) -> None:
        """Users are not served, three times in a row, within so many seconds."""
        eventually(lambda: not any(self.visit() for _ in range(3)), seconds, what="users suffer")

    def env_text(self, service: str = "api") -> str:
        """A configuration file."""
        return Path(self.facts["config_files"][service]).read_text()

    def write_env(self, text: str, service: str = "api") -> None:
        """Edit a configuration file by hand."""
        Path(self.facts["config_files"][service]).write_text(text)
