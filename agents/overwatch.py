"""Overwatch: reads results and violations and says whether a run may go on. A mind may be stricter than the rules, never laxer."""

from __future__ import annotations

from agents.asking import Answered, ask
from agents.reasoners.rules.overseeing import oversee
from domain.reasoning import OverseeAnswer, OverseeQuestion, Reasoner

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
