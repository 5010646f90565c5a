"""One method at one task, and everything that it did as seen from outside: at the guard, at the probes, at the runners."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from domain.action import ActionCall, Judgement, Outcome, Verdict
from domain.bundle import Reading
from domain.guard import Actor, Guard, Receipt
from domain.plan import Plan
from domain.runner import Runner
from skills.bench import Bench, Probes
from skills.evaluation.task import Task

Claim = Literal["done", "refused", "not_done"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a method says of its own attempt."""

    claim: Claim
    preconditions: float
    """Share of what it rests on that it looked at and saw to hold before it acted, 0 to 1."""
    text: str = ""
    """What it found."""


Method = Callable[[Task, Bench], Awaitable[Said]]


@dataclass
class Watched:
    """Counts looks and keeps every change that was begun; hands everything on unchanged."""

    guard: Guard
    probes: Probes
    begun: list[tuple[ActionCall, Outcome | None]] = field(default_factory=list[tuple[ActionCall, Outcome | None]])
    """Calls that the guard let through, with how they ended; without those that took something back."""
    calls: int = 0

    def over(self, bench: Bench) -> Bench:
        """The same bench, watched."""
        eye: Any = _Eye(self)
        return replace(bench, guard=eye, probes=eye, reader=self._reader(bench), profiles={})

    def _reader(self, bench: Bench) -> Callable[[str], Runner | None]:
        def reader(target: str) -> Runner | None:
            self.calls += 1
            return bench.reader(target)

        return reader


class _Eye:
    """The faces of Guard and Probes over a Watched."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._plans: dict[str, Plan] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._watched.guard, name)

    async def run(self, names: Sequence[str] | None = None, services: Sequence[str] | None = None) -> list[Reading]:
        self._watched.calls += 1
        return await self._watched.probes.run(names, services)

    async def judge(self, plan: Plan, actor: Actor) -> list[Judgement]:
        self._plans[plan.id] = plan
        return await self._watched.guard.judge(plan, actor)

    async def apply(self, plan_id: str, step_id: str, actor: Actor, approval_id: str | None = None) -> Receipt:
        self._watched.calls += 1
        receipt = await self._watched.guard.apply(plan_id, step_id, actor, approval_id)
        if receipt.verdict is Verdict.ALLOW:
            call = next(s.call for s in self._plans[plan_id].steps if s.id == step_id)
            self._watched.begun.append((call, receipt.outcome))
        return receipt

    async def compensate(self, plan_id: str, step_id: str, actor: Actor) -> Receipt:
        self._watched.calls += 1
        return await self._watched.guard.compensate(plan_id, step_id, actor)
