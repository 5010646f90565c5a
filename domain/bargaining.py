"""What somebody said at a contract's table, as a question to a mind: it explains and quotes, and decides nothing."""

from __future__ import annotations

from typing import ClassVar

from domain.contract import OfferKind
from domain.reasoning import Question
from domain.report import Sentence
from domain.value import Value


class Heard(Value):
    """An offer that the words may mean."""

    offer: OfferKind
    quote: str
    """The words themselves, as they were said."""


class WordsAnswer(Value):
    """Before grounding."""

    sentences: list[Sentence] = []
    """What the terms say to it; each rests on ids of terms (`T2`)."""
    heard: list[Heard] = []


class WordsQuestion(Question[WordsAnswer]):
    """What do these words mean at this table?"""

    role: ClassVar[str] = "negotiator"
    answer_type: ClassVar[type[Value]] = WordsAnswer
    contract: str
    """Whose; its questions share one budget."""
    text: str
    """As somebody said it; untrusted."""
    terms: list[str]
    """`[T1 error_rate] 0.2 percent over 300 s: …`, one per term and reason."""
    heard: list[Heard] = []
    """What rules hear in the words."""
