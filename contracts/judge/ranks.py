"""Are the new version's answers slower? The Mann–Whitney U test, stratified, with its effect and the effect's interval.

Sources: Mann & Whitney (1947) for U; van Elteren (1960) for combining strata, each weighted by 1/(N+1); the tie correction
of Lehmann, Nonparametrics (1975), section 1.4; Hodges & Lehmann (1963) for the interval of a shift by inverting the test.
A shift of the logarithm is a ratio of times, so effects read "7 % slower".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from contracts.judge.normal import quantile
from contracts.judge.traffic import Codes, Flags, Floats

WIDEST = math.log(64.0)
"""Ratios beyond 64 times are not told apart."""
STEPS = 20
COARSE = 0.25
"""Above this share of tied pairs the values are too coarse to say anything about their ratio."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankSum:
    """What the test saw. `z` is standard normal when both versions are alike, positive when the new one is slower."""

    z: float
    superiority: float
    """Chance that a request of the new version takes longer than one of the old, ties half (Vargha & Delaney's A)."""
    tied: float
    """Share of the pairs that are ties."""
    canary: int
    baseline: int


def rank_sum(values: Floats, canary: Flags, strata: Codes) -> RankSum | None:
    """Compare within strata. None when nothing can be said: one side is empty everywhere, or nothing varies."""
    order = np.lexsort((values, strata))
    values, canary, strata = values[order], canary[order], _consecutive(strata[order])
    if not len(values):
        return None
    total = np.bincount(strata).astype(np.float64)
    new = np.bincount(strata, weights=canary)
    old = total - new
    ranks, ties, tied_pairs = _ranks(values, canary, strata, total)
    pairs = new * old
    weight = np.where(pairs > 0, 1.0 / (total + 1.0), 0.0)
    u = np.bincount(strata, weights=np.where(canary, ranks, 0.0)) - new * (new + 1.0) / 2.0
    correction = ties / np.maximum(total * (total - 1.0), 1.0)
    variance = float((weight**2 * pairs / 12.0 * (total + 1.0 - correction)).sum())
    if variance <= 0.0:
        return None
    return RankSum(
        z=float((weight * (u - pairs / 2.0)).sum()) / math.sqrt(variance),
        superiority=float((weight * u).sum() / (weight * pairs).sum()),
        tied=float(tied_pairs.sum() / pairs.sum()),
        canary=int(new.sum()),
        baseline=int(old.sum()),
    )


def slower(values: Floats, canary: Flags, strata: Codes, ratio: float) -> RankSum | None:
    """The test against an old version that takes `ratio` times as long; `values` are logarithms."""
    return rank_sum(np.where(canary, values, values + math.log(ratio)), canary, strata)


def ratio_interval(
    values: Floats, canary: Flags, strata: Codes, confidence: float
) -> tuple[float, float, float] | None:
    """(lower, estimate, upper) of how many times as long the new version takes; None when nothing can be said."""
    if rank_sum(values, canary, strata) is None:
        return None
    bound = quantile(0.5 + confidence / 2.0)
    return (
        _crossing(values, canary, strata, bound),
        _crossing(values, canary, strata, 0.0),
        _crossing(values, canary, strata, -bound),
    )


def _crossing(values: Floats, canary: Flags, strata: Codes, aim: float) -> float:
    """The ratio at which z falls through `aim`: z falls when the old version is made slower."""
    low, high = -WIDEST, WIDEST
    for _ in range(STEPS):
        middle = (low + high) / 2.0
        found = slower(values, canary, strata, math.exp(middle))
        low, high = (middle, high) if found is not None and found.z > aim else (low, middle)
    return math.exp((low + high) / 2.0)


def _consecutive(ordered: Codes) -> Codes:
    """Codes 0, 1, 2 … for an ordered column."""
    return np.concatenate(([0], np.cumsum(ordered[1:] != ordered[:-1]))) if len(ordered) else ordered


def _ranks(values: Floats, canary: Flags, strata: Codes, total: Floats) -> tuple[Floats, Floats, Floats]:
    """(mid-rank of each value in its stratum, sum of t³ − t per stratum, tied pairs of both versions per stratum)."""
    first = np.concatenate(([True], (values[1:] != values[:-1]) | (strata[1:] != strata[:-1])))
    run = np.cumsum(first) - 1
    size = np.bincount(run).astype(np.float64)
    new = np.bincount(run, weights=canary)
    offset = np.concatenate(([0.0], np.cumsum(total)[:-1]))
    start = np.flatnonzero(first)
    middle = start - offset[strata[start]] + (size + 1.0) / 2.0
    ties = np.bincount(strata[start], weights=size**3 - size).astype(np.float64)
    tied_pairs = np.bincount(strata[start], weights=new * (size - new)).astype(np.float64)
    return middle[run], ties, tied_pairs
