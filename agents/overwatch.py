"""Overwatch: reads results and violations and says whether a run may go on. A mind may be stricter than the rules, never laxer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from agents.asking import Answered, ask
from agents.reasoners.rules.overseeing import oversee
from domain.crew import ClarifiedPlan, OutputPointer
from domain.plan import StepResult
from domain.reasoning import OverseeAnswer, OverseeQuestion, Reasoner
from domain.report import Verification

_STRICTNESS = ("continue", "clarify", "revoke")


class Overwatch:
    """Asks a mind, and keeps the stricter of its word and the rules'."""

    def __init__(self, reasoner: Reasoner) -> None:
        self._reasoner = reasoner

    async def oversee(self, question: OverseeQuestion) -> Answered[OverseeAnswer]:
        """The decision. Raises what the reasoner raises."""
        answered = await ask(self._reasoner, question)
        return Answered(
            answer=stricter(answered.answer, oversee(question)), by=answered.by, fell_back=answered.fell_back
        )


def stricter(one: OverseeAnswer, other: OverseeAnswer) -> OverseeAnswer:
    """The stricter of two; the second at a tie."""
    return one if _STRICTNESS.index(one.decision) > _STRICTNESS.index(other.decision) else other


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What overwatch reads before it clarifies a plan."""

    task: str
    number: int
    """1 for the first clarified plan of a run."""
    trigger: str
    objective: str
    results: Sequence[StepResult]
    verifications: Sequence[Verification]
    outputs: Sequence[OutputPointer]
    undoing: Sequence[str] = ()
    """Step ids that are taken back first."""
    now: datetime


def clarify(review: Review) -> ClarifiedPlan:
    """The plan in plain words for every agent of the run: what was wrong, and what is different from now on."""
    failed = list(dict.fromkeys(f"{r.action} on {r.target}" for r in review.results if not r.compensation))
    adjustments = [f"take {step} back first" for step in review.undoing]
    adjustments += [f"do not repeat {pair}" for pair in failed]
    adjustments += ["rest the next step on what was read after the last one, not on the first diagnosis"]
    without = f", without repeating {', '.join(failed)}" if failed else ""
    return ClarifiedPlan(
        id=f"clarified-{review.number}",
        task=review.task,
        trigger=review.trigger,
        history_reviewed=history(review),
        outputs_analysed=[p.sha256 for p in review.outputs],
        original_objective=review.objective,
        clarified_objective=f"{review.objective}{without}",
        adjustments=adjustments,
        at=review.now,
    )


def history(review: Review) -> list[str]:
    """The facts of the run in order: steps with their outcomes, then what the looks after them showed."""
    steps = [
        f"{r.step_id}{' taken back' if r.compensation else ''}: {r.action} on {r.target} {r.outcome.value}"
        for r in review.results
    ]
    looks = [
        f"after {v.step_id}: users {'served' if v.symptoms_relieved else 'not served'}, "
        f"{'something got worse' if v.regressed else 'nothing got worse'}"
        for v in review.verifications
    ]
    return [*steps, *looks]
