"""One question to a mind, who really answered it, and what an incident's questions have cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, runtime_checkable

from domain.reasoning import Question, Reasoner
from domain.usage import Usage
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


@runtime_checkable
class Paid(Protocol):
    """A mind whose answers cost something."""

    def spent(self, incident: str) -> Usage: ...

    def recall(self, incident: str, usage: Usage) -> None: ...


async def ask(reasoner: Reasoner, question: Question[A]) -> Answered[A]:
    """The answer with its author; fall backs keep their reason."""
    if isinstance(reasoner, Attributing):
        return await reasoner.ask(question)
    return Answered(answer=await reasoner.answer(question), by=reasoner.name)


def spent(reasoner: Reasoner, incident: str) -> Usage:
    """What this incident's questions have cost; nothing for a mind that is free."""
    return reasoner.spent(incident) if isinstance(reasoner, Paid) else Usage()


def recall(reasoner: Reasoner, incident: str, usage: Usage) -> None:
    """Tell a mind what an earlier process spent on this incident."""
    if isinstance(reasoner, Paid):
        reasoner.recall(incident, usage)
