"""Releases of the live shop under a contract: two processes behind its proxy, a real guard, real traffic.

`python -m benchmarks rollouts [--rps 25] [--stage 30] [--only standing]`. A good version, one whose process stands still for
moments, and a good one whose judge is killed in the middle of a stage and taken over from its files. Every change goes
through the guard; what was observed are the shop's own spans.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import yaml

from benchmarks.releases.record import Tail
from contracts.enforcement.enforcer import Enforcer
from contracts.enforcement.files import RolloutFiles
from contracts.enforcement.observing import Reading
from contracts.enforcement.opening import Order, opened
from contracts.enforcement.pace import boot_id
from contracts.enforcement.rollout import Rollout, RolloutStatus
from contracts.enforcement.yard import Yard
from domain.alert import Change
from domain.bundle import LogLine, Series, Span, Window
from domain.clock import SystemClock
from domain.contract import Canary, Contract, ContractStatus, DataLoss, Guardrail, Metric, Rollback, Stage
from domain.guard import Actor
from domain.inventory import Environment, Inventory, Service
from domain.risk import Risk, RiskLevel
from governance.guard.build import build_guard
from governance.ledger.memory import MemoryLedger
from tests.fakes.guard import TOKENS, identities
from tools.registry import ActionRegistry
from tools.telemetry.lines import span
from tools.versions import memory_by_version

BEFORE_S = 60.0
STANDING_S, GOING_S = 0.5, 0.7
LONGEST_S = 900.0


@dataclass
class Spans:
    """Telemetry that only knows the api's span file."""

    tail: Tail
    seen: list[Span] = field(default_factory=list)

    async def spans(self, window: Window, *, services: Sequence[str] = (), limit: int = 2000) -> list[Span]:
        rows = (span(json.dumps(row).encode(), "api") for row in self.tail.read())
        self.seen += [row for row in rows if row is not None and "http.route" in row.attributes]
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

    def post(self, path: str, body: dict[str, Any]) -> None:
        """What an operator does by hand."""
        words = {"authorization": f"Bearer {self.facts['control_token']}"}
        httpx.post(self.facts["control_url"] + path, json=body, headers=words, timeout=60).raise_for_status()

    def pid(self, name: str) -> int | None:
        """The process of that name, when it runs."""
        words = {"authorization": f"Bearer {self.facts['read_token']}"}
        rows = httpx.get(self.facts["control_url"] + "/status", headers=words, timeout=10).json()["processes"]
        return next((int(row["pid"]) for row in rows if row["name"] == name and row["pid"]), None)


def main() -> int:
    """Run each release; 0 when every one ended as it should."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks rollouts", description=__doc__)
    parser.add_argument("--rps", type=float, default=25.0)
    parser.add_argument("--stage", type=int, default=30, help="seconds of each stage")
    parser.add_argument("--only", default="", help="releases whose name contains this")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="firebreak-rollouts-") as place:
        home = Path(place) / "stack"
        command = [sys.executable, "-m", "stack", "up", "--home", str(home), "--rps", str(asked.rps)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as stack:
            try:
                said = json.loads(stack.stdout.readline() if stack.stdout else "{}")
                if not said.get("ready"):
                    sys.stderr.write(f"the shop did not come up: {said}\n")
                    return 1
                return asyncio.run(_releases(home, Path(place), asked))
            finally:
                stack.terminate()


async def _releases(home: Path, place: Path, asked: argparse.Namespace) -> int:
    live = _live(home)
    await asyncio.sleep(BEFORE_S)
    fine = True
    for name, wanted, bad, kill in (
        ("good", RolloutStatus.FULFILLED, False, False),
        ("good, judge killed", RolloutStatus.FULFILLED, False, True),
        ("standing still", RolloutStatus.ROLLED_BACK, True, False),
    ):
        if asked.only not in name:
            continue
        begun = time.monotonic()
        nuisance = asyncio.create_task(_nuisance(live)) if bad else None
        rollout = await _carry(live, RolloutFiles(place / "rollouts"), asked.stage, kill=kill)
        if nuisance is not None:
            nuisance.cancel()
        fine &= rollout.status is wanted
        _tell(name, rollout, live, time.monotonic() - begun)
        live.post("/release", {"version": "v1"})
        await asyncio.sleep(BEFORE_S)
    verified = live.ledger.verify()
    sys.stdout.write(f"ledger: {verified.entries} entries, {'verified' if verified.verified else 'BROKEN'}\n")
    return 0 if fine and verified.verified else 3


async def _carry(live: Live, files: RolloutFiles, seconds: int, *, kill: bool) -> Rollout:
    found = await opened(Order(contract=_contract(seconds), version="v2"), live.yard, "benchmark", "v1")
    files.keep(found.rollout.id, "before", found.before, [], 0.0)
    files.save(found.rollout)
    enforcer, begun = Enforcer(found.rollout, live.yard, files), time.monotonic()
    while not enforcer.rollout.status.ended:
        if time.monotonic() - begun > LONGEST_S:
            break
        if kill and enforcer.rollout.clock > seconds * 0.4:
            kill = False
            await asyncio.sleep(seconds * 0.8)
            enforcer = Enforcer(files.get(found.rollout.id), live.yard, files)
        await enforcer.tick()
        await asyncio.sleep(2.0)
    return enforcer.rollout


async def _nuisance(live: Live) -> None:
    """The new version's process stands still for moments, again and again."""
    while True:
        pid = await asyncio.to_thread(live.pid, "api-v2")
        if pid is None:
            await asyncio.sleep(1.0)
            continue
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(STANDING_S)
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        await asyncio.sleep(GOING_S)


def _live(home: Path) -> Live:
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
    guard = build_guard(
        executor=registry, inventory=inventory, ledger=ledger, identities=identities(), clock=clock
    ).held_by(TOKENS["agent"][0])

    async def note(kind: str, change: str, content: dict[str, Any]) -> None:
        await guard.record(kind, change, content)

    async def memories(service: Service, former: str, version: str, at: float) -> Reading | None:
        used = await memory_by_version(service)
        return Reading(at=at, canary=used[version], baseline=used[former]) if {former, version} <= used.keys() else None

    yard = Yard(
        inventory=inventory,
        guard=guard,
        telemetry=Spans(Tail(home / "spans" / "api.jsonl")),
        clock=clock,
        note=note,
        memories=memories,
        actor=lambda change: Actor(agent="responder", change=change, thread=change, run=change),
        boot=boot_id,
    )
    return Live(facts=facts, inventory=inventory, ledger=ledger, yard=yard)


def _contract(seconds: int) -> Contract:
    now = datetime.now(UTC)
    return Contract(
        id=f"con-{now:%H%M%S}",
        deployment="benchmark",
        service="api",
        environment=Environment.SANDBOX,
        version="v2",
        context="0" * 64,
        risk=Risk.model_construct(score=55.0, level=RiskLevel.HIGH, confidence=0.8, factors=[]),
        guardrails=[Guardrail(metric=Metric.ERROR_RATE, limit=3.0, unit="percent", window_s=300, reason="high risk")],
        canary=Canary(required=True, stages=[Stage(percent=share, seconds=seconds) for share in (30, 50)]),
        validators=[],
        rollback=Rollback(possible=True, window_s=seconds, data_loss_risk=DataLoss.NONE),
        status=ContractStatus.APPROVED,
        created_at=now,
        expires_at=now + timedelta(hours=2),
    )


def _tell(name: str, rollout: Rollout, live: Live, seconds: float) -> None:
    out = sys.stdout.write
    out(f"{name}: {rollout.status.value} after {seconds:.0f} s, stage {rollout.stage + 1} of {len(rollout.stages)}, ")
    out(
        f"{rollout.exposed} requests exposed, {rollout.budget_lost:.5%} of the month's budget, verified {rollout.verified}\n"
    )
    for row in rollout.stages:
        began = "-" if row.began_at is None else f"{row.began_at:.0f} s"
        out(
            f"  {row.percent:g} % from {began}, {row.looks} looks: {row.result or 'not ended'}; sees {'; '.join(row.sees[:2])}\n"
        )
    for line in [*rollout.explanation, *rollout.notes]:
        out(f"  {line}\n")
    load = os.getloadavg()[0]
    out(f"  load {load:.1f}; ledger has {len(live.ledger.entries(limit=10_000))} entries\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
