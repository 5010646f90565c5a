"""Plan binding: what is carried out is what was judged, for the change and the agent it was judged for."""

from __future__ import annotations

from domain.action import Verdict
from governance.claims import Purpose
from governance.guard.attempt import Attempt, Wrapper


class PlanBinding(Wrapper):
    """A step outside a judged plan in force is APPLY_WITHOUT_PLAN."""

    name = "plan"

    async def look(self, attempt: Attempt) -> None:
        for problem in _problems(attempt):
            attempt.say(self.name, Verdict.DENY, f"APPLY_WITHOUT_PLAN: {problem}")


def _problems(attempt: Attempt) -> list[str]:
    pinned, actor = attempt.pinned, attempt.actor
    problems: list[str] = []
    if pinned.plan.incident != pinned.change or actor.change != pinned.change:
        problems.append(f"plan {pinned.plan.id} belongs to {pinned.plan.incident}, not to {actor.change}")
    if pinned.terminated_by:
        problems.append(f"{pinned.terminated_by} ended plan {pinned.plan.id}")
    if attempt.purpose is not Purpose.COMPENSATE:
        problems += _binding(attempt)
    return problems


def _binding(attempt: Attempt) -> list[str]:
    pinned, step = attempt.pinned, attempt.step
    problems: list[str] = []
    if attempt.actor.agent != pinned.agent:
        problems.append(f"plan {pinned.plan.id} was judged for {pinned.agent}, not for {attempt.actor.agent}")
    if pinned.superseded_by:
        problems.append(f"plan {pinned.plan.id} was superseded by {pinned.superseded_by}")
    if pinned.digests.get(step.id) != step.binding_digest():
        problems.append(f"step {step.id} is not the one that was judged")
    return problems
