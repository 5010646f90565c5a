"""From findings to a score that its factors add up to, with a confidence (spec: contracts, Risk)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from contracts.finding import Finding
from domain.risk import Factor, FactorName

_SHOWN = 12
"""Places that one factor names; the rest is counted."""
_KNOWN = 0.95
"""Confidence when everything was read and nothing is in doubt: a rule can always be wrong."""
_LEAST = 0.1
_LEAST_POINTS = 0.01
_MOST_POINTS = 99.0
"""No single finding is certain to do harm."""


def factors_of(findings: Iterable[Finding]) -> list[Factor]:
    """One factor per name, heaviest first; their weights add up to the score.

    Findings are taken as independent ways to fail: of p1, p2, … (points / 100, the strongest of each name) the score is
    100 · (1 - ∏(1 - p)). Each factor's weight is its share of the sum of -ln(1 - p), so that the shares are exact and no
    factor depends on the order of the others. Adding a finding never lowers the score.
    """
    strongest: dict[FactorName, list[Finding]] = {}
    for finding in findings:
        if finding.points >= _LEAST_POINTS:
            strongest.setdefault(finding.factor, []).append(finding)
    odds = {name: _odds(max(f.points for f in rows)) for name, rows in strongest.items()}
    total = sum(odds.values())
    score = 100 * -math.expm1(-total)
    rows = [_factor(name, rows, score * odds[name] / total) for name, rows in strongest.items()]
    return sorted(rows, key=lambda factor: -factor.weight)


def score_of(factors: Sequence[Factor]) -> float:
    """Their sum, 0 to 100, with two decimals."""
    return round(min(100.0, math.fsum(f.weight for f in factors)), 2)


def confidence_of(findings: Sequence[Finding], doubts: Sequence[tuple[str, float]]) -> float:
    """How sure the score is, 0.1 to 0.95: how directly the findings were read, less the cost of each doubt."""
    weight = math.fsum(f.points for f in findings)
    sure = math.fsum(f.points * f.sure for f in findings) / weight if weight else 1.0
    return round(max(_LEAST, _KNOWN * sure - math.fsum(max(0.0, cost) for _, cost in doubts)), 3)


def _odds(points: float) -> float:
    return -math.log1p(-min(points, _MOST_POINTS) / 100)


def _factor(name: FactorName, rows: list[Finding], weight: float) -> Factor:
    rows = sorted(rows, key=lambda f: -f.points)
    reasons = list(dict.fromkeys(f.reason for f in rows))
    places = list(dict.fromkeys(place for f in rows for place in f.where))
    more = f" (and {len(reasons) - 3} more)" if len(reasons) > 3 else ""
    where = [*places[:_SHOWN], *([f"and {len(places) - _SHOWN} more"] if len(places) > _SHOWN else [])]
    return Factor(name=name, weight=weight, reason="; ".join(reasons[:3]) + more, where=where)
