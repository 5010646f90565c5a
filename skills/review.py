"""From reports of runs to one proposed edit: by rules, or by a model whose edit counts only when rules have checked it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from domain.errors import ModelError
from domain.reasoning import Question, Reasoner
from domain.value import Value
from skills.check import Check
from skills.edit import checked_edit, propose
from skills.experience import reflections
from skills.folder import Package
from skills.report import Edit, Engine, Failure, Report
from skills.schema import Compensation, Skill
from skills.vocabulary import Vocabulary


class Addition(Value):
    """One thing that is added; an edit never takes anything away."""

    add: Literal["preconditions", "success_criteria"]
    check: Check


class EditAnswer(Value):
    """A model's proposal."""

    checks: list[Addition] = []
    rollback: list[Compensation] = []
    summary: str = ""


class EditQuestion(Question[EditAnswer]):
    """What would have prevented these failures? The skill and its failures; hidden checks are not part of it."""

    role: ClassVar[str] = "skill_optimizer"
    answer_type: ClassVar[type[Value]] = EditAnswer
    skill: Skill
    failures: list[Failure]
    earlier: list[str] = []
    """How other versions of it failed, newest first; an edit rests on this version's failures alone."""
    probes: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A proposal, or why there is none."""

    edit: Edit | None
    notes: tuple[str, ...] = ()


async def review(
    package: Package, skill: Skill, reports: Sequence[Report], words: Vocabulary, engine: Engine, model: Reasoner | None
) -> Review:
    """Reports of other versions are left out, and it is said."""
    mine = [r for r in reports if r.digest == package.digest and r.failure is not None]
    notes = [f"{r.id} is of another version and was left out" for r in reports if r.digest != package.digest]
    notes += [f"{r.id} did not fail" for r in reports if r.digest == package.digest and r.failure is None]
    if not mine:
        return Review(edit=None, notes=tuple(notes))
    if engine == "llm":
        earlier = reflections([r for r in reports if r.digest != package.digest])
        found, why = await _asked(package, skill, mine, earlier, words, model)
        if found is not None:
            return Review(edit=found, notes=tuple(notes))
        notes.append(f"rules reviewed it: {why}")
    edit = propose(package, skill, mine, words)
    if edit is None:
        kinds = ", ".join(sorted({r.failure.signature for r in mine if r.failure}))
        notes.append(f"no structural edit is known for {kinds} that is not there already")
    return Review(edit=edit, notes=tuple(notes))


async def _asked(
    package: Package,
    skill: Skill,
    reports: Sequence[Report],
    earlier: list[str],
    words: Vocabulary,
    model: Reasoner | None,
) -> tuple[Edit | None, str]:
    if model is None:
        return None, "no model is configured"
    failures = [r.failure for r in reports if r.failure is not None]
    try:
        probes = sorted(words.probes)
        answer = await model.answer(EditQuestion(skill=skill, failures=failures, earlier=earlier, probes=probes))
    except ModelError as error:
        return None, f"{model.name}: {error.message}"
    operations: list[dict[str, Any]] = [
        {"add": a.add, "value": a.check.model_dump(mode="json", exclude_defaults=True)} for a in answer.checks
    ]
    operations += [
        {"add": "rollback", "value": c.model_dump(mode="json", exclude_defaults=True)} for c in answer.rollback
    ]
    edit = checked_edit(package, skill, failures[0], operations, [r.id for r in reports], words, by=model.name)
    return (edit, "") if edit else (None, f"{model.name} proposed nothing that the rules accept")
