"""What the change is expected to do to latency and errors, and to whom."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from contracts.context import DeploymentContext
from contracts.priors import ERRORS, LATENCY, POINTS
from domain.contract import Canary
from domain.risk import Factor, FactorName, Interval

_Z80 = 1.2816
"""Standard normal quantile of 0.90: an 80 % interval has 10 % on each side."""


def latency_impact(points: Mapping[FactorName, float], confidence: float) -> Interval:
    """Change of p95 in percent of the baseline."""
    return _impact(points, LATENCY, confidence, "percent of the baseline")


def error_impact(points: Mapping[FactorName, float], confidence: float, today: float | None) -> Interval:
    """Change of the error rate in percentage points; it cannot fall by more than `today`'s."""
    found = _impact(points, ERRORS, confidence, "percentage points")
    return found if today is None else found.model_copy(update={"low": max(found.low, -today)})


def affected_users(context: DeploymentContext, canary: Canary, factors: Iterable[Factor]) -> str:
    """Who is hit until a breach is noticed at the first stage."""
    share = canary.stages[0].percent if canary.stages else 100.0
    traffic = f", about {context.qps * share / 100:.3g} requests/s" if context.qps else ""
    through = f"; through it {', '.join(context.dependants[:5])}" if context.dependants else ""
    if not list(factors):
        return "nobody: nothing that runs is touched"
    return f"{share:g} % of requests at the first stage{traffic}{through}"


def _impact(
    points: Mapping[FactorName, float], priors: Mapping[FactorName, tuple[float, float]], confidence: float, unit: str
) -> Interval:
    """Independent normal effects, each scaled by how strong its finding is; less confidence, a wider interval."""
    scaled = [(priors[name], found / POINTS[name]) for name, found in points.items() if name in priors]
    expected = math.fsum(mean * scale for (mean, _), scale in scaled)
    spread = math.sqrt(math.fsum((sd * scale) ** 2 for (_, sd), scale in scaled)) / max(confidence, 0.1)
    low, high = expected - _Z80 * spread, expected + _Z80 * spread
    return Interval(
        low=round(low, 3),
        expected=round(expected, 3),
        high=round(high, 3),
        unit=unit,
        basis="stated priors, no outcomes",
    )


def strongest(findings: Sequence[tuple[FactorName, float]]) -> dict[FactorName, float]:
    """The most points that any finding gives to each factor."""
    most: dict[FactorName, float] = {}
    for name, points in findings:
        most[name] = max(points, most.get(name, 0.0))
    return most
