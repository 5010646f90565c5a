"""The perceiver: perception's mathematics, and second opinions that may lower or add but never raise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agents.arguing import Argued, argue
from agents.asking import ask, recall, spent
from agents.diff_reader import DiffsRead, read_diffs
from agents.opinions import hear
from agents.reasoners.rules import RULES
from domain.bundle import Bundle
from domain.diagnosis import Diagnosis, Evidence, Hypothesis, NextProbe, SecondOpinion
from domain.faults import FAULT_CLASSES, OTHER
from domain.reasoning import PerceiveQuestion, ProbeWish, Reasoner
from domain.usage import Usage

MOST_WISHES = 5
"""Probes that a mind may wish for at one look."""
MOST_DROPPED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A diagnosis after second opinions, and probes that a mind would like to see."""

    diagnosis: Diagnosis
    wishes: list[ProbeWish]
    by: str
    fell_back: str


class Perceiver:
    """Asks a mind what it makes of a diagnosis, and lets it argue with itself about the first hypothesis."""

    def __init__(self, reasoner: Reasoner) -> None:
        self._reasoner = reasoner

    def spent(self, incident: str) -> Usage:
        """What this incident's questions, of any role, have cost."""
        return spent(self._reasoner, incident)

    def recall(self, incident: str, usage: Usage) -> None:
        """What an earlier process spent on it counts as well."""
        recall(self._reasoner, incident, usage)

    async def read(self, bundle: Bundle, before: DiffsRead) -> DiffsRead:
        """What changes could have done by their diffs; see `read_diffs`. Raises what the reasoner raises."""
        return await read_diffs(self._reasoner, bundle, before)

    async def consider(self, diagnosis: Diagnosis, probes: Sequence[str], services: Sequence[str]) -> Seen:
        """The diagnosis with opinions heard. Raises what the reasoner raises."""
        answered = await ask(self._reasoner, question_about(diagnosis, probes, services))
        if answered.by == RULES and not answered.fell_back:
            wishes, _ = _grounded(answered.answer.probes, probes, services)
            return Seen(diagnosis=diagnosis, wishes=wishes, by=answered.by, fell_back="")
        heard = hear(diagnosis, answered.answer.opinions, services, answered.by)
        wishes, vain = _grounded(answered.answer.probes, probes, services)
        argued = Argued(diagnosis=heard.diagnosis)
        if not answered.fell_back:
            argued = await argue(self._reasoner, heard.diagnosis, _first(diagnosis))
        second = SecondOpinion(
            by=answered.by,
            fell_back=answered.fell_back or argued.fell_back,
            engine_verdict=diagnosis.verdict,
            engine_confidence=diagnosis.confidence,
            speaks_for=list(argued.speaks_for),
            speaks_against=list(argued.speaks_against),
            dropped=[*heard.dropped, *vain, *argued.dropped][:MOST_DROPPED],
            usage=self.spent(diagnosis.incident),
        )
        update = {"second_opinion": second, "next_probes": _probes_next(argued.diagnosis, wishes, answered.by)}
        return Seen(
            diagnosis=argued.diagnosis.model_copy(update=update),
            wishes=wishes,
            by=answered.by,
            fell_back=second.fell_back,
        )


def question_about(diagnosis: Diagnosis, probes: Sequence[str], services: Sequence[str]) -> PerceiveQuestion:
    """What a mind is asked first."""
    return PerceiveQuestion(
        diagnosis=diagnosis,
        probes=list(probes),
        services=list(services),
        fault_classes=[*FAULT_CLASSES, OTHER],
        most_wishes=MOST_WISHES,
    )


def _grounded(
    wishes: Sequence[ProbeWish], probes: Sequence[str], services: Sequence[str]
) -> tuple[list[ProbeWish], list[str]]:
    """Each probe of a service once, only such as exist; the others with the reason."""
    kept: dict[tuple[str, str], ProbeWish] = {}
    vain: list[str] = []
    for wish in wishes:
        if wish.probe not in probes or wish.service not in services:
            vain.append(f"no such read-only probe: {wish.probe} of {wish.service}"[:240])
        elif len(kept) < MOST_WISHES:
            kept.setdefault((wish.probe, wish.service), wish)
    return list(kept.values()), vain


def _probes_next(diagnosis: Diagnosis, wishes: Sequence[ProbeWish], by: str) -> list[NextProbe]:
    known = {(p.probe, p.service) for p in diagnosis.next_probes}
    wished = [NextProbe(probe=w.probe, service=w.service, refutes=f"{w.why[:200]} ({by})") for w in wishes]
    return [*diagnosis.next_probes, *(p for p in wished if (p.probe, p.service) not in known)]


def _first(diagnosis: Diagnosis) -> float:
    return diagnosis.top.confidence if diagnosis.top else 0.0


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
            "apart": [names.get(e, e) for e in hypothesis.apart],
            "details": details,
        }
    )
