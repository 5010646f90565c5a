"""How what was said compares with what was true, over the labelled alerts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from math import sqrt

from domain.diagnosis import Diagnosis, DiagnosisVerdict
from domain.value import Value
from graph.backtest.kept import Backtest, Label

Z = 1.96
"""Standard deviations of a 95 % interval."""


class Mark(StrEnum):
    """One alert judged."""

    RIGHT = "right"
    """The service at fault first (or the verdict, where nothing of ours was at fault)."""
    NEAR = "near"
    """The service at fault among the first three."""
    ABSTAINED = "abstained"
    """Inconclusive: nobody was accused."""
    WRONG = "wrong"


class Share(Value):
    """A share of the labelled alerts with its 95 % interval (Wilson 1927); None of an empty set."""

    right: int
    of: int
    share: float | None
    low: float | None
    high: float | None


class Accuracy(Value):
    """All measures over what is labelled."""

    alerts: int
    labelled: int
    first: Share
    """The service at fault first, or the right verdict."""
    first_three: Share
    fault_class: Share
    """The class too, where the label has one."""
    wrong_and_sure: int
    """Accused somebody else with a confidence of .8 or more: the worst there is."""


def mark(said: Diagnosis, truth: Label) -> Mark:
    """Right, near, abstained or wrong."""
    if truth.healthy or truth.external:
        wanted = DiagnosisVerdict.HEALTHY if truth.healthy else DiagnosisVerdict.EXTERNAL
        return Mark.RIGHT if said.verdict is wanted else _missed(said)
    named = list(dict.fromkeys(h.service for h in said.hypotheses))
    if said.verdict is not DiagnosisVerdict.FAULT:
        return _missed(said)
    if named[:1] == [truth.service]:
        return Mark.RIGHT
    return Mark.NEAR if truth.service in named[:3] else Mark.WRONG


def accuracy(rows: Sequence[Backtest]) -> Accuracy:
    """The measures of all rows; those without a label only count as alerts."""
    told = [(row.diagnosis, row.truth) for row in rows if row.truth is not None]
    marks = [mark(said, truth) for said, truth in told]
    classed = [(s, t) for s, t in told if t.fault_class]
    sure = [m for (s, _), m in zip(told, marks, strict=True) if s.confidence >= 0.8]
    return Accuracy(
        alerts=len(rows),
        labelled=len(told),
        first=share([m is Mark.RIGHT for m in marks]),
        first_three=share([m in {Mark.RIGHT, Mark.NEAR} for m in marks]),
        fault_class=share([s.top is not None and s.top.fault_class == t.fault_class for s, t in classed]),
        wrong_and_sure=sum(m in {Mark.WRONG, Mark.NEAR} for m in sure),
    )


def share(hits: Sequence[bool]) -> Share:
    """The share that holds, with its interval."""
    n, k = len(hits), sum(hits)
    if not n:
        return Share(right=0, of=0, share=None, low=None, high=None)
    p = k / n
    middle, wide = p + Z**2 / (2 * n), Z * sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    low, high = ((middle + side * wide) / (1 + Z**2 / n) for side in (-1, 1))
    return Share(right=k, of=n, share=round(p, 3), low=round(max(0.0, low), 3), high=round(min(1.0, high), 3))


def _missed(said: Diagnosis) -> Mark:
    return Mark.ABSTAINED if said.verdict is DiagnosisVerdict.INCONCLUSIVE else Mark.WRONG
