"""What is asked of a model: it may doubt, draft and propose; nothing it says counts before rules have checked it."""

from __future__ import annotations

from typing import ClassVar

from domain.errors import ModelError
from domain.reasoning import Question, VerifyAnswer
from domain.redaction import redact
from domain.value import Value
from skills.bench import Bench
from skills.report import OPINION, Report, Seen
from skills.schema import Skill


class SkillVerifyQuestion(Question[VerifyAnswer]):
    """Does the promise hold? Hidden checks are not part of it."""

    role: ClassVar[str] = "skill_verifier"
    answer_type: ClassVar[type[Value]] = VerifyAnswer
    skill: str
    intent: str
    steps: list[str]
    seen: list[Seen]


async def second_opinion(report: Report, skill: Skill, bench: Bench) -> Report:
    """The report with a model's doubts; its no makes the run a failed one, its yes counts for nothing.

    Without a model, or when it fails, the report says that rules verified alone.
    """
    steps = [f"{s.name}: {s.outcome or 'not begun'} {s.summary}" for s in report.steps]
    question = SkillVerifyQuestion(skill=skill.name, intent=skill.intent, steps=steps, seen=report.visible)
    mind = bench.minds(report.order.verifier_model, "")
    if mind is None:
        return _alone(report, "no model is configured")
    try:
        answer = await mind.answer(question)
    except ModelError as error:
        return _alone(report, f"{mind.name}: {error.message}")
    doubts = [redact(d.text)[:300] for d in answer.doubts]
    no = [] if answer.holds else [_no(mind.name, doubts)]
    return report.model_copy(
        update={"doubts": doubts, "verifier": f"rules and {mind.name}", "visible": [*report.visible, *no]}
    )


def _no(name: str, doubts: list[str]) -> Seen:
    why = "; ".join(doubts) or "it gave no reason"
    return Seen(name=OPINION, holds=False, text=f"{name} does not believe that the promise holds: {why}"[:400])


def _alone(report: Report, why: str) -> Report:
    return report.model_copy(update={"verifier": "rules", "notes": [*report.notes, f"rules verified alone: {why}"]})
