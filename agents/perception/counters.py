"""Counters told from gauges: what only grows is read as its growth per second, with resets (a restart) bridged.

Rule of Prometheus' `rate()`: a value below its predecessor means that the counter began at zero again.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from agents.perception.points import arrays
from agents.perception.roles import is_total, words_of
from domain.bundle import Series

LEAST = 6
GROWING = 0.95
"""Share of steps that must not fall."""


def levels(series: Iterable[Series]) -> list[Series]:
    """Every series as a level: counters as rates, and the mean of each `_sum` with its `_count`."""
    found: list[Series] = []
    rates: dict[tuple[str, str], Series] = {}
    for one in series:
        if is_total(one.metric) and is_counter(one):
            one = rate(one)
            rates[(one.service, one.metric)] = one
        found.append(one)
    return [*found, *_means(rates)]


def is_counter(series: Series) -> bool:
    """Does it only grow, but for resets to near zero?"""
    _, values = arrays(series)
    if len(values) < LEAST or values.min() < 0:
        return False
    steps = np.diff(values)
    return bool((steps >= 0).mean() >= GROWING and steps.max(initial=0.0) > 0)


def rate(series: Series) -> Series:
    """Growth per second between neighbouring points, at the later one."""
    times, values = arrays(series)
    steps, spans = np.diff(values), np.diff(times)
    steps = np.where(steps < 0, values[1:], steps)
    return Series(service=series.service, metric=series.metric, times=tuple(times[1:]), values=tuple(steps / spans))


def _means(rates: dict[tuple[str, str], Series]) -> Iterable[Series]:
    for (service, metric), total in rates.items():
        name, brace, labels = metric.partition("{")
        if not words_of(name).endswith("_sum"):
            continue
        count = rates.get((service, f"{name[:-3]}count{brace}{labels}"))
        if count is None:
            continue
        known = dict(zip(count.times, count.values, strict=True))
        pairs = [(t, v / known[t]) for t, v in zip(total.times, total.values, strict=True) if known.get(t, 0.0) > 0]
        if pairs:
            times, values = zip(*pairs, strict=True)
            yield Series(service=service, metric=f"{name[:-4]}_mean{brace}{labels}", times=times, values=values)
