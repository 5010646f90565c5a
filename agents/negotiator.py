"""The negotiator: free words at a contract's table, explained from the contract's own terms. Nothing follows from what it says."""

from __future__ import annotations

import re
from collections.abc import Iterable

from agents.asking import ask
from agents.citing import ground
from domain.bargaining import Heard, WordsAnswer, WordsQuestion
from domain.contract import OfferKind
from domain.reasoning import Reasoner
from domain.report import Sentence
from domain.value import Value

MOST = 5
"""Sentences, and offers, that are told."""
LONGEST = 400
"""Characters of one sentence."""
_TERM = re.compile(r"\[(T\d+) ([^\]]+)\] (.*)", re.DOTALL)
_CLAIMS = re.compile(
    r"\b(approv|sign(s|ed|ing|ature)|accept|reject|waiv|grant|allow|permit|exempt|overrul|lift|loosen|relax|lower|merge|"
    r"deploy|releas|proven|fulfil|no longer|not needed|unnecessary)\w*|\w+://\S+",
    re.IGNORECASE,
)
"""Words of decisions, and addresses: a sentence may only repeat those of the terms that it cites."""


class Explained(Value):
    """What free words come to: sentences that name the terms they rest on, and offers with the words that may mean them."""

    sentences: list[Sentence] = []
    """`evidence` holds names of terms."""
    heard: list[Heard] = []
    unsupported: int = 0
    """Sentences and offers of the model that nothing carries; they are not shown."""
    by: str = "rules"
    fell_back: str = ""
    """Why rules stood in for a model; empty: nobody had to."""


class Negotiator:
    """Asks a mind what words mean and drops what neither the words nor the terms carry."""

    def __init__(self, reasoner: Reasoner) -> None:
        self._reasoner = reasoner

    async def explain(self, question: WordsQuestion) -> Explained:
        """Raises what the reasoner raises."""
        answered = await ask(self._reasoner, question)
        found = ground_words(answered.answer, question)
        return found.model_copy(update={"by": answered.by, "fell_back": answered.fell_back})


def ground_words(answer: WordsAnswer, question: WordsQuestion) -> Explained:
    """Sentences that say no more than the terms they cite, and offers whose quote was really said. Pure."""
    read = [found.groups() for term in question.terms if (found := _TERM.fullmatch(term))]
    names = {key: name for key, name, _ in read}
    sources = {key: f"{name} {text}" for key, name, text in read}
    plain = [s.model_copy(update={"text": _plain(s.text)}) for s in answer.sentences]
    carried = ground(plain, sources, {*names.values(), *OfferKind}).kept
    kept = [s for s in carried if _claims_nothing(s, sources)][:MOST]
    heard = [h for h in answer.heard if _said(h.quote, question.text)][:MOST]
    told = [Sentence(text=s.text, evidence=list(dict.fromkeys(names[e] for e in s.evidence))) for s in kept]
    dropped = len(answer.sentences) - len(kept) + len(answer.heard) - len(heard)
    return Explained(sentences=told, heard=heard, unsupported=dropped)


def _claims_nothing(sentence: Sentence, sources: dict[str, str]) -> bool:
    cited = " ".join(sources[e] for e in sentence.evidence).lower()
    claims: Iterable[str] = (found[0].lower() for found in _CLAIMS.finditer(sentence.text))
    return 0 < len(sentence.text) <= LONGEST and all(claim in cited for claim in claims)


def _said(quote: str, text: str) -> bool:
    wanted = _plain(quote).casefold()
    return len(wanted) > 1 and wanted in _plain(text).casefold()


def _plain(text: str) -> str:
    """One line without anything that a terminal would obey."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
