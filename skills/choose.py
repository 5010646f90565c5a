"""Which skills to run for a task card, stage by stage: by rules, or by a model that may only order what the rules let in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from domain.errors import ModelError
from domain.reasoning import Question
from domain.value import Value
from skills.arguments import target_parameter
from skills.bench import Bench
from skills.card import TaskCard
from skills.experience import Experience, experience
from skills.report import Engine
from skills.schema import Skill, Stage
from skills.store import Trust
from skills.template import CONDITIONS
from skills.trust import trust_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A skill that may be run for the card."""

    skill: Skill
    target: str
    """What is given as its target; empty: its default."""
    trust: Trust
    past: Experience
    fits: bool
    """It names the card's fault."""

    @property
    def why(self) -> str:
        """For the report."""
        reason = "names the fault" if self.fits else "looks where the card points"
        return f"{reason}; {self.trust.value}; confidence {self.past.confidence:.2f} over {self.past.runs} runs"


class ChoiceRow(Value):
    """A candidate as a model sees it."""

    name: str
    intent: str
    why: str
    reflections: list[str]


class ChoiceAnswer(Value):
    """Names of candidates, best first."""

    skills: list[str]


class ChoiceQuestion(Question[ChoiceAnswer]):
    """Which of these, in which order?"""

    role: ClassVar[str] = "skill_planner"
    answer_type: ClassVar[type[Value]] = ChoiceAnswer
    card: TaskCard
    stage: Stage
    candidates: list[ChoiceRow]


def candidates(card: TaskCard, stage: Stage, bench: Bench) -> list[Candidate]:
    """Best first. For recovery only skills that name the fault; quarantined ones never."""
    found: list[Candidate] = []
    for package, skill in bench.shelf.procedures():
        trust = trust_of(package, bench.store)
        fits = _names(skill, card)
        if skill.metadata.stage is not stage or trust is Trust.QUARANTINED or (stage is Stage.RECOVERY and not fits):
            continue
        past = experience(skill.name, package.digest, bench.store.runs(skill.name), bench.clock.now())
        found.append(Candidate(skill=skill, target=_target(skill, card, bench), trust=trust, past=past, fits=fits))
    return sorted(found, key=lambda c: (not c.fits, -c.trust.level, -c.past.confidence, c.skill.name))


async def choose(
    card: TaskCard, stage: Stage, bench: Bench, *, most: int, planner: Engine
) -> tuple[list[Candidate], str]:
    """The skills to run, and why rules chose although a model was asked for (empty: nothing went wrong)."""
    rows = candidates(card, stage, bench)
    if planner == "rules" or not rows:
        return rows[:most], ""
    if bench.model is None:
        return rows[:most], "rules chose: no model is configured"
    asked = [
        ChoiceRow(name=c.skill.name, intent=c.skill.intent, why=c.why, reflections=c.past.reflections) for c in rows
    ]
    try:
        answer = await bench.model.answer(ChoiceQuestion(card=card, stage=stage, candidates=asked))
    except ModelError as error:
        return rows[:most], f"rules chose: {bench.model.name}: {error.message}"
    known = {c.skill.name: c for c in rows}
    chosen = [known[name] for name in dict.fromkeys(answer.skills) if name in known]
    return (chosen[:most], "") if chosen else (rows[:most], f"rules chose: {bench.model.name} named no candidate")


def _names(skill: Skill, card: TaskCard) -> bool:
    """By fault class, or by any class whose readings show the card's condition."""
    if card.fault_domain in skill.metadata.fault_classes:
        return True
    same = [fault for fault, condition in CONDITIONS.items() if condition.value == card.fault_domain]
    return bool(set(same) & set(skill.metadata.fault_classes))


def _target(skill: Skill, card: TaskCard, bench: Bench) -> str:
    """The card's workload where the skill's target parameter takes it."""
    named = target_parameter(skill)
    service = bench.inventory.service(card.workload)
    if named is None or service is None:
        return ""
    kinds: Sequence[str] = skill.parameters[named].kinds
    return card.workload if not kinds or service.kind in kinds else ""
