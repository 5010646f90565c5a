"""When each series first left its normal range: who was first, in which order trouble spread. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from agents.perception.contrast import Contrast
from agents.perception.symptoms import SERVED
from agents.perception.windows import Windows
from cli.report.scale import number
from domain.bundle import Bundle

LEFT = 4.0
"""Robust deviations from which a point is outside of the normal range."""
LEAD_S = 300.0
"""Seconds before the onset from which is looked: the first to leave may be earlier than what was noticed."""
MOST = 12
PER_SERVICE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstSign:
    """One series with the time at which it is first seen outside of its normal range."""

    time: float
    service: str
    text: str


def first_signs(
    bundle: Bundle, found: Sequence[Contrast], windows: Windows, suspects: Sequence[str] = ()
) -> list[FirstSign]:
    """Of service levels that got worse and of suspects' series that moved, in order of time; of each service the two farthest."""
    series = {(s.service, s.metric): s for s in bundle.series}
    start = min(windows.onset, windows.abnormal[0]) - LEAD_S
    chosen: list[FirstSign] = []
    for c in sorted((c for c in found if _telling(c, suspects)), key=lambda c: -abs(c.z)):
        one = series[c.service, c.metric]
        points = [(t, v) for t, v in zip(one.times, one.values, strict=True) if start <= t <= windows.abnormal[1]]
        sign = _sign(points, c)
        if sign is not None and sum(s.service == c.service for s in chosen) < PER_SERVICE:
            chosen.append(sign)
    return sorted(chosen[:MOST], key=lambda s: (s.time, s.text))


def _telling(c: Contrast, suspects: Sequence[str]) -> bool:
    return abs(c.z) >= LEFT and ((c.role in SERVED and c.worse) or c.service in suspects)


def _sign(points: Sequence[tuple[float, float]], c: Contrast) -> FirstSign | None:
    """The first point outside whose successor is outside as well; a lone last point counts."""
    outside = [(t, abs(v - c.before) / c.scale >= LEFT) for t, v in points]
    at = next((a[0] for a, b in pairwise(outside) if a[1] and b[1]), None)
    if at is None and outside and outside[-1][1]:
        at = outside[-1][0]
    if at is None:
        return None
    verb = "is already outside of" if at == outside[0][0] else "leaves"
    words = f"{c.service} {c.metric} {verb} its normal range ({number(c.before)} → {number(c.after)})"
    return FirstSign(time=at, service=c.service, text=words)
