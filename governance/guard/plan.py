"""Plan binding: what is carried out is what was judged, for the change and the agent it was judged for."""

from __future__ import annotations

from domain.action import Verdict
from governance.attribution import Cause, Excuse
from governance.claims import Purpose
from governance.closing import closed_in
from governance.guard.attempt import Attempt, Wrapper
from governance.guard.taken import refuse_taken, taken_words
from governance.ledger.port import Reader
from governance.tiers import MIN_CONFIDENCE
from governance.violations import Violation


class PlanBinding(Wrapper):
    """A step outside a judged plan in force is APPLY_WITHOUT_PLAN; what a person took over is the person's."""

    name = "plan"

    async def look(self, attempt: Attempt) -> None:
        for problem, violation in _problems(attempt, self.parts.ledger):
            attempt.say(self.name, Verdict.DENY, f"APPLY_WITHOUT_PLAN: {problem}")
            if violation is not None:
                attempt.suspect(violation, problem)
        words = "" if attempt.unwinding else taken_words(self.parts.ledger, attempt.actor.change)
        if words:
            attempt.say(self.name, Verdict.DENY, words)

    async def carry_out(self, attempt: Attempt) -> None:
        attempt.on_claim.append(lambda _: _doubt(attempt))
        attempt.on_dispatch.append(lambda tx: refuse_taken(tx, attempt))
        await super().carry_out(attempt)


def _doubt(attempt: Attempt) -> None:
    """Acting on a weak hypothesis is allowed and noted; a person who approved it took it on."""
    confidence, least = attempt.pinned.plan.confidence, MIN_CONFIDENCE[attempt.environment]
    if confidence is None or confidence >= least:
        return
    people = ", ".join(attempt.approval.answered_by) if attempt.approval else ""
    excuse = Excuse(cause=Cause.HUMAN, evidence=f"{people} approved the step knowing it") if people else None
    what = f"acted on a hypothesis of confidence {confidence:.2f}; {attempt.environment.value} asks for {least:.2f}"
    attempt.suspect(Violation.CONFIDENCE_BELOW_THRESHOLD, what, excuse)


Problem = tuple[str, Violation | None]
"""What is wrong, and what it looks like; None where a plan was overtaken by events."""


def _problems(attempt: Attempt, reader: Reader) -> list[Problem]:
    pinned, actor = attempt.pinned, attempt.actor
    problems: list[Problem] = []
    if pinned.plan.incident != pinned.change or actor.change != pinned.change:
        text = f"plan {pinned.plan.id} belongs to {pinned.plan.incident}, not to {actor.change}"
        problems.append((text, Violation.SCOPE_VIOLATION))
    closed = closed_in(reader, actor.agent, actor.run)
    if closed is not None:
        problems.append((f"run {actor.run} was closed in L{closed}", Violation.PROCEDURE_VIOLATION))
    if pinned.terminated_by:
        problems.append((f"{pinned.terminated_by} ended plan {pinned.plan.id}", None))
    if attempt.purpose is not Purpose.COMPENSATE:
        problems += _binding(attempt)
    return problems


def _binding(attempt: Attempt) -> list[Problem]:
    pinned, step = attempt.pinned, attempt.step
    problems: list[Problem] = []
    if attempt.actor.agent != pinned.agent:
        text = f"plan {pinned.plan.id} was judged for {pinned.agent}, not for {attempt.actor.agent}"
        problems.append((text, Violation.SCOPE_VIOLATION))
    if pinned.superseded_by:
        problems.append((f"plan {pinned.plan.id} was superseded by {pinned.superseded_by}", None))
    if pinned.plan.dry and attempt.purpose is not Purpose.JUDGE:
        problems.append((f"plan {pinned.plan.id} was only asked what it would do", Violation.APPLY_WITHOUT_PLAN))
    if pinned.digests.get(step.id) != step.binding_digest():
        problems.append((f"step {step.id} is not the one that was judged", Violation.APPLY_WITHOUT_PLAN))
    return problems
