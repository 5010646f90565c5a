"""Does a resource grow without end? A rank trend test with a robust slope, on what the new version uses beyond the old one.

Sources: Mann (1945) and Kendall (1975) for the test, Theil (1950) and Sen (1968) for the slope and its interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from contracts.judge.normal import beyond, quantile
from contracts.judge.traffic import Floats

LEAST_BLOCKS = 8
"""Fewer blocks cannot carry a trend at any level that is used here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """Growth of a series. `slope` is units per second with its limits; `p` is the chance of such a rise without growth."""

    p: float
    slope: float
    slope_low: float
    slope_high: float
    last: float


def blocks(at: Floats, values: Floats, width_s: float) -> tuple[Floats, Floats]:
    """(middle, median) per block of time: neighbouring readings resemble each other and must not count as many."""
    number = np.floor(at / width_s).astype(np.int64)
    kept = np.unique(number)
    middles = (kept.astype(np.float64) + 0.5) * width_s
    return middles, np.array([float(np.median(values[number == block])) for block in kept])


def trend(at: Floats, values: Floats, confidence: float) -> Trend | None:
    """The trend of a series of blocks; None with too few of them or when nothing varies."""
    if len(values) < LEAST_BLOCKS or np.ptp(values) == 0.0:
        return None
    first, second = np.triu_indices(len(values), 1)
    rise = values[second] - values[first]
    deviation = math.sqrt(_variance(values))
    score = float(np.sign(rise).sum())
    slopes = np.sort(rise / (at[second] - at[first]))
    half = quantile(0.5 + confidence / 2.0) * deviation
    middle = len(slopes) / 2.0
    return Trend(
        p=beyond((score - 1.0) / deviation) if score > 0 else 1.0,
        slope=float(np.median(slopes)),
        slope_low=float(slopes[max(0, math.floor(middle - half / 2.0))]),
        slope_high=float(slopes[min(len(slopes) - 1, math.ceil(middle + half / 2.0))]),
        last=float(values[-1]),
    )


def _variance(values: Floats) -> float:
    """Of Kendall's score, corrected for ties."""
    number = len(values)
    _, ties = np.unique(values, return_counts=True)
    tied = float((ties * (ties - 1) * (2 * ties + 5)).sum())
    return (number * (number - 1) * (2 * number + 5) - tied) / 18.0
