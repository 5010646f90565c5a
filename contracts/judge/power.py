"""What a sample can see, said before it is taken: the smallest effect that is found with the wanted power.

Durations: the rank-sum test's z grows with (A − ½)·√(12·information), where A is the chance that a request of the slower version
takes longer (Noether, 1987); A is read off the old version's own durations. Failures: the exact test's critical count.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from contracts.judge import binomial
from contracts.judge.normal import quantile
from contracts.judge.traffic import Floats

LARGEST_RATIO = 16.0
MOST_VALUES = 4000
STEPS = 40


def information(new: Floats, old: Floats) -> float:
    """What strata with so many requests of each version are worth to the rank-sum test together."""
    return float((new * old / (new + old + 1.0)).sum())


def superiority(durations: Floats, ratio: float) -> float:
    """A: chance that a value made `ratio` times as large exceeds another of the same sample (`durations` are logarithms)."""
    ordered = np.sort(durations[:: max(1, len(durations) // MOST_VALUES)])
    shifted = ordered + math.log(ratio)
    below = np.searchsorted(ordered, shifted, side="left")
    upto = np.searchsorted(ordered, shifted, side="right")
    return float((below + upto).mean() / (2.0 * len(ordered)))


def visible_ratio(spread: Callable[[float], float], info: float, alpha: float, power: float, margin: float) -> float:
    """The smallest ratio of durations above `margin` that is found with `power` at level `alpha`.

    `spread` maps a ratio to A. Infinity when not even LARGEST_RATIO would be found.
    """
    if alpha <= 0.0 or info <= 0.0:
        return math.inf
    needed = quantile(1.0 - alpha) + quantile(power)

    def seen(ratio: float) -> bool:
        return (spread(ratio) - 0.5) * math.sqrt(12.0 * info) >= needed

    if not seen(LARGEST_RATIO):
        return math.inf
    return (1.0 + margin) * _smallest(seen, 1.0, LARGEST_RATIO)


def visible_gap(rate: float, new: float, old: float, alpha: float, power: float) -> float:
    """The smallest rise of the failure ratio above `rate` found with `power`, given so many requests of each version."""
    if alpha <= 0.0 or new < 1.0 or old < 1.0:
        return math.inf
    expected = rate * old
    failures = math.ceil(expected + 1.3 * math.sqrt(expected))
    critical = critical_count(failures, new / (new + old), alpha)
    if critical is None or not _enough(1.0, new, critical, power):
        return math.inf
    found = _smallest(lambda share: _enough(share, new, critical, power), rate, 1.0)
    return found - rate


def critical_count(old_failures: int, share: float, alpha: float) -> int | None:
    """The failures of the new version that stop it when the old one has so many; None beyond a million."""
    high = 1
    while binomial.at_least(high, high + old_failures, share) > alpha:
        high *= 2
        if high > 1_000_000:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (
            (low, middle) if binomial.at_least(middle, middle + old_failures, share) <= alpha else (middle, high)
        )
    return high


def seconds_needed(visible: Callable[[float], float], wanted: float, longest_s: float) -> float:
    """How long the traffic must be watched until `visible(seconds)` is at most `wanted`; infinity beyond `longest_s`."""
    if visible(longest_s) > wanted:
        return math.inf
    return _smallest(lambda seconds: visible(seconds) <= wanted, 0.0, longest_s)


def _enough(share: float, requests: float, critical: int, power: float) -> bool:
    trials = max(1, math.floor(requests))
    return critical <= trials and binomial.at_least(critical, trials, share) >= power


def _smallest(reached: Callable[[float], bool], low: float, high: float) -> float:
    for _ in range(STEPS):
        middle = (low + high) / 2.0
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high
