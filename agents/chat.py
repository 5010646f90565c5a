"""The chat: answers from evidence only; what nothing carries is shown as unsupported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agents.asking import ask
from agents.citing import citable, ground, names_of
from domain.incident import Incident, IncidentRow
from domain.reasoning import ChatQuestion, Reasoner
from domain.redaction import redact
from domain.report import Sentence
from domain.retrieval import Passage


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What is streamed to the person."""

    by: str
    fell_back: str
    sentences: list[Sentence]
    unsupported: list[str]
    suggestions: list[str]


class Chat:
    """Asks a mind a person's question and grounds what comes back."""

    def __init__(self, reasoner: Reasoner) -> None:
        self._reasoner = reasoner

    async def reply(
        self, text: str, incident: Incident | None, incidents: Sequence[IncidentRow], passages: Sequence[Passage]
    ) -> Reply:
        """Sentences with their evidence (`E…`, `L…`, `R…` for passages). Raises what the reasoner raises."""
        labelled = {f"R{n}": p for n, p in enumerate(passages, 1)}
        question = ChatQuestion(
            text=redact(text),
            incident=incident,
            incidents=[f"{r.id} {r.status.value} {r.service} {r.fault_class or ''} {r.title}" for r in incidents],
            passages=[f"[{key} {p.id}] {p.text}" for key, p in labelled.items()],
        )
        answered = await ask(self._reasoner, question)
        sources = {key: f"{p.id} {p.title} {p.text}" for key, p in labelled.items()}
        sources |= citable(incident) if incident else {}
        result = ground(answered.answer.sentences, sources, names_of(incident) if incident else set())
        return Reply(
            by=answered.by,
            fell_back=answered.fell_back,
            sentences=result.kept,
            unsupported=result.dropped,
            suggestions=answered.answer.suggestions,
        )
