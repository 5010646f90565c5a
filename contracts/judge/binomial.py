"""Exact tails of the binomial distribution and the limits that follow from them (Clopper & Pearson, 1934)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from contracts.judge.traffic import Floats

STEPS = 60


def log_weights(trials: int) -> Floats:
    """Logarithm of "`trials` choose k" for k = 0 … trials."""
    k = np.arange(1, trials + 1, dtype=np.float64)
    return np.concatenate(([0.0], np.cumsum(np.log((trials - k + 1.0) / k))))


def mass(trials: int, chance: float) -> Floats:
    """Probability of k = 0 … trials."""
    k = np.arange(trials + 1, dtype=np.float64)
    if chance <= 0.0 or chance >= 1.0:
        return np.where(k == (0.0 if chance <= 0.0 else trials), 1.0, 0.0)
    return np.exp(log_weights(trials) + k * math.log(chance) + (trials - k) * math.log1p(-chance))


def at_least(count: int, trials: int, chance: float) -> float:
    """P(X ≥ count)."""
    return float(min(1.0, mass(trials, chance)[max(0, count) :].sum()))


def at_most(count: int, trials: int, chance: float) -> float:
    """P(X ≤ count)."""
    return float(min(1.0, mass(trials, chance)[: count + 1].sum()))


def lower(count: int, trials: int, risk: float) -> float:
    """The smallest chance that `count` does not contradict at that one-sided risk."""
    if count == 0 or trials == 0:
        return 0.0
    return _solve(lambda chance: at_least(count, trials, chance) > risk)


def upper(count: int, trials: int, risk: float) -> float:
    """The largest chance that `count` does not contradict at that one-sided risk; 1 without trials."""
    if count == trials:
        return 1.0
    return _solve(lambda chance: at_most(count, trials, chance) <= risk)


def _solve(reached: Callable[[float], bool]) -> float:
    """The chance from which on it is reached."""
    low, high = 0.0, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2.0
        low, high = (low, middle) if reached(middle) else (middle, high)
    return (low + high) / 2.0
