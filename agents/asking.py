"""One question to a mind and who really answered it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, runtime_checkable

from domain.reasoning import Question, Reasoner
from domain.value import Value

A = TypeVar("A", bound=Value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(Generic[A]):
    """An answer, by whom, and why somebody else had to step in (empty: nobody had to)."""

    answer: A
    by: str
    fell_back: str = ""


@runtime_checkable
class Attributing(Protocol):
    """A mind that can say who answered one particular question."""

    async def ask(self, question: Question[A]) -> Answered[A]: ...


async def ask(reasoner: Reasoner, question: Question[A]) -> Answered[A]:
    """The answer with its author; fall backs keep their reason."""
    if isinstance(reasoner, Attributing):
        return await reasoner.ask(question)
    return Answered(answer=await reasoner.answer(question), by=reasoner.name)
