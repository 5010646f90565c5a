"""A mind behind a circuit breaker: an endpoint that is away costs the first few questions their patience, not every one."""

from __future__ import annotations

from typing import TypeVar

from agents.asking import recall, spent
from domain.errors import CircuitOpenError, ModelUnavailableError
from domain.reasoning import Question, Reasoner
from domain.usage import Usage
from domain.value import Value
from governance.health import Breaker

A = TypeVar("A", bound=Value)


class CircuitReasoner:
    """Same face, same answers. While the circuit is open it raises ModelUnavailableError at once, and rules answer."""

    def __init__(self, inner: Reasoner, breaker: Breaker) -> None:
        self._inner = inner
        self._breaker = breaker

    @property
    def name(self) -> str:
        """The inner mind's."""
        return self._inner.name

    async def answer(self, question: Question[A]) -> A:
        """See Reasoner."""
        try:
            return await self._breaker.call(lambda: self._inner.answer(question), ModelUnavailableError)
        except CircuitOpenError as error:
            raise ModelUnavailableError(error.message, expected=error.expected, found=error.found) from error

    def spent(self, incident: str) -> Usage:
        """What the inner mind has cost."""
        return spent(self._inner, incident)

    def recall(self, incident: str, usage: Usage) -> None:
        """See agents.asking.Paid."""
        recall(self._inner, incident, usage)
