"""When the trouble was, when nobody says: the stretch of time whose levels differ most from the rest.

Epidemic change point (Levin & Kline 1985): of all stretches `[a, b)` the one with the largest gain in squared error when it gets a
mean of its own, summed over series in robust units and capped per series so that no single one decides. Only what goes the bad way
by more than daily ups and downs counts. Times are read as ranks, so gaps between two windows far apart do not matter.
"""

from __future__ import annotations

import numpy as np

from agents.perception.counters import levels
from agents.perception.points import arrays, least_scale
from agents.perception.roles import Role, role_of
from domain.bundle import Bundle, Series, Window

BINS = 320
LEAST = 12
"""Distinct times below which no stretch is sought."""
LONGEST = 0.5
"""A stretch longer than this share of the time is what is usual."""
CAP = 8.0
USUAL = 2.0
"""Robust standard deviations that a level may differ over a long stretch (times of the day, of the week)."""
_OTHERWISE = {Role.ERRORS: Role.AVAILABILITY, Role.AVAILABILITY: Role.ERRORS}
NOTICED = 2.0
"""What the clearest series must go beyond USUAL: the best of many stretches always differs a little."""
EARLY = 0.4
"""Weight of a stretch at the beginning of the data beside one at its end: people collect data because of what they see now."""
SUFFERING = (Role.LATENCY, Role.ERRORS, Role.AVAILABILITY)


def stretch(bundle: Bundle) -> Window | None:
    """(from, to) of the stretch that differs most, or None where there is too little to compare."""
    series = _telling(bundle)
    times = np.unique(np.concatenate([arrays(s)[0] for s in series])) if series else np.empty(0)
    if len(times) < LEAST:
        return None
    edges = times[np.unique(np.linspace(0, len(times) - 1, min(BINS, len(times))).astype(int))]
    table = np.vstack([_binned(s, edges) for s in series])
    found = _best(np.cumsum(np.insert(table, 0, 0.0, axis=1), axis=1))
    if found is None:
        return None
    first, last = found
    end = times[-1] if last >= len(edges) else float(edges[last])
    return float(edges[first]), float(end)


def _telling(bundle: Bundle) -> list[Series]:
    """Series of service levels; those of the alerted service alone where there are any; all where there are none."""
    series = levels(bundle.series)
    told = [s for s in series if role_of(s.metric) in SUFFERING and len(s.times) >= LEAST]
    alerted = bundle.alert.service if bundle.alert else ""
    role = role_of(bundle.alert.metric) if bundle.alert and bundle.alert.metric else None
    mine = [s for s in told if s.service == alerted]
    same = [s for s in mine if role in (role_of(s.metric), _OTHERWISE.get(role_of(s.metric) or Role.TRAFFIC))]
    return (same or mine or told or [s for s in series if len(s.times) >= LEAST])[:120]


def _binned(series: Series, edges: np.ndarray) -> np.ndarray:
    """Robust standard scores per bin, the last known one carried over gaps, clipped to CAP."""
    times, values = arrays(series)
    level = float(np.median(values))
    role = role_of(series.metric)
    mad = 1.4826 * float(np.median(np.abs(values - level)))
    scale = max(mad, least_scale(role, series.metric, level, float(np.abs(values).max(initial=0.0))), 1e-9)
    way = {Role.AVAILABILITY: -1.0, Role.LATENCY: 1.0, Role.ERRORS: 1.0}.get(role or Role.TRAFFIC)
    scores = np.clip((values - level) / scale, -CAP, CAP)
    scores = np.abs(scores) if way is None else way * scores
    place = np.clip(np.searchsorted(edges, times, side="right") - 1, 0, len(edges) - 1)
    total, count = np.bincount(place, scores, len(edges)), np.bincount(place, minlength=len(edges))
    return np.where(count > 0, total / np.maximum(count, 1), 0.0)


def _best(sums: np.ndarray) -> tuple[int, int] | None:
    """The stretch with the largest summed gain, None when none is noticed; `sums`: cumulative per series, from zero."""
    bins = sums.shape[1] - 1
    mean = sums[:, -1:] / bins
    best: tuple[float, int, int] = (0.0, bins, bins)
    for length in range(1, max(2, int(LONGEST * bins)) + 1):
        inside = (sums[:, length:] - sums[:, :-length]) / length - mean
        inside = np.maximum(inside - USUAL, 0.0)
        inside = np.where(inside.max(axis=0) >= NOTICED, inside, 0.0)
        late = EARLY + (1 - EARLY) * (np.arange(length, bins + 1) / bins)
        gain = (inside**2).sum(axis=0) * length * bins / (bins - length) * late
        start = int(np.argmax(gain))
        best = max(best, (float(gain[start]), start, start + length))
    return (best[1], best[2]) if best[0] > 0 else None
