"""Which skills to run for a task card, stage by stage: by rules, or by a model that may only order what the rules let in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar

from pydantic import Field

from domain.errors import ModelError
from domain.reasoning import Question
from domain.value import Value
from skills.arguments import arguments, target_parameter
from skills.bench import Bench
from skills.card import TaskCard
from skills.experience import Experience, experience
from skills.problem import SkillError
from skills.report import Engine, ModelName
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
    """Best first. For recovery only skills that name the fault, whoever only looks last; quarantined ones never."""
    found: list[Candidate] = []
    for package, skill in bench.shelf.procedures():
        trust = trust_of(package, bench.store)
        fits = _names(skill, card)
        if skill.metadata.stage is not stage or trust is Trust.QUARANTINED or (stage is Stage.RECOVERY and not fits):
            continue
        target = _target(skill, card, bench)
        if not _can_be_given(skill, target, bench):
            continue
        past = experience(skill.name, package.digest, bench.store.runs(skill.name), bench.clock.now())
        found.append(Candidate(skill=skill, target=target, trust=trust, past=past, fits=fits))
    return sorted(found, key=_rank)


Address = Annotated[str, Field(max_length=300, pattern=r"^(https?://[^\s@]+)?$")]
"""Of an OpenAI-compatible endpoint; empty: the configured one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    """Who chooses."""

    engine: Engine = "rules"
    model: ModelName = ""
    base_url: Address = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What is run for one stage, who chose, and why it was not whom it was asked of (empty: nothing went wrong)."""

    rows: list[Candidate] = field(default_factory=list["Candidate"])
    by: str = "rules"
    note: str = ""


async def choose(card: TaskCard, stage: Stage, bench: Bench, *, most: int, planner: Planner) -> Choice:
    """The skills to run, best first; whatever a model says, only candidates of the rules."""
    rows = candidates(card, stage, bench)
    by_rules = Choice(rows=rows[:most])
    if planner.engine == "rules" or not rows:
        return by_rules
    mind = bench.minds(planner.model, planner.base_url)
    if mind is None:
        return replace(by_rules, note="rules chose: no model is configured")
    asked = [
        ChoiceRow(name=c.skill.name, intent=c.skill.intent, why=c.why, reflections=c.past.reflections) for c in rows
    ]
    try:
        answer = await mind.answer(ChoiceQuestion(card=card, stage=stage, candidates=asked))
    except ModelError as error:
        return replace(by_rules, note=f"rules chose: {mind.name}: {error.message}")
    known = {c.skill.name: c for c in rows}
    chosen = [known[name] for name in dict.fromkeys(answer.skills) if name in known]
    if not chosen:
        return replace(by_rules, note=f"rules chose: {mind.name} named no candidate")
    return Choice(rows=chosen[:most], by=mind.name)


def _rank(candidate: Candidate) -> tuple[bool, bool, int, float, str]:
    """Smallest first. A recovery that changes nothing says whether another one holds: it comes after those that mend."""
    skill = candidate.skill
    idle = skill.metadata.stage is Stage.RECOVERY and not skill.actions
    return not candidate.fits, idle, -candidate.trust.level, -candidate.past.confidence, skill.name


def _can_be_given(skill: Skill, target: str, bench: Bench) -> bool:
    """Whether its parameters can be filled in here: a default may name what only another inventory has."""
    try:
        arguments(skill, bench.inventory, target, {})
    except SkillError:
        return False
    return True


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
