"""Are the new version's answers slower? The Mann–Whitney U test, stratified, with its effect and the effect's interval.

Sources: Mann & Whitney (1947) for U; van Elteren (1960) for combining strata, each weighted by 1/(N+1); the tie correction
of Lehmann, Nonparametrics (1975), section 1.4; Hodges & Lehmann (1963) for the interval of a shift by inverting the test.
A shift of the logarithm is a ratio of times, so effects read "7 % slower".

Requests of one process are not independent: it is scheduled, collects garbage and waits as a whole, for seconds. The variance is
therefore taken as many times larger as windows differ more from each other than independent requests would let them (Wedderburn's
quasi-likelihood, 1974: Pearson's dispersion over windows), and never smaller than a stated dispersion.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from contracts.judge.normal import quantile
from contracts.judge.traffic import Codes, Flags, Floats

WIDEST = math.log(64.0)
"""Ratios beyond 64 times are not told apart."""
STEPS = 20
LEAST_WINDOWS = 4
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
    dispersion: float
    """How many times larger the variance was taken than that of independent requests."""
    canary: int
    baseline: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Durations (as logarithms) of both versions, with what may be compared with what."""

    values: Floats
    canary: Flags
    strata: Codes
    """Only values of one stratum are compared."""
    windows: Codes
    """Time window of each value; a stratum lies within one window."""
    dispersion: float = 1.0
    """Least factor on the variance."""

    def against(self, ratio: float) -> Compared:
        """The same against an old version that takes `ratio` times as long."""
        return replace(self, values=np.where(self.canary, self.values, self.values + math.log(ratio)))


def rank_sum(found: Compared) -> RankSum | None:
    """Compare within strata. None when nothing can be said: one side is empty everywhere, or nothing varies."""
    if not len(found.values):
        return None
    order = np.lexsort((found.values, found.strata))
    values, canary = found.values[order], found.canary[order]
    strata, window = _consecutive(found.strata[order]), found.windows[order]
    total = np.bincount(strata).astype(np.float64)
    new = np.bincount(strata, weights=canary)
    old = total - new
    ranks, ties, tied_pairs = _ranks(values, canary, strata, total)
    pairs = new * old
    weight = np.where(pairs > 0, 1.0 / (total + 1.0), 0.0)
    u = np.bincount(strata, weights=np.where(canary, ranks, 0.0)) - new * (new + 1.0) / 2.0
    correction = ties / np.maximum(total * (total - 1.0), 1.0)
    variances = weight**2 * pairs / 12.0 * (total + 1.0 - correction)
    variance = float(variances.sum())
    if variance <= 0.0:
        return None
    scores = weight * (u - pairs / 2.0)
    first = np.concatenate(([0], np.cumsum(total)[:-1])).astype(np.int64)
    dispersion = max(found.dispersion, _dispersion(scores, variances, window[first]))
    return RankSum(
        z=float(scores.sum()) / math.sqrt(variance * dispersion),
        superiority=float((weight * u).sum() / (weight * pairs).sum()),
        tied=float(tied_pairs.sum() / pairs.sum()),
        dispersion=dispersion,
        canary=int(new.sum()),
        baseline=int(old.sum()),
    )


def ratio_interval(found: Compared, confidence: float) -> tuple[float, float, float] | None:
    """(lower, estimate, upper) of how many times as long the new version takes; None when nothing can be said."""
    if rank_sum(found) is None:
        return None
    bound = quantile(0.5 + confidence / 2.0)
    return _crossing(found, bound), _crossing(found, 0.0), _crossing(found, -bound)


def _crossing(found: Compared, aim: float) -> float:
    """The ratio at which z falls through `aim`: z falls when the old version is made slower."""
    low, high = -WIDEST, WIDEST
    for _ in range(STEPS):
        middle = (low + high) / 2.0
        seen = rank_sum(found.against(math.exp(middle)))
        low, high = (middle, high) if seen is not None and seen.z > aim else (low, middle)
    return math.exp((low + high) / 2.0)


def _dispersion(scores: Floats, variances: Floats, windows: Codes) -> float:
    """Pearson's dispersion of the windows' scores around one common effect; 1 with too few windows to tell."""
    _, place = np.unique(windows, return_inverse=True)
    score, variance = np.bincount(place, weights=scores), np.bincount(place, weights=variances)
    score, variance = score[variance > 0], variance[variance > 0]
    if len(score) < LEAST_WINDOWS:
        return 1.0
    left = score - score.sum() / variance.sum() * variance
    return float((left**2 / variance).sum() / (len(score) - 1))


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
