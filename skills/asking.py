"""What is asked of a model: it may doubt, draft and propose; nothing it says counts before rules have checked it."""

from __future__ import annotations

from typing import ClassVar

from domain.errors import ModelError
from domain.reasoning import Question, VerifyAnswer
from domain.value import Value
from skills.bench import Bench
from skills.report import Report, Seen
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
    """The report with a model's doubts; without a model, or when it fails, the report says that rules verified alone."""
    steps = [f"{s.name}: {s.outcome or 'not begun'} {s.summary}" for s in report.steps]
    question = SkillVerifyQuestion(skill=skill.name, intent=skill.intent, steps=steps, seen=report.visible)
    if bench.model is None:
        return _alone(report, "no model is configured")
    try:
        answer = await bench.model.answer(question)
    except ModelError as error:
        return _alone(report, f"{bench.model.name}: {error.message}")
    doubts = [d.text for d in answer.doubts] or ([] if answer.holds else ["it does not believe that the promise holds"])
    return report.model_copy(update={"doubts": doubts, "verifier": bench.model.name})


def _alone(report: Report, why: str) -> Report:
    return report.model_copy(update={"verifier": "rules", "notes": [*report.notes, f"rules verified alone: {why}"]})
