"""From a task card to a skill on disk: drafted by a model or a template, believed only after the validator."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from pydantic import ValidationError

from domain.errors import ModelError
from domain.inventory import Inventory
from domain.reasoning import Question, Reasoner
from domain.value import Value
from skills.card import TaskCard
from skills.folder import DIGEST, HIDDEN, PROCEDURE, PROSE, digest_of
from skills.problem import Level, Problem, SkillError
from skills.report import Engine
from skills.schema import Skill
from skills.template import Draft, from_template
from skills.text import written
from skills.validate import usable, validate
from skills.vocabulary import Vocabulary


class SkillDraftQuestion(Question[Skill]):
    """Write this skill."""

    role: ClassVar[str] = "skill_generator"
    answer_type: ClassVar[type[Value]] = Skill
    card: TaskCard
    actions: dict[str, str]
    """Registered action → what it does."""
    probes: list[str]
    example: Skill
    """A skill that is right in form, for the same card."""


async def generate(
    card: TaskCard, engine: Engine, words: Vocabulary, inventory: Inventory, model: Reasoner | None
) -> Draft:
    """A draft; a model's counts only when it keeps the card's name and the validator accepts it, else the template steps in
    and says so."""
    draft = from_template(card, words, inventory)
    if engine == "rules":
        return draft
    if model is None:
        return _alone(draft, "no model is configured")
    actions = {spec.name: spec.summary for spec in words.actions.values()}
    question = SkillDraftQuestion(card=card, actions=actions, probes=sorted(words.probes), example=draft.skill)
    try:
        skill = await model.answer(question)
    except (ModelError, ValidationError) as error:
        return _alone(draft, f"{model.name}: {error.message if isinstance(error, ModelError) else 'no valid skill'}")
    if skill.name != card.name:
        return _alone(draft, f"{model.name} wrote another skill: {skill.name}")
    by_model = Draft(skill=skill, hidden=draft.hidden, by=model.name)
    if refused := _refused(by_model, card, words):
        return _alone(draft, f"{model.name} wrote what is refused: {refused}")
    return by_model


def _refused(draft: Draft, card: TaskCard, words: Vocabulary) -> str:
    """What the validator has against a draft, or nothing."""
    with TemporaryDirectory() as place:
        problems = put(draft, Path(place), words, expected=card.expected, diagnosis=card.diagnosis)
    return "; ".join(f"[{p.rule}] {p.text}" for p in problems if p.level is Level.ERROR)[:300]


def put(draft: Draft, out: Path, words: Vocabulary, *, expected: str, diagnosis: str = "") -> list[Problem]:
    """Write the folder `out/NAME` and validate it there; what must not be used is removed again.

    Returns the problems of a draft that was removed; none when it stays. Raises SkillError when the folder is taken.
    """
    folder = out / draft.skill.name
    if folder.exists():
        raise SkillError(
            f"{folder} is there already",
            expected="a new name",
            found="a folder",
            hint="remove it or name another place",
        )
    texts = {PROCEDURE: written(draft.skill), HIDDEN: written(draft.hidden)}
    texts[PROSE] = prose_for(draft, expected, diagnosis, digest_of(texts[PROCEDURE], texts[HIDDEN]))
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    _, problems = validate(folder, words)
    if usable(problems):
        return []
    for name in texts:
        (folder / name).unlink()
    (folder / "assets").rmdir()
    folder.rmdir()
    return problems


def prose_for(draft: Draft, expected: str, diagnosis: str, digest: str) -> str:
    """SKILL.md for people, from what is expected and the procedure."""
    skill = draft.skill
    used = [c.probe for c in (*skill.preconditions, *skill.success_criteria) if c.probe]
    used += [a.action for a in skill.actions if a.action]
    steps = [
        f"{n}. {a.name}: {a.action or ' '.join(a.command or ())} on {a.target}." for n, a in enumerate(skill.actions, 1)
    ]
    proofs = [f"- {c.name}" for c in skill.success_criteria]
    undo = [f"- {c.undoes} is taken back by {c.action or ' '.join(c.command or ())}." for c in skill.rollback]
    front = {
        "name": skill.name,
        "description": f"Use for: {skill.intent}. {diagnosis}".strip()[:1024],
        "license": "Apache-2.0",
        "metadata": {
            "stage": skill.metadata.stage.value,
            "procedure": PROCEDURE,
            DIGEST: digest,
            "generated-by": draft.by,
        },
        "allowed-tools": " ".join(dict.fromkeys(used)),
    }
    parts = [
        f"# {skill.intent[:1].upper()}{skill.intent[1:]}",
        f"Expected: {expected}",
        "## Procedure\n\n" + ("\n".join(steps) or "Nothing is changed; the criteria below are looked at."),
        "## Done when\n\n" + "\n".join(proofs),
        "## Undo\n\n" + ("\n".join(undo) or skill.irreversible or "There is nothing to take back."),
    ]
    return f"---\n{written(front)}---\n\n" + "\n\n".join(parts) + "\n"


def _alone(draft: Draft, why: str) -> Draft:
    return Draft(skill=draft.skill, hidden=draft.hidden, by=draft.by, notes=(f"the template wrote it: {why}",))
