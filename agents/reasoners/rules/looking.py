"""What to look at next by rules: whatever would refute the leading hypotheses, until one stands."""

from __future__ import annotations

from domain.diagnosis import Diagnosis, DiagnosisVerdict
from domain.reasoning import PerceiveAnswer, PerceiveQuestion, ProbeWish

SURE = 0.8
"""From this confidence on (0–1) a verdict is believed without another look."""
MOST = 3
"""Probes wished for at one look: those of the leading hypotheses, the others are too faint to be worth one."""


def look_next(question: PerceiveQuestion) -> PerceiveAnswer:
    """The first of the diagnosis's own next probes that may be run; none when it is known well enough. No opinions."""
    if settled(question.diagnosis):
        return PerceiveAnswer()
    may = [p for p in question.diagnosis.next_probes if p.probe in question.probes and p.service in question.services]
    most = min(MOST, question.most_wishes)
    return PerceiveAnswer(probes=[ProbeWish(probe=p.probe, service=p.service, why=p.refutes) for p in may[:most]])


def settled(diagnosis: Diagnosis) -> bool:
    """Nobody is accused, or somebody so surely that one reading more would tell nothing."""
    if diagnosis.verdict is DiagnosisVerdict.INCONCLUSIVE:
        return False
    return diagnosis.verdict is DiagnosisVerdict.HEALTHY or diagnosis.confidence >= SURE
