"""From a score to the chance that a deployment fails: a logistic curve with stated priors that recorded outcomes move.

p = 1 / (1 + exp(-(a + b · x))), x the log-odds of the score. The priors are normal; the curve is their maximum a
posteriori estimate (Newton's method; the objective is strictly concave, so there is one). With few outcomes it stays
near the priors, with many it follows them. Platt (1999) scales scores the same way, without priors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from domain.value import Value

_STEPS = 50
_ENOUGH = 1e-9
_CLEAR = 0.005
"""Scores are kept this far from 0 and 1, so that their log-odds are finite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """One deployment whose end is known."""

    score: float
    """0 to 100, as it was before the deployment."""
    failed: bool
    """It violated its contract or was rolled back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """Mean and standard deviation of a normal distribution."""

    mean: float
    deviation: float


BASE = Prior(mean=math.log(0.15 / 0.85), deviation=1.0)
"""Log-odds of failure at score 50. 15 % is the upper end of what surveys of deployment performance call an ordinary change
failure rate; a deviation of 1 allows anything from some 2 % to some 55 %."""
SLOPE = Prior(mean=0.7, deviation=0.4)
"""How fast the odds grow with the score's: 6 % at score 20, 32 % at 80."""


class Curve(Value):
    """The curve, and how much it has learnt."""

    base: float = BASE.mean
    slope: float = SLOPE.mean
    outcomes: int = 0
    failures: int = 0

    def chance(self, score: float) -> float:
        """Probability of failure at a score of 0 to 100."""
        return _logistic(self.base + self.slope * log_odds(score))

    @property
    def basis(self) -> str:
        """What it rests on, in words."""
        if not self.outcomes:
            return "stated priors, no recorded outcomes"
        return f"stated priors and {self.outcomes} recorded outcomes, {self.failures} of them failures"


def learned(past: Sequence[Ended]) -> Curve:
    """The curve after these outcomes. A slope below zero would say that risk is safe; it is held at zero."""
    base, slope = BASE.mean, SLOPE.mean
    rows = [(log_odds(row.score), float(row.failed)) for row in past]
    for _ in range(_STEPS):
        step = _newton(rows, base, slope)
        base, slope = base + step[0], slope + step[1]
        if abs(step[0]) + abs(step[1]) < _ENOUGH:
            break
    failures = sum(row.failed for row in past)
    return Curve(base=base, slope=max(0.0, slope), outcomes=len(past), failures=failures)


def log_odds(score: float) -> float:
    """Of a score of 0 to 100."""
    share = min(1 - _CLEAR, max(_CLEAR, score / 100))
    return math.log(share / (1 - share))


def _newton(rows: Sequence[tuple[float, float]], base: float, slope: float) -> tuple[float, float]:
    """One step uphill: gradient over curvature of the log posterior."""
    up_a, up_b = (BASE.mean - base) / BASE.deviation**2, (SLOPE.mean - slope) / SLOPE.deviation**2
    aa, ab, bb = 1 / BASE.deviation**2, 0.0, 1 / SLOPE.deviation**2
    for x, failed in rows:
        p = _logistic(base + slope * x)
        weight = p * (1 - p)
        up_a, up_b = up_a + failed - p, up_b + (failed - p) * x
        aa, ab, bb = aa + weight, ab + weight * x, bb + weight * x * x
    under = aa * bb - ab * ab
    return (bb * up_a - ab * up_b) / under, (aa * up_b - ab * up_a) / under


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
