"""A world in a file: three services stand still, each effect is a line, and every process sees the same."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from domain.action import ActionCall, ActionResult, ActionSpec, DryRun, DryRunResult, Outcome
from domain.bundle import Bundle
from domain.conditions import Condition, Finding
from domain.diagnosis import Diagnosis, DiagnosisVerdict, Evidence, Hypothesis
from domain.inventory import Binding, Environment, HttpProbe, Inventory, Mode, Service
from domain.second_opinion import DiffReading
from tests.fakes.world import SPECS

SERVICES = ("frontend", "api", "worker")
INVENTORY = Inventory(
    services=[
        Service(
            name=name,
            kind="api",
            environment=Environment.SANDBOX,
            mode=Mode.ACT,
            probes=[HttpProbe(name="shop", url="http://127.0.0.1:1/", user_facing=True)] if name == "frontend" else [],
            bindings={"process": Binding(via="control")},
        )
        for name in SERVICES
    ]
)
Reach = Callable[[str], None]
"""Told at every boundary; may kill this process."""


class FileWorld:
    """What `tests.fakes.world` probes read, computed from the effects that took place."""

    blind = False
    also_broken: frozenset[str] = frozenset()

    def __init__(self, file: Path) -> None:
        self._file = file

    def effects(self) -> list[dict[str, str]]:
        """Every effect that ever took place, in order."""
        if not self._file.exists():
            return []
        return [json.loads(line) for line in self._file.read_text().splitlines()]

    def mended(self, service: str) -> bool:
        return any(effect["target"] == service for effect in self.effects())

    @property
    def wrong(self) -> dict[tuple[Condition, str], dict[str, Any]]:
        return {(Condition.PROCESS_PAUSED, name): {} for name in SERVICES if not self.mended(name)}

    @property
    def healthy(self) -> bool:
        return not self.wrong

    def do(self, call: ActionCall, key: str) -> None:
        """One effect, in one write."""
        line = json.dumps({"action": call.action, "target": call.target, "key": key}) + "\n"
        descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, line.encode())
        os.close(descriptor)


class FileExecutor:
    """The Executor port over the file. It knows no idempotency key: what happens twice is seen twice."""

    def __init__(self, world: FileWorld, reach: Reach) -> None:
        self._world = world
        self._reach = reach

    def specs(self) -> list[ActionSpec]:
        return [spec for spec in SPECS if spec.binding == "process"]

    def spec(self, action: str) -> ActionSpec | None:
        return next((spec for spec in self.specs() if spec.name == action), None)

    def check(self, call: ActionCall) -> ActionCall:
        return call

    async def dry_run(self, call: ActionCall) -> DryRunResult:
        standing = not self._world.mended(call.target)
        answer = DryRun.WOULD_CHANGE if standing else DryRun.NO_CHANGE
        return DryRunResult(answer=answer, summary=f"{call.action} {call.target}", witness={"paused": standing})

    async def execute(self, call: ActionCall, *, idempotency_key: str) -> ActionResult:
        self._reach(f"before the effect on {call.target}")
        self._world.do(call, idempotency_key)
        self._reach(f"after the effect on {call.target}")
        return ActionResult(outcome=Outcome.SUCCEEDED, summary="it runs", after={"paused": False})

    async def read_back(self, call: ActionCall, result: ActionResult | None) -> ActionResult:
        there = self._world.mended(call.target)
        outcome = Outcome.SUCCEEDED if there else Outcome.FAILED
        return ActionResult(outcome=outcome, summary="it runs" if there else "it stands", after={"paused": not there})


def diagnose(
    bundle: Bundle, *, previous: Diagnosis | None = None, diffs_read: Mapping[str, DiffReading] | None = None
) -> Diagnosis:
    """One hypothesis with every service that stands: a plan with a step for each."""
    rows = [r for r in bundle.readings if r.ok is False] or list(bundle.readings)[:2]
    evidence = [
        Evidence(
            id=f"E{n}", kind="reading", source=f"probe:{r.probe}", service=r.service, excerpt=r.text, data=r.values
        )
        for n, r in enumerate(rows, 1)
    ]
    standing = [e for e in evidence if "condition" in e.data]
    found = [
        Finding(condition=Condition(e.data["condition"]), service=e.service, facts={}, evidence=[e.id])
        for e in standing
    ]
    verdict = DiagnosisVerdict.FAULT if found else DiagnosisVerdict.HEALTHY
    return Diagnosis(
        incident=bundle.id,
        verdict=verdict,
        confidence=0.9 if found else 0.5,
        hypotheses=[_hypothesis(standing, found)] if found else [],
        evidence=evidence,
        blind_spots=[],
    )


def _hypothesis(evidence: Sequence[Evidence], found: Sequence[Finding]) -> Hypothesis:
    names = ", ".join(e.service for e in evidence)
    return Hypothesis(
        rank=1,
        service=evidence[0].service,
        fault_class="some_fault",
        confidence=0.9,
        statement=f"{names} stand still",
        evidence=[e.id for e in evidence],
        details={"conditions": [f.model_dump(mode="json") for f in found]},
    )


class FastClock:
    """The machine's clock; a second of waiting takes a twentieth of one."""

    factor = 20.0

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic() * self.factor

    async def sleep(self, seconds: float) -> None:
        import asyncio

        await asyncio.sleep(seconds / self.factor)
