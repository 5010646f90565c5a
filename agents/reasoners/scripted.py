"""A mind that says what it was told to say: for tests and rehearsals. A real member of the family, not a mock."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from typing import TypeVar, cast

from domain.errors import ModelError
from domain.reasoning import Question
from domain.value import Value

A = TypeVar("A", bound=Value)


class ScriptedReasoner:
    """Answers per role in order; an exception in the script is raised; an empty script is a ModelError."""

    def __init__(self, script: Mapping[str, Sequence[Value | Exception]], name: str = "scripted") -> None:
        self._name = name
        self._script: dict[str, deque[Value | Exception]] = defaultdict(deque)
        for role, answers in script.items():
            self._script[role].extend(answers)
        self.asked: list[Question[Value]] = []

    @property
    def name(self) -> str:
        """As given."""
        return self._name

    async def answer(self, question: Question[A]) -> A:
        """The next answer of the question's role."""
        self.asked.append(cast(Question[Value], question))
        waiting = self._script[question.role]
        if not waiting:
            raise ModelError("the script has no answer left", expected=f"an answer for {question.role}", found="none")
        answer = waiting.popleft()
        if isinstance(answer, Exception):
            raise answer
        return cast(A, answer)
