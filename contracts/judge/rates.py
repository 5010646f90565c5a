"""Does the new version fail more often? An exact test, stratified, with the difference and its interval.

Sources: Przyborowski & Wilenski (1940): given all failures of a stratum, those of the new version are binomial with its share
of the requests when both versions are alike (conservative for failures that are not rare); strata are convolved, as in
Gart's (1970) exact test. Mantel & Haenszel (1959) weights for the difference, Newcombe's (1998) hybrid score interval around it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from contracts.judge import binomial
from contracts.judge.normal import quantile
from contracts.judge.traffic import Codes, Flags, Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Requests and failures of both versions per stratum in which both have requests."""

    new: Floats
    old: Floats
    new_failures: Floats
    old_failures: Floats

    @property
    def empty(self) -> bool:
        """No stratum has requests of both."""
        return not len(self.new)


def count(failed: Flags, canary: Flags, strata: Codes) -> Counts:
    """Count within strata; strata in which only one version answered say nothing and are left out."""
    _, place = np.unique(strata, return_inverse=True)

    def per_stratum(marked: Flags) -> Floats:
        return np.bincount(place, weights=marked.astype(np.float64), minlength=1).astype(np.float64)

    new, old = per_stratum(canary), per_stratum(~canary)
    both = (new > 0) & (old > 0)
    return Counts(
        new=new[both],
        old=old[both],
        new_failures=per_stratum(failed & canary)[both],
        old_failures=per_stratum(failed & ~canary)[both],
    )


def p_more(counts: Counts) -> float:
    """Chance of so many failures of the new version, or more, when both are alike. 1 when nothing failed."""
    spread = np.ones(1)
    failures = (counts.new_failures + counts.old_failures).astype(np.int64)
    shares = counts.new / np.maximum(counts.new + counts.old, 1.0)
    for number, share in zip(failures, shares, strict=True):
        if number:
            spread = np.convolve(spread, binomial.mass(int(number), float(share)))
    return float(min(1.0, spread[int(counts.new_failures.sum()) :].sum()))


def difference(counts: Counts, confidence: float) -> tuple[float, float, float]:
    """(lower, estimate, upper) of the new failure ratio minus the old one. (-1, 0, 1) when nothing can be compared."""
    if counts.empty:
        return (-1.0, 0.0, 1.0)
    weight = counts.new * counts.old / (counts.new + counts.old)
    z = quantile(0.5 + confidence / 2.0)
    new, new_low, new_high = _wilson(counts.new_failures, counts.new, weight, z)
    old, old_low, old_high = _wilson(counts.old_failures, counts.old, weight, z)
    gap = new - old
    return (gap - math.hypot(new - new_low, old_high - old), gap, gap + math.hypot(new_high - new, old - old_low))


def _wilson(failures: Floats, requests: Floats, weight: Floats, z: float) -> tuple[float, float, float]:
    """(weighted ratio, its Wilson limits) on the number of requests that a weighted mean is worth."""
    share = float((weight * failures / requests).sum() / weight.sum())
    worth = float(weight.sum() ** 2 / (weight**2 / requests).sum())
    middle = (share + z * z / (2 * worth)) / (1 + z * z / worth)
    half = z * math.sqrt(share * (1 - share) / worth + z * z / (4 * worth * worth)) / (1 + z * z / worth)
    return share, max(0.0, middle - half), min(1.0, middle + half)
