"""The running shop for benchmarks of releases: its processes, a guard over its own actions, and what its spans tell."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from benchmarks.releases.record import Tail
from benchmarks.releases.worse import copied
from contracts.enforcement.pace import boot_id
from contracts.enforcement.yard import Yard
from domain.alert import Change
from domain.bundle import LogLine, Series, Span, Window
from domain.clock import SystemClock
from domain.guard import Actor
from domain.inventory import Inventory
from governance.guard.build import build_guard
from governance.guard.session import Session
from governance.ledger.memory import MemoryLedger
from graph.contracts.yard import memories_by
from tests.fakes.guard import TOKENS, identities
from tools.registry import ActionRegistry
from tools.telemetry.lines import spans
from tools.versions import memory_by_version


@dataclass
class Spans:
    """Telemetry that only knows the api's span file."""

    tail: Tail
    seen: list[Span] = field(default_factory=list)

    async def spans(self, window: Window, *, services: Sequence[str] = (), limit: int = 2000) -> list[Span]:
        rows = (row for line in self.tail.read() for row in spans(json.dumps(line).encode(), "api"))
        self.seen += [row for row in rows if "http.route" in row.attributes]
        return [row for row in self.seen if window[0] <= row.start < window[1]]

    async def series(
        self, window: Window, *, services: Sequence[str] = (), metrics: Sequence[str] = ()
    ) -> list[Series]:
        return []

    async def logs(self, window: Window, *, services: Sequence[str] = (), limit: int = 2000) -> list[LogLine]:
        return []

    async def changes(self, window: Window) -> list[Change]:
        return []


@dataclass
class Live:
    """The running shop, a guard over it, and what is written to the ledger."""

    facts: Mapping[str, Any]
    inventory: Inventory
    ledger: MemoryLedger
    yard: Yard
    env: Mapping[str, str]
    """Credentials, as the inventory names them."""
    home: Path

    def post(self, path: str, body: dict[str, Any]) -> None:
        """What an operator does by hand."""
        words = {"authorization": f"Bearer {self.facts['control_token']}"}
        httpx.post(self.facts["control_url"] + path, json=body, headers=words, timeout=60).raise_for_status()

    def pid(self, name: str) -> int | None:
        """The process of that name, when it runs."""
        words = {"authorization": f"Bearer {self.facts['read_token']}"}
        rows = httpx.get(self.facts["control_url"] + "/status", headers=words, timeout=10).json()["processes"]
        return next((int(row["pid"]) for row in rows if row["name"] == name and row["pid"]), None)


@contextmanager
def live_shop(rps: float, worse: str = "") -> Iterator[tuple[Live, Path]]:
    """A shop of its own and a folder beside it, both gone afterwards. Raises RuntimeError when it does not come up.

    `worse`: see `benchmarks.releases.worse`; empty: both versions are equally good.
    """
    with tempfile.TemporaryDirectory(prefix="firebreak-shop-") as place:
        home = Path(place) / "stack"
        code = copied(Path(place) / "code", worse) if worse else None
        command = [sys.executable, "-m", "stack", "up", "--home", str(home), "--rps", str(rps)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=code) as stack:
            try:
                said = json.loads((stack.stdout.readline() if stack.stdout else "") or "{}")
                if not said.get("ready"):
                    raise RuntimeError(f"the shop did not come up: {said}")
                yield _bound(home), Path(place)
            finally:
                stack.terminate()


def _bound(home: Path) -> Live:
    facts = json.loads((home / "stack.json").read_text())
    inventory = Inventory.model_validate(yaml.safe_load((home / "firebreak.yaml").read_text()))
    env = {
        "FIREBREAK_STACK_TOKEN": facts["control_token"],
        "FIREBREAK_STACK_READ_TOKEN": facts["read_token"],
        "FIREBREAK_STACK_ADMIN_DSN": facts["admin_dsn"],
        "FIREBREAK_STACK_MONITOR_DSN": facts["monitor_dsn"],
    }
    clock, registry = SystemClock(), ActionRegistry(inventory, env, root=home)
    ledger = MemoryLedger(clock)
    door = build_guard(executor=registry, inventory=inventory, ledger=ledger, identities=identities(), clock=clock)
    guard = Session(door, TOKENS["agent"][0])

    async def note(kind: str, change: str, content: dict[str, Any]) -> None:
        await guard.record(kind, change, content)

    yard = Yard(
        inventory=inventory,
        guard=guard,
        telemetry=Spans(Tail(home / "spans" / "api.jsonl")),
        clock=clock,
        note=note,
        memories=memories_by(memory_by_version),
        actor=lambda change: Actor(agent="responder", change=change, thread=change, run=change),
        boot=boot_id,
    )
    return Live(facts=facts, inventory=inventory, ledger=ledger, yard=yard, env=env, home=home)
