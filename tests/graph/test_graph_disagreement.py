"""Verifiers that disagree: probes decide, a mind's word is noted and never turns a no into a yes."""

from __future__ import annotations

from typing import Any

from agents.reasoners.scripted import ScriptedReasoner
from domain.conditions import Condition
from domain.reasoning import VerifyAnswer
from domain.report import Sentence
from tests.fakes.house import House
from tests.fakes.world import World

PAUSED = (Condition.PROCESS_PAUSED, "api")


def closing_of(house: House) -> dict[str, Any]:
    """What the run told governance at its end."""
    return next(content for kind, _, content in reversed(house.notes) if kind == "closing")


async def test_a_mind_that_sees_a_cure_where_probes_see_none_does_not_close_the_incident() -> None:
    """Nothing helps, the second opinion says it holds: not mitigated, and nothing for the agent's record."""
    mind = ScriptedReasoner({"verifier": [VerifyAnswer(holds=True)] * 4}, name="openai:m1")
    house = House(World(wrong={PAUSED: {}}), reasoner=mind)
    state = await house.run(max_replans=0)
    assert state["outcome"] != "mitigated"
    assert not any(check.passed for check in state["verifications"])
    assert closing_of(house)["verified"] is False


async def test_a_mind_that_doubts_a_cure_is_heard_and_overruled() -> None:
    """The probes confirm, the doubt stands in the record beside them."""
    doubt = Sentence(text="the queue was never looked at", evidence=[])
    mind = ScriptedReasoner({"verifier": [VerifyAnswer(holds=False, doubts=[doubt])]}, name="openai:m1")
    house = House(World(wrong={PAUSED: {}}, mends={"resume_process api"}), reasoner=mind)
    state = await house.run()
    assert state["outcome"] == "mitigated"
    [verification] = state["verifications"]
    assert [c.ok for c in verification.checks if c.name == "doubt of openai:m1"] == [None]
    assert closing_of(house)["verified"] is True
