"""Two passes over the leading hypothesis, one for and one against, neither seeing the other's text; the outcome may only lower."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from agents.asking import Answered, ask
from agents.citing import ground, observations
from agents.opinions import ACCUSES, lowered, settled
from domain.diagnosis import Diagnosis, Hypothesis
from domain.reasoning import Reasoner
from domain.report import Sentence
from domain.second_opinion import (
    ArgueAgainstQuestion,
    ArgueForQuestion,
    Argument,
    ArgumentAgainst,
    ArgumentFor,
)

MOST_POINTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Argued:
    """A diagnosis after the argument, the points of both sides that stand, and those that do not."""

    diagnosis: Diagnosis
    speaks_for: tuple[Sentence, ...] = ()
    speaks_against: tuple[Sentence, ...] = ()
    dropped: tuple[str, ...] = ()
    fell_back: str = ""


async def argue(reasoner: Reasoner, diagnosis: Diagnosis, engine: float) -> Argued:
    """Both passes and what follows; nothing follows when one side has no answer. `engine`: its own confidence in the first."""
    top = diagnosis.top
    if top is None or diagnosis.verdict not in ACCUSES:
        return Argued(diagnosis=diagnosis)
    pro, con = await asyncio.gather(
        ask(reasoner, pro_question(diagnosis, top)), ask(reasoner, con_question(diagnosis, top))
    )
    failed = _failed(pro, con)
    if failed:
        return Argued(diagnosis=diagnosis, fell_back=failed)
    return weigh(diagnosis, pro.answer, con.answer, engine)


def pro_question(diagnosis: Diagnosis, hypothesis: Hypothesis) -> ArgueForQuestion:
    """The facts without anybody's opinion of them."""
    return ArgueForQuestion(
        incident=diagnosis.incident,
        hypothesis=hypothesis,
        evidence=diagnosis.evidence,
        blind_spots=diagnosis.blind_spots,
    )


def con_question(diagnosis: Diagnosis, hypothesis: Hypothesis) -> ArgueAgainstQuestion:
    """The same facts for the other side."""
    return ArgueAgainstQuestion(
        incident=diagnosis.incident,
        hypothesis=hypothesis,
        evidence=diagnosis.evidence,
        blind_spots=diagnosis.blind_spots,
    )


def weigh(diagnosis: Diagnosis, pro: Argument, con: Argument, engine: float) -> Argued:
    """Grounded points count. With one against, the first is believed no more than both sides on average believe it; a side that
    should speak for it and finds nothing to cite believes nothing. Without one against nothing changes. Pure."""
    top = diagnosis.hypotheses[0]
    sources = observations(diagnosis)
    names = {h.service for h in diagnosis.hypotheses} | {e.service for e in diagnosis.evidence} - {""}
    stands = ground(pro.points[:MOST_POINTS], sources, names - {top.service})
    doubts = ground(con.points[:MOST_POINTS], sources, names - {top.service})
    said = (pro.belief if stands.kept else 0.0) / 2 + con.belief / 2
    if doubts.kept and said < top.confidence:
        doubted = lowered(_with_doubts(top, doubts.kept), said, engine)
        diagnosis = settled(diagnosis, *_parted(diagnosis, doubted))
    return Argued(
        diagnosis=diagnosis,
        speaks_for=tuple(stands.kept),
        speaks_against=tuple(doubts.kept),
        dropped=tuple(f"says more than it cites: {text}"[:240] for text in (*stands.dropped, *doubts.dropped)),
    )


def _parted(diagnosis: Diagnosis, first: Hypothesis) -> tuple[list[Hypothesis], list[Hypothesis]]:
    rest = diagnosis.hypotheses[1:]
    return [first, *(h for h in rest if not h.by)], [h for h in rest if h.by]


def _with_doubts(hypothesis: Hypothesis, doubts: Sequence[Sentence]) -> Hypothesis:
    cited = [e for s in doubts for e in s.evidence if e not in hypothesis.evidence]
    return hypothesis.model_copy(update={"against": list(dict.fromkeys([*hypothesis.against, *cited]))})


def _failed(pro: Answered[ArgumentFor], con: Answered[ArgumentAgainst]) -> str:
    return "; ".join(dict.fromkeys(a.fell_back for a in (pro, con) if a.fell_back))
