"""The explainer: a brief in which every sentence names its evidence; the rest is shown as unsupported."""

from __future__ import annotations

from agents.asking import Answered, ask
from agents.citing import Grounded, citable, ground, names_of
from domain.incident import Incident
from domain.reasoning import ExplainQuestion, Reasoner
from domain.report import Brief, Sentence


class Explainer:
    """Asks a mind for the brief and drops what nothing carries."""

    def __init__(self, reasoner: Reasoner) -> None:
        self._reasoner = reasoner

    async def explain(self, incident: Incident) -> Answered[Brief]:
        """The grounded brief. Raises what the reasoner raises."""
        answered = await ask(self._reasoner, ExplainQuestion(incident=incident))
        brief = ground_brief(answered.answer.brief, incident)
        return Answered(
            answer=brief.model_copy(update={"written_by": answered.by}), by=answered.by, fell_back=answered.fell_back
        )


def ground_brief(brief: Brief, incident: Incident) -> Brief:
    """The brief without the sentences that say more than they cite."""
    sources, names = citable(incident), names_of(incident)
    dropped: list[str] = []

    def carried(sentences: list[Sentence]) -> list[Sentence]:
        result: Grounded = ground(sentences, sources, names)
        dropped.extend(result.dropped)
        return result.kept

    return brief.model_copy(
        update={
            "what_broke": carried(brief.what_broke),
            "why": carried(brief.why),
            "actions": carried(brief.actions),
            "recovery": carried(brief.recovery),
            "prevention": carried(brief.prevention),
            "unsupported": dropped,
        }
    )
