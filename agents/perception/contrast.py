"""Before against after, per metric series, with robust statistics.

Level: median of the normal window; scale: 1.4826·MAD, widened by the inter-quantile range and a share of the level so that a
flat series does not explode (Leys et al. 2013, median absolute deviation for outlier detection).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from agents.perception.counters import levels
from agents.perception.points import arrays, inside, least_scale, significance, spread, whole
from agents.perception.roles import Role, is_rate, is_ratio, role_of
from agents.perception.windows import Windows
from domain.bundle import Bundle, Series

MIN_POINTS = 3
FLAT = 1e-6
"""Scale of what never left zero."""
TAIL_S = 15.0
"""The newest seconds of the abnormal window: is it still going on?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """One series: level before, mean after, and how far that is in robust standard deviations (`z`, signed)."""

    service: str
    metric: str
    role: Role | None
    before: float
    scale: float
    after: float
    peak: float
    tail: float
    z: float
    points: tuple[int, int]
    most: float
    """Largest value of the metric at any service."""
    counted: float
    """Most deviations that the number of failures counted allows; infinite for what is no error."""
    chance: float
    """Share of equally long stretches of the normal window that went as far the bad way (add-one), 0–1."""
    repeats: int
    """How many such stretches there were."""
    seen_at: str = ""
    """Who measured it, where that was another service: a caller."""

    @property
    def share(self) -> bool:
        """True for a share of requests, by its name, or by the word "rate" with values that never exceed one."""
        return is_ratio(self.metric) or (is_rate(self.metric) and self.most <= 1.0)

    @property
    def whole(self) -> float:
        """What a share of all requests is in this metric's unit: 1, or 100 for percentages."""
        return whole(self.most)

    @property
    def worse(self) -> bool:
        """True when the change goes the bad way for its role."""
        return self.z_bad > 0

    @property
    def z_bad(self) -> float:
        """`z`, positive where it got worse."""
        return -self.z if self.role is Role.AVAILABILITY else self.z

    @property
    def reach(self) -> float:
        """How far it went the bad way: the mean's deviation, or half that of the farthest point (short faults in long windows)."""
        far = (self.peak - self.before) / self.scale
        return min(self.counted, max(self.z_bad, 0.5 * (-far if self.role is Role.AVAILABILITY else far)))

    @property
    def rarity(self) -> float:
        """1 for what normal times never show, 0 for what they show often or cannot tell for lack of history."""
        return max(0.0, 1.0 - 4.0 * self.chance)


def contrasts(bundle: Bundle, windows: Windows) -> list[Contrast]:
    """Contrast of every series that has points on both sides; silent ones are the business of `silent`.

    Failures that are counted for the first time were none before: a labelled counter appears with its first event.
    """
    series = [*levels(bundle.series)]
    series += appeared(series, windows)
    most: dict[str, float] = {}
    for one in series:
        _, values = arrays(one)
        most[one.metric] = max(most.get(one.metric, 0.0), float(values.max(initial=0.0)))
    found = (contrast(one, windows, most[one.metric]) for one in series)
    return [c for c in found if c is not None]


COUNTED = (Role.ERRORS, Role.TRAFFIC, None)
"""Roles that a counter has by its name alone, without its labels."""


def appeared(series: Sequence[Series], windows: Windows) -> list[Series]:
    """Counters of failures that begin with the trouble, with zeros where a sister (same name, other labels) was told before."""
    sisters: dict[tuple[str, str], tuple[float, ...]] = {}
    late: list[tuple[str, Series]] = []
    for one in series:
        name, labelled, _ = one.metric.partition("{")
        if not labelled:
            continue
        before = _before(one, windows)
        if before:
            sisters.setdefault((one.service, name), before)
        elif role_of(one.metric) is Role.ERRORS and role_of(name) in COUNTED:
            late.append((name, one))
    known = ((one, sisters.get((one.service, name), ())) for name, one in late)
    return [
        replace(one, times=(*zeros, *one.times), values=(*(0.0 for _ in zeros), *one.values))
        for one, zeros in known
        if zeros
    ]


def _before(one: Series, windows: Windows) -> tuple[float, ...]:
    """Times of the points that count as normal."""
    (start, end), (begun, over) = windows.normal, windows.abnormal
    return tuple(t for t in one.times if start <= t <= end and not begun <= t <= over)


def contrast(series: Series, windows: Windows, most: float = 0.0) -> Contrast | None:
    """One series, or None with too few finite points. `most`: the largest value of that metric at any service."""
    times, values = arrays(series)
    before = values[inside(times, windows.normal) & ~inside(times, windows.abnormal)]
    during = inside(times, windows.abnormal)
    after = values[during]
    if len(before) < MIN_POINTS or len(after) == 0:
        return None
    level = float(np.median(before))
    role = role_of(series.metric)
    most = max(most, float(before.max()), float(after.max()))
    least = least_scale(role, series.metric, level, most)
    scale = spread(before, level, least)
    if role in (Role.SATURATION, None) and scale <= max(
        least, FLAT
    ):  # it never moved: what it does now tells how it swings
        scale = max(scale, float(np.std(after)))
    tail = values[during & (times >= windows.abnormal[1] - TAIL_S)]
    mean = float(np.mean(after))
    share = is_ratio(series.metric) or (is_rate(series.metric) and most <= 1.0)
    counted = _counted(role, before, after, whole(most), share=share)
    scale = max(scale, abs(mean - level) / counted if counted > 0 else 0.0)
    chance, repeats = _chance(before, mean, len(after), down=role is Role.AVAILABILITY)
    if repeats == 0:
        chance = min(chance, _tail(before, abs(mean - level) / scale))
    return Contrast(
        service=series.service,
        metric=series.metric,
        role=role,
        before=level,
        scale=scale,
        after=mean,
        peak=float(after[np.argmax(np.abs(after - level))]),
        tail=float(np.mean(tail)) if len(tail) else mean,
        z=float((mean - level) / scale),
        points=(len(before), len(after)),
        most=most,
        counted=counted,
        chance=chance,
        repeats=repeats,
    )


def _counted(role: Role | None, before: np.ndarray, after: np.ndarray, most: float, *, share: bool) -> float:
    """Deviations by which counted failures became more; infinite for what is no error."""
    if role not in (Role.ERRORS, Role.AVAILABILITY):
        return math.inf
    down = role is Role.AVAILABILITY
    bad = [np.maximum(most - side, 0.0) if down else np.maximum(side, 0.0) for side in (before, after)]
    return significance(bad[0], bad[1], all_of_them=most if share or down else None)


def _chance(before: np.ndarray, mean: float, length: int, *, down: bool) -> tuple[float, int]:
    """How often the normal window itself shows such a mean over `length` points (sliding); nothing to slide means one."""
    length = min(length, max(1, len(before) // 2))
    sums = np.cumsum(np.insert(before, 0, 0.0))
    means = (sums[length:] - sums[:-length]) / length
    as_bad = means <= mean if down else means >= mean
    return float((1 + as_bad.sum()) / (1 + len(means))), int(as_bad.sum())


def _tail(before: np.ndarray, deviations: float) -> float:
    """Chance of one more point so many deviations off, where a short history never showed it and counting tells little.

    Upper tail of Student's t for a new observation beside `n`, by Wallace's normal approximation (Wallace 1959).
    """
    free = len(before) - 1
    t = deviations / math.sqrt(1 + 1 / len(before))
    z = (8 * free + 1) / (8 * free + 3) * math.sqrt(free * math.log1p(t * t / free))
    return 0.5 * math.erfc(z / math.sqrt(2))
