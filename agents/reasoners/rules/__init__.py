"""The rules mind: an answer for every role without any model."""

from __future__ import annotations

from typing import TypeVar, cast

from agents.reasoners.rules.chatting import answer_chat
from agents.reasoners.rules.explaining import write_brief
from agents.reasoners.rules.looking import look_next
from agents.reasoners.rules.overseeing import oversee
from agents.reasoners.rules.planning import propose
from domain.bargaining import WordsAnswer, WordsQuestion
from domain.clock import Clock, SystemClock
from domain.errors import ModelError
from domain.reasoning import (
    ChatQuestion,
    ExplainAnswer,
    ExplainQuestion,
    OverseeQuestion,
    PerceiveQuestion,
    PlanQuestion,
    Question,
    VerifyAnswer,
    VerifyQuestion,
)
from domain.second_opinion import (
    ArgueAgainstQuestion,
    ArgueForQuestion,
    ArgumentAgainst,
    ArgumentFor,
    DiffAnswer,
    DiffQuestion,
)
from domain.value import Value

A = TypeVar("A", bound=Value)
RULES = "rules"
"""The name of the rules mind, wherever it is said who answered."""


class RulesReasoner:
    """Deterministic answers. Perception's own mathematics stands in agents.perception; here nothing is added to it."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()

    @property
    def name(self) -> str:
        """Always `rules`."""
        return RULES

    async def answer(self, question: Question[A]) -> A:
        """Raises ModelError for a role it does not know."""
        return cast(A, self._answer(question))

    def _answer(self, question: Question[A]) -> Value:
        match question:
            case PerceiveQuestion():
                return look_next(question)
            case ArgueForQuestion():
                return ArgumentFor(belief=1.0)
            case ArgueAgainstQuestion():
                return ArgumentAgainst(belief=1.0)
            case DiffQuestion():
                return DiffAnswer()
            case PlanQuestion():
                return propose(question)
            case VerifyQuestion():
                return VerifyAnswer(holds=question.verification.passed)
            case OverseeQuestion():
                return oversee(question)
            case ExplainQuestion():
                return ExplainAnswer(brief=write_brief(question.incident, self._clock.now()))
            case WordsQuestion():
                return WordsAnswer(heard=question.heard)
            case ChatQuestion():
                return answer_chat(question)
            case _:
                raise ModelError(
                    "no rules for this role", expected="a role of domain.reasoning", found=type(question).__name__
                )
