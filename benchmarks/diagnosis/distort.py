"""More ways in which the same incident may look: clocks, sampling, duplicates, other names and units, growth, decoys.

Each keeps the truth, as `perturb` does; here are those that add to a case or move its sources against each other.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from agents.perception.evaluate import Truth
from agents.perception.quiet import between
from agents.perception.roles import Role, is_requests, role_of
from agents.perception.windows import find_windows
from domain.alert import Change
from domain.bundle import Bundle, Series

Labelled = tuple[Bundle, Truth]
SKEW_S = 40.0
SAMPLED = 0.3
GROWTH = 1.6
FEW = (6, 2)
"""Points of metrics kept before and during the trouble."""
_UNIT = re.compile(r"\((s|ms)\)|_(milli)?seconds|_ms\b", re.I)


def skewed(bundle: Bundle, truth: Truth, rng: random.Random) -> Labelled:
    """Logs and spans by other clocks than metrics: up to SKEW_S early or late, each source by its own."""
    logs, spans = rng.uniform(-SKEW_S, SKEW_S), rng.uniform(-SKEW_S, SKEW_S)
    return replace(
        bundle,
        logs=tuple(replace(x, time=x.time + logs) for x in bundle.logs),
        spans=tuple(replace(x, start=x.start + spans) for x in bundle.spans),
    ), truth


def sampled(bundle: Bundle, truth: Truth, rng: random.Random) -> Labelled:
    """Three traces in ten kept, whole, with their lines."""
    traces = sorted({s.trace_id for s in bundle.spans} | {x.trace_id for x in bundle.logs if x.trace_id})
    kept = {t for t in traces if rng.random() < SAMPLED}
    return replace(
        bundle,
        logs=tuple(x for x in bundle.logs if not x.trace_id or x.trace_id in kept),
        spans=tuple(x for x in bundle.spans if x.trace_id in kept),
    ), truth


def twice(bundle: Bundle, truth: Truth, rng: random.Random) -> Labelled:
    """Everything two times and out of order."""

    def doubled(s: Series) -> Series:
        points = [*zip(s.times, s.values, strict=True)] * 2
        rng.shuffle(points)
        return replace(s, times=tuple(p[0] for p in points), values=tuple(p[1] for p in points))

    logs, spans = [*bundle.logs, *bundle.logs], [*bundle.spans, *bundle.spans]
    rng.shuffle(logs)
    rng.shuffle(spans)
    return replace(bundle, series=tuple(map(doubled, bundle.series)), logs=tuple(logs), spans=tuple(spans)), truth


def prefixed(bundle: Bundle, truth: Truth, _: random.Random) -> Labelled:
    """Metrics under a company's own prefix and suffix."""
    return replace(bundle, series=tuple(replace(s, metric=f"acme.prod.{s.metric}.value") for s in bundle.series)), truth


def opaque(bundle: Bundle, truth: Truth, _: random.Random) -> Labelled:
    """Resources under names that tell nothing; how a service serves is still named."""
    known = {Role.LATENCY, Role.ERRORS, Role.AVAILABILITY, Role.TRAFFIC}
    names = sorted({s.metric for s in bundle.series if role_of(s.metric) not in known})
    new = {name: f"m{i:03d}" for i, name in enumerate(names)}
    return replace(bundle, series=tuple(replace(s, metric=new.get(s.metric, s.metric)) for s in bundle.series)), truth


def in_nanoseconds(bundle: Bundle, truth: Truth, _: random.Random) -> Labelled:
    """Latencies a thousand million times larger, with no unit in the name."""
    series = tuple(
        replace(s, metric=_UNIT.sub("", s.metric), values=tuple(v * 1e9 for v in s.values))
        if role_of(s.metric) is Role.LATENCY and role_of(_UNIT.sub("", s.metric)) is Role.LATENCY
        else s
        for s in bundle.series
    )
    return replace(bundle, series=series), truth


def busier(bundle: Bundle, truth: Truth, _: random.Random) -> Labelled:
    """Requests grow by GROWTH everywhere while the trouble lasts."""
    start, end = find_windows(bundle).abnormal
    series = tuple(
        replace(s, values=tuple(v * GROWTH if start <= t <= end else v for t, v in zip(s.times, s.values, strict=True)))
        if role_of(s.metric) is Role.TRAFFIC and is_requests(s.metric)
        else s
        for s in bundle.series
    )
    return replace(bundle, series=series), truth


def decoys(bundle: Bundle, truth: Truth, rng: random.Random) -> Labelled:
    """Deploys and settings of innocent services shortly before the onset."""
    services = sorted(set(bundle.services) - set(truth.services))
    onset = find_windows(bundle).onset
    chosen = rng.sample(services, min(3, len(services)))
    added = []
    for kind, service in zip(("deploy", "config", "deploy"), chosen, strict=False):
        at = datetime.fromtimestamp(onset - rng.uniform(30, 600), UTC)
        added.append(
            Change(time=at, kind=kind, id=f"decoy-{service}", service=service, version="v2", summary="routine update")
        )
    return replace(bundle, changes=(*bundle.changes, *added)), truth


def few(bundle: Bundle, truth: Truth, _: random.Random) -> Labelled:
    """Hardly any history: the last points before the trouble and the first from its onset on."""
    w = find_windows(bundle)
    times = sorted({t for s in bundle.series for t in s.times})
    before = [t for t in times if w.normal[0] <= t <= w.normal[1]][-FEW[0] :]
    during = [t for t in times if max(w.onset, w.abnormal[0]) <= t <= w.abnormal[1]][: FEW[1]]
    if not before or not during:
        return bundle, truth
    normal, abnormal = (before[0], before[-1]), (during[0], during[-1])
    return between(replace(bundle, normal=normal, abnormal=abnormal), [normal, abnormal]), truth


DISTORTIONS: dict[str, Callable[[Bundle, Truth, random.Random], Labelled]] = {
    "clock skew": skewed,
    "traces sampled": sampled,
    "twice, out of order": twice,
    "own prefix": prefixed,
    "opaque resources": opaque,
    "nanoseconds": in_nanoseconds,
    "busier": busier,
    "decoy changes": decoys,
    "few points": few,
}
