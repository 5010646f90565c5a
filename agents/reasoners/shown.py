"""A mind that answers nothing and keeps what it was asked: for reading exactly what a model would be sent."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar, cast

from agents.reasoners.asked import messages
from agents.reasoners.rules import RulesReasoner
from domain.reasoning import Question
from domain.value import Value

A = TypeVar("A", bound=Value)


class ShownReasoner:
    """Empty answers, as the rules give them; `asked` holds (role, messages) of every question in order."""

    name = "nobody"

    def __init__(self, secrets: Sequence[re.Pattern[str]] = ()) -> None:
        self._secrets = secrets
        self._rules = RulesReasoner()
        self.asked: list[tuple[str, list[tuple[str, str]]]] = []

    async def answer(self, question: Question[A]) -> A:
        """See Reasoner."""
        self.asked.append((question.role, messages(question, self._secrets)))
        return cast(A, await self._rules.answer(question))
