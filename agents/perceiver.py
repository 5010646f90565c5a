"""The perceiver: perception's mathematics, and second opinions that may lower or add but never raise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agents.asking import ask
from domain.diagnosis import Diagnosis, DiagnosisVerdict, Evidence, Hypothesis
from domain.reasoning import Opinion, PerceiveQuestion, ProbeWish, Reasoner

LEAST_SHARE = 0.6
"""An opinion may take at most 40 % of a confidence away; readings outweigh opinions."""
ADDED_CEILING = 0.3
"""A hypothesis that only an opinion holds stays below this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A diagnosis after second opinions, and probes that a mind would like to see."""

    diagnosis: Diagnosis
    wishes: list[ProbeWish]
    by: str
    fell_back: str


class Perceiver:
    """Asks a mind what it makes of a diagnosis."""

    def __init__(self, reasoner: Reasoner) -> None:
        self._reasoner = reasoner

    async def consider(self, diagnosis: Diagnosis, probes: Sequence[str], services: Sequence[str]) -> Seen:
        """The diagnosis with opinions heard. Raises what the reasoner raises."""
        answered = await ask(self._reasoner, PerceiveQuestion(diagnosis=diagnosis, probes=list(probes)))
        wishes = [w for w in answered.answer.probes if w.probe in probes and w.service in services]
        return Seen(
            diagnosis=hear(diagnosis, answered.answer.opinions, services),
            wishes=wishes[:5],
            by=answered.by,
            fell_back=answered.fell_back,
        )


def hear(diagnosis: Diagnosis, opinions: Sequence[Opinion], services: Sequence[str]) -> Diagnosis:
    """Opinions applied; without any the diagnosis is untouched."""
    if not opinions or diagnosis.verdict is not DiagnosisVerdict.FAULT:
        return diagnosis
    known = {e.id for e in diagnosis.evidence}
    hypotheses = [_lowered(h, opinions) for h in diagnosis.hypotheses]
    held = {(h.service, h.fault_class) for h in hypotheses}
    for opinion in opinions:
        cited = [e for e in opinion.evidence if e in known]
        if cited and opinion.service in services and (opinion.service, opinion.fault_class) not in held:
            hypotheses.append(_added(opinion, cited, [e for e in opinion.against if e in known]))
    ranked = sorted(hypotheses, key=lambda h: (-h.confidence, h.rank))
    ranked = [h.model_copy(update={"rank": place}) for place, h in enumerate(ranked, 1)]
    confidence = min(diagnosis.confidence, ranked[0].confidence) if ranked else diagnosis.confidence
    return diagnosis.model_copy(update={"hypotheses": ranked, "confidence": confidence})


def _lowered(hypothesis: Hypothesis, opinions: Sequence[Opinion]) -> Hypothesis:
    heard = [
        o.confidence for o in opinions if (o.service, o.fault_class) == (hypothesis.service, hypothesis.fault_class)
    ]
    if not heard or min(heard) >= hypothesis.confidence:
        return hypothesis
    return hypothesis.model_copy(update={"confidence": max(min(heard), hypothesis.confidence * LEAST_SHARE)})


def _added(opinion: Opinion, evidence: list[str], against: list[str]) -> Hypothesis:
    return Hypothesis(
        rank=99,
        service=opinion.service,
        fault_class=opinion.fault_class,
        confidence=min(opinion.confidence, ADDED_CEILING),
        statement=opinion.statement,
        evidence=evidence,
        against=against,
    )


def keep_ids(previous: Diagnosis | None, fresh: Diagnosis) -> Diagnosis:
    """The fresh diagnosis with evidence ids that stay what they were: known evidence keeps its id, new gets the next free one.

    Evidence of the previous diagnosis that is not seen any more stays citable.
    """
    if previous is None:
        return fresh
    ids = {_identity(e): e.id for e in previous.evidence}
    taken = {e.id for e in previous.evidence}
    free = max((int(i[1:]) for i in taken if i[1:].isdigit()), default=0)
    renamed: dict[str, str] = {}
    added: list[Evidence] = []
    for evidence in fresh.evidence:
        known = ids.get(_identity(evidence))
        if known is None:
            free += 1
            known = f"E{free}"
            added.append(evidence.model_copy(update={"id": known}))
            ids[_identity(evidence)] = known
        renamed[evidence.id] = known
    return fresh.model_copy(
        update={
            "evidence": [*previous.evidence, *added],
            "hypotheses": [_renamed(h, renamed) for h in fresh.hypotheses],
        }
    )


def _identity(evidence: Evidence) -> tuple[str, str, str, str]:
    return (evidence.kind, evidence.source, evidence.service, evidence.excerpt)


def _renamed(hypothesis: Hypothesis, names: Mapping[str, str]) -> Hypothesis:
    details = dict(hypothesis.details)
    if details.get("conditions"):
        details["conditions"] = [
            {**c, "evidence": [names.get(e, e) for e in c.get("evidence", [])]} if isinstance(c, dict) else c
            for c in details["conditions"]
        ]
    return hypothesis.model_copy(
        update={
            "evidence": [names.get(e, e) for e in hypothesis.evidence],
            "against": [names.get(e, e) for e in hypothesis.against],
            "details": details,
        }
    )
