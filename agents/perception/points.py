"""The points of a series as arrays (finite, ascending, one per time), and how far they usually lie from their level."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from agents.perception.roles import Role, is_rate, is_ratio
from domain.bundle import Series

MOST_REQUESTS = 20
"""A share is not taken as proof of more requests than this."""
ABSURD = 1e100
"""No measurement is that large; sums of such values overflow."""


def arrays(series: Series) -> tuple[np.ndarray, np.ndarray]:
    """Finite points of a series, ascending by time; of duplicates in time the last one counts."""
    n = min(len(series.times), len(series.values))
    times = np.asarray(series.times[:n], dtype=float)
    values = np.asarray(series.values[:n], dtype=float)
    good = np.isfinite(times) & (np.abs(values) < ABSURD)
    times, values = times[good], values[good]
    order = np.argsort(times, kind="stable")
    times, values = times[order], values[order]
    if len(times) > 1:
        keep = np.append(np.diff(times) > 0, True)
        times, values = times[keep], values[keep]
    return times, values


def inside(times: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """Which times lie in the window, ends included."""
    return (times >= window[0]) & (times <= window[1])


def least_scale(role: Role | None, metric: str, level: float, most: float = 2.0) -> float:
    """The least scale: two requests in a thousand for shares of requests, a fiftieth of the level for the rest.

    `most`: the largest value of that metric at any service; it tells percentages from fractions.
    """
    share = is_ratio(metric) or (is_rate(metric) and most <= 1.0)
    if role is Role.AVAILABILITY or (role is Role.ERRORS and share):
        return 0.002 * whole(max(most, abs(level)))
    return 0.02 * abs(level)


def whole(most: float) -> float:
    """What "all requests" is in the unit of a share whose largest value anywhere is `most`: 1, or 100 for percentages."""
    return 100.0 if most > 1.5 else 1.0


def one_failure(share: float) -> float:
    """The largest share that one failure can be where `share` (0-1) failed: three of four cannot be told by a single request."""
    return 1.0 / Fraction(share).limit_denominator(MOST_REQUESTS).denominator


def significance(before: np.ndarray, after: np.ndarray, *, all_of_them: float | None = None) -> float:
    """Standard deviations by which counted events are more frequent `after` than `before`, for values ≥ 0 told per interval.

    The smallest positive value is taken for one event, so a single failure among few requests stays a single failure. Of
    shares (`all_of_them`: the value when every request fails) it is what one request can be at most. On/off counting with an
    unknown background (Li & Ma 1983, eq. 17).
    """
    values = np.concatenate([before, after])
    positive = values[values > 1e-9]
    if len(positive) == 0 or len(before) == 0 or len(after) == 0:
        return 0.0
    event = float(positive.min())
    if all_of_them is not None:
        event = min(event, all_of_them * one_failure(min(1.0, event / all_of_them)))
    off, on = float(before.sum() / event), float(after.sum() / event)
    ratio = len(after) / len(before)
    if on <= ratio * off:
        return 0.0
    total = 2 * on * np.log((1 + ratio) / ratio * on / (on + off))
    total += 2 * off * np.log((1 + ratio) * off / (on + off)) if off > 0 else 0.0
    return float(np.sqrt(max(0.0, total)))


def spread(values: np.ndarray, level: float, floor: float = 0.0) -> float:
    """A robust standard deviation that is never zero."""
    mad = 1.4826 * float(np.median(np.abs(values - level)))
    low, high = np.quantile(values, (0.05, 0.95))
    return max(mad, float(high - low) / 3.3, floor, 1e-6)
