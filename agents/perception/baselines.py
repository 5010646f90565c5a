"""Simple methods that a diagnosis must beat, measured on the same cases in the same run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

import numpy as np

from agents.perception.contrast import MIN_POINTS, contrasts
from agents.perception.counters import levels
from agents.perception.facts import Facts
from agents.perception.points import arrays, inside
from domain.bundle import Bundle

FLAT = 1e-9
"""Standard deviation of what never moved."""


def baselines() -> dict[str, Callable[[Bundle], list[str]]]:
    """Simple methods by name, each from a bundle to a ranking of services."""
    return {
        "n-sigma": n_sigma,
        "robust scorer": robust_scorer,
        "two samples": two_samples,
        "correlation": correlation,
        "random walk": random_walk,
        "last change": last_change,
    }


def n_sigma(bundle: Bundle) -> list[str]:
    """Services by the largest shift of a mean, in standard deviations before the trouble (three-sigma rule without a limit).

    A series that never moved has no standard deviation and counts nothing. Already extracted alerts count one each.
    """
    worst: dict[str, float] = defaultdict(float)
    for service, before, after in _sides(bundle):
        usual = float(before.std())
        if usual > FLAT:
            worst[service] = max(worst[service], abs(float(after.mean() - before.mean())) / usual)
    for signal in bundle.signals:
        worst[signal.service] += 1.0
    return _ranked(bundle, worst)


def robust_scorer(bundle: Bundle) -> list[str]:
    """Services by their farthest point from the usual median in inter-quartile ranges (RobustScorer of BARO, Pham et al. 2024)."""
    worst: dict[str, float] = defaultdict(float)
    for service, before, after in _sides(bundle):
        low, middle, high = np.quantile(before, (0.25, 0.5, 0.75))
        worst[service] = max(worst[service], float(np.abs(after - middle).max() / max(high - low, 1e-9)))
    return _ranked(bundle, worst)


def two_samples(bundle: Bundle) -> list[str]:
    """Services by their largest Kolmogorov–Smirnov statistic, before against after (a test per metric, as in ε-diagnosis)."""
    worst: dict[str, float] = defaultdict(float)
    for service, before, after in _sides(bundle):
        points = np.concatenate([before, after])
        shares = [np.searchsorted(np.sort(side), points, side="right") / len(side) for side in (before, after)]
        size = np.sqrt(len(before) * len(after) / len(points))
        worst[service] = max(worst[service], float(np.abs(shares[0] - shares[1]).max() * size))
    return _ranked(bundle, worst)


def _sides(bundle: Bundle) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """(service, values before, values after) of every series with enough of both."""
    windows = Facts(bundle).windows
    for series in levels(bundle.series):
        times, values = arrays(series)
        during = inside(times, windows.abnormal)
        before, after = values[inside(times, windows.normal) & ~during], values[during]
        if len(before) >= MIN_POINTS and len(after):
            yield series.service, before, after


def correlation(bundle: Bundle) -> list[str]:
    """Services by how strongly the alerted metric of theirs moves together with that of the alerted service."""
    alert = bundle.alert
    wanted = alert.metric.lower() if alert else ""
    mine = [s for s in bundle.series if alert and s.service == alert.service]
    target = next((s for s in mine if wanted and wanted in s.metric.lower()), mine[0] if mine else None)
    if target is None:
        return n_sigma(bundle)
    known = dict(zip(target.times, target.values, strict=True))
    score: dict[str, float] = defaultdict(float)
    for series in bundle.series:
        if series.metric != target.metric or series.service == target.service:
            continue
        pairs = [(v, known[t]) for t, v in zip(series.times, series.values, strict=True) if t in known]
        a, b = np.asarray([p[0] for p in pairs]), np.asarray([p[1] for p in pairs])
        if len(pairs) >= 5 and a.std() > 0 and b.std() > 0:
            score[series.service] = max(score[series.service], abs(float(np.corrcoef(a, b)[0, 1])))
    score.setdefault(target.service, 0.0)
    return _ranked(bundle, score)


def random_walk(bundle: Bundle) -> list[str]:
    """Services by how often a walk from the alerted one, drawn to deviating callees, visits them (PageRank-like, 50 steps)."""
    weight: dict[str, float] = defaultdict(lambda: 0.1)
    for c in contrasts(bundle, Facts(bundle).windows):
        weight[c.service] = max(weight[c.service], min(abs(c.z), 50.0))
    facts = Facts(bundle)
    start = bundle.alert.service if bundle.alert else next(iter(facts.services), "")
    mass, visits = {start: 1.0}, defaultdict[str, float](float)
    for _ in range(50):
        moved: dict[str, float] = defaultdict(float)
        for service, m in mass.items():
            visits[service] += m
            steps = {s: weight[s] for s in (*facts.callees(service), service)}
            total = sum(steps.values())
            for step, w in steps.items():
                moved[step] += 0.85 * m * w / total
        moved[start] += 0.15
        mass = moved
    return _ranked(bundle, visits)


def last_change(bundle: Bundle) -> list[str]:
    """The service of the newest deploy before the onset."""
    onset = Facts(bundle).windows.onset + 60
    deploys = [c for c in bundle.changes if c.service and c.time.timestamp() <= onset]
    return list(dict.fromkeys(c.service for c in sorted(deploys, key=lambda c: c.time, reverse=True)))


def _ranked(bundle: Bundle, score: dict[str, float]) -> list[str]:
    allowed = set(bundle.services) or set(score)
    return sorted((s for s in score if s in allowed), key=lambda s: (-score[s], s))
