"""Generation: what a card asks for comes out valid, by template or by a model, or does not come out at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domain.action import Effect
from domain.errors import ModelUnavailableError
from domain.inventory import Binding, Inventory, Service
from domain.reasoning import Question
from skills.card import TaskCard, load_card
from skills.folder import load
from skills.generate import generate, put
from skills.problem import Problem, SkillError
from skills.schema import Skill
from skills.template import ARGUMENTS, CONDITIONS, Draft, from_template
from skills.validate import validate
from skills.vocabulary import registered

ROOT = Path(__file__).resolve().parents[3]
ASPECTS = ["process", "config", "release", "traffic", "pool", "migration", "upstream", "disk"]
ASPECTS += ["warm_cache", "credential", "database", "cache"]
INVENTORY = Inventory(
    services=[
        Service(name="api", kind="api", bindings={a: Binding(via="control", url="http://x/y") for a in ASPECTS}),
        Service(name="bare", kind="api"),
    ]
)
WORDS = registered(INVENTORY)


def card(**changes: Any) -> TaskCard:
    fields = {
        "name": "mend-it",
        "intent": "bring it back to what it should be",
        "workload": "api",
        "fault_domain": "hang",
        "severity": "high",
        "family": "T2",
        "expected": "users are served",
    }
    return TaskCard.model_validate({**fields, **changes})


def kept(draft: Draft, out: Path) -> list[Problem]:
    return put(draft, out, WORDS, expected="users are served")


@pytest.mark.parametrize("family", ["T1", "T2"])
@pytest.mark.parametrize("fault", list(CONDITIONS))
def test_every_fault_has_a_template_that_validates(fault: str, family: str, tmp_path: Path) -> None:
    """Declared effects, undo, criteria, prose and pin are right from the start; a T1 card only looks."""
    wanted = card(fault_domain=fault, family=family)
    assert kept(from_template(wanted, WORDS, INVENTORY), tmp_path) == []
    skill = load(tmp_path / "mend-it").skill
    assert skill is not None
    assert skill.mutating is (family != "T1")


def test_the_gentlest_action_is_taken() -> None:
    """A paused process is resumed, not restarted."""
    assert from_template(card(), WORDS, INVENTORY).skill.actions[0].action == "resume_process"
    assert set(ARGUMENTS) <= set(WORDS.actions)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"workload": "moon"}, "not in the inventory"),
        ({"fault_domain": "vibes"}, "is unknown"),
        ({"workload": "bare"}, "no registered action removes"),
    ],
)
def test_a_card_that_names_nothing(changes: dict[str, Any], words: str) -> None:
    """Refused with what exists."""
    with pytest.raises(SkillError, match=words):
        from_template(card(**changes), WORDS, INVENTORY)


class Writer:
    """A model that writes what it was told to, or nothing."""

    name = "openai:writer"

    def __init__(self, skill: Skill | None) -> None:
        self.skill = skill

    async def answer(self, question: Question[Any]) -> Any:
        assert "hidden" not in question.model_dump_json()
        if self.skill is None:
            raise ModelUnavailableError("the model is too slow")
        return self.skill


def drafted(**changes: Any) -> Skill:
    return from_template(card(), WORDS, INVENTORY).skill.model_copy(update=changes)


@pytest.mark.parametrize("skill", [None, drafted(name="other-name")])
async def test_the_template_steps_in_and_says_so(skill: Skill | None) -> None:
    """When the model is away, or writes something else than was asked for."""
    draft = await generate(card(), "llm", WORDS, INVENTORY, Writer(skill))
    assert draft.by == "template"
    assert draft.notes[0].startswith("the template wrote it")
    assert (await generate(card(), "llm", WORDS, INVENTORY, None)).notes == (
        "the template wrote it: no model is configured",
    )


async def test_a_models_skill_is_believed_only_after_the_validator(tmp_path: Path) -> None:
    """For one that lies about its effect the template steps in, and the reason is said; by itself it would not stay on disk."""
    good = await generate(card(), "llm", WORDS, INVENTORY, Writer(drafted(intent="written by a model, for a test")))
    assert (good.by, kept(good, tmp_path)) == ("openai:writer", [])
    lying = drafted(actions=[drafted().actions[0].model_copy(update={"effect": Effect.READ})])
    instead = await generate(card(), "llm", WORDS, INVENTORY, Writer(lying))
    assert (instead.by, instead.skill) == ("template", drafted())
    assert "openai:writer wrote what is refused: [declared_effect]" in instead.notes[0]
    found = kept(replace(good, skill=lying), tmp_path / "other")
    assert "declared_effect" in {p.rule for p in found}
    assert not (tmp_path / "other" / "mend-it").exists()
    with pytest.raises(SkillError, match="is there already"):
        kept(good, tmp_path)


def test_the_shipped_card_is_one() -> None:
    """And what is wrong with a card is said with its line."""
    assert load_card(ROOT / "docs" / "examples" / "task-card.yaml").workload == "api"


@pytest.mark.parametrize("file", sorted((ROOT / "docs" / "examples").glob("task-card*.yaml")), ids=lambda f: f.stem)
def test_every_shipped_card_becomes_a_skill(file: Path, tmp_path: Path) -> None:
    """One of every family of tasks, each good for a valid skill."""
    assert kept(from_template(load_card(file), WORDS, INVENTORY), tmp_path) == []


def test_a_wrong_card_names_its_line(tmp_path: Path) -> None:
    """File, line, field."""
    file = tmp_path / "card.yaml"
    file.write_text("name: x\nintent: too\nfamily: T9\n")
    with pytest.raises(SkillError) as caught:
        load_card(file)
    assert f"{file}:3: family" in caught.value.found


def test_generated_prose_is_for_people(tmp_path: Path) -> None:
    """What is expected, the steps, and how it is taken back."""
    wanted = card(fault_domain="latency")
    kept(from_template(wanted, WORDS, INVENTORY), tmp_path)
    package, problems = validate(tmp_path / "mend-it", WORDS)
    assert package is not None
    assert problems == []
    for words in ("Expected: users are served", "1. mend: shift_traffic on api.", "is taken back by shift_traffic"):
        assert words in package.body
