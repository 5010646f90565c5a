"""A mind that may fail, and one that steps in visibly when it does."""

from __future__ import annotations

from typing import TypeVar

from agents.asking import Answered, recall, spent
from domain.errors import ModelError
from domain.reasoning import Question, Reasoner
from domain.usage import Usage
from domain.value import Value

A = TypeVar("A", bound=Value)


class FallbackReasoner:
    """Asks `first`; on a ModelError asks `second` and keeps the reason with the answer and in the name."""

    def __init__(self, first: Reasoner, second: Reasoner) -> None:
        self._first = first
        self._second = second
        self._reason = ""

    @property
    def name(self) -> str:
        """The first mind's name; after a fall back also whose word stood in and why."""
        return (
            f"{self._first.name} (fell back to {self._second.name}: {self._reason})"
            if self._reason
            else self._first.name
        )

    async def answer(self, question: Question[A]) -> A:
        """The answer alone."""
        return (await self.ask(question)).answer

    async def ask(self, question: Question[A]) -> Answered[A]:
        """The answer with its author and the reason of a fall back."""
        try:
            answer = await self._first.answer(question)
        except ModelError as error:
            self._reason = error.message
            answer = await self._second.answer(question)
            return Answered(answer=answer, by=self._second.name, fell_back=f"{self._first.name}: {error.message}")
        self._reason = ""
        return Answered(answer=answer, by=self._first.name)

    def spent(self, incident: str) -> Usage:
        """What the first mind has cost; the second is free."""
        return spent(self._first, incident)

    def recall(self, incident: str, usage: Usage) -> None:
        """See agents.asking.Paid."""
        recall(self._first, incident, usage)
