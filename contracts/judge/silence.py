"""Time without any data where there should have been some: missing in the middle, stale at the end."""

from __future__ import annotations

import numpy as np

from contracts.judge.traffic import Floats

EXPECTED = 15.0
"""A silence counts when so many requests should have come in it: chance makes one once in three million (e^-15)."""
SHORTEST_S = 10.0
"""Shorter silences are pauses of the machine, not missing data."""


def silences(at: Floats, start: float, end: float, rate: float) -> tuple[tuple[float, float], ...]:
    """Spans (from, to) within start … end in which nothing came although `rate` requests per second were expected."""
    edges = np.concatenate(([start], np.sort(at), [end]))
    gaps = np.diff(edges)
    long = np.flatnonzero((gaps * rate >= EXPECTED) & (gaps >= SHORTEST_S))
    return tuple((float(edges[place]), float(edges[place + 1])) for place in long)
