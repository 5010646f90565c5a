"""Every decision in the ledger says who took it, and with which prompt when a model was asked."""

from __future__ import annotations

from typing import Any

from agents.reasoners.scripted import ScriptedReasoner
from domain.conditions import Condition
from domain.reasoning import OverseeAnswer, PerceiveAnswer
from domain.second_opinion import ArgumentAgainst, ArgumentFor
from domain.value import Value, digest
from graph.nodes.walk import author
from tests.fakes.house import House
from tests.fakes.world import World

PAUSED = (Condition.PROCESS_PAUSED, "api")


def said(house: House, key: str) -> list[dict[str, Any]]:
    """Who wrote the notes that have this key."""
    keep = ("by", "prompt", "fell_back")
    return [{k: c[k] for k in keep if k in c} for _, _, c in house.notes if key in c]


async def test_rules_name_themselves_and_no_prompt() -> None:
    """Diagnosis, plan and escalation by rules carry the reasoner's name alone."""
    house = House(World(wrong={PAUSED: {}}))
    await house.run(max_replans=0)
    assert {c["by"] for _, _, c in house.notes} == {"rules"}
    assert not any("prompt" in c for _, _, c in house.notes)
    assert [k for k in ("verdict", "plan", "checks", "decision", "escalated", "brief") if not said(house, k)] == []


async def test_a_model_is_named_with_its_prompt_and_its_failures() -> None:
    """An answer carries the version of its prompt; a fall back carries it too, with the reason."""
    answers: dict[str, list[Value | Exception]] = {
        "perception": [PerceiveAnswer()],
        "argue_for": [ArgumentFor(belief=1.0)],
        "argue_against": [ArgumentAgainst(belief=1.0)],
        "overwatch": [OverseeAnswer(decision="continue", reason="fine")],
    }
    house = House(
        World(wrong={PAUSED: {}}, mends={"resume_process api"}), reasoner=ScriptedReasoner(answers, name="openai:m1")
    )
    await house.run()
    assert said(house, "verdict") == [{"by": "openai:m1", "prompt": "perception/2"}]
    (plan,) = said(house, "plan")
    assert (plan["by"], plan["prompt"]) == ("rules", "planner/1")
    assert plan["fell_back"].startswith("openai:m1: ")
    assert said(house, "decision") == [{"by": "openai:m1", "prompt": "overwatch/1"}]
    assert [n["prompt"] for n in (*said(house, "checks"), *said(house, "brief"))] == ["verifier/1", "explainer/1"]


async def test_the_story_can_be_checked_against_the_ledger() -> None:
    """Each look after a step and the brief leave their digest and the evidence they rest on, in this order."""
    house = House(World(wrong={PAUSED: {}}, mends={"resume_process api"}))
    state = await house.run()
    (look,) = [c for _, _, c in house.notes if "checks" in c]
    (told,) = [c for _, _, c in house.notes if "brief" in c]
    (verification,), brief = state["verifications"], state["brief"]
    known = {e.id for e in state["diagnosis"].evidence}
    assert (look["passed"], look["digest"], told["brief"]) == (True, digest(verification), digest(brief))
    assert set(look["evidence"]) & known == set(look["evidence"]) != set()
    assert {e for s in brief.sentences() for e in s.evidence} == set(told["evidence"])
    assert (told["status"], told["outcome"], house.notes[-2][2]) == ("resolved", "mitigated", told)
    assert house.notes[-1][0] == "closing"


def test_an_author_without_a_model_is_the_rules() -> None:
    """Nobody asked: no prompt, no excuse."""
    assert author("planner") == {"by": "rules"}
