"""Labelled cases made different in one way each: a source dropped, names changed, units rescaled, time moved, noise added.

Every perturbation keeps the truth (renamed where names change), so accuracy before and after tells how brittle an engine is.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace

from agents.perception.evaluate import Truth
from agents.perception.quiet import between
from agents.perception.roles import Role, is_ratio, role_of
from agents.perception.windows import find_windows
from benchmarks.diagnosis.distort import DISTORTIONS
from domain.bundle import Bundle, Series

Labelled = tuple[Bundle, Truth]
Perturbation = Callable[[Bundle, Truth, random.Random], Labelled]

_STATISTIC = re.compile(r"\|(average|avg|mean|p\d+|sum|max\w*|min\w*)$|(p9\d|p50)", re.I)
_SPELLINGS: dict[str, dict[Role, str]] = {
    "prometheus": {
        Role.LATENCY: "http_request_duration_seconds",
        Role.ERRORS: "http_requests_errors_ratio",
        Role.AVAILABILITY: "http_request_success_ratio",
        Role.TRAFFIC: "http_requests_per_second",
    },
    "otel": {
        Role.LATENCY: "http.server.request.duration",
        Role.ERRORS: "http.server.error.rate",
        Role.AVAILABILITY: "service.availability",
        Role.TRAFFIC: "http.server.request.count",
    },
    "datadog": {
        Role.LATENCY: "trace.servlet.request.duration.by.service",
        Role.ERRORS: "trace.servlet.request.errors.percent",
        Role.AVAILABILITY: "trace.servlet.request.success.rate",
        Role.TRAFFIC: "trace.servlet.request.hits",
    },
    "cloudwatch": {
        Role.LATENCY: "TargetResponseTime",
        Role.ERRORS: "5XXErrorRate",
        Role.AVAILABILITY: "SuccessRate",
        Role.TRAFFIC: "RequestCount",
    },
}


def no_metrics(bundle: Bundle, truth: Truth, _: random.Random) -> Labelled:
    """Without metrics."""
    return replace(bundle, series=()), truth


def no_logs(bundle: Bundle, truth: Truth, _: random.Random) -> Labelled:
    """Without logs."""
    return replace(bundle, logs=()), truth


def no_spans(bundle: Bundle, truth: Truth, _: random.Random) -> Labelled:
    """Without spans."""
    return replace(bundle, spans=()), truth


def metrics_only(bundle: Bundle, truth: Truth, _: random.Random) -> Labelled:
    """Metrics (and alerts about them) and the graph, nothing else."""
    told = tuple(s for s in bundle.signals if s.kind == "metric")
    return replace(bundle, logs=(), spans=(), signals=told, readings=(), platform=()), truth


def blind_culprit(bundle: Bundle, truth: Truth, _: random.Random) -> Labelled:
    """No metric of the culprit."""
    return replace(bundle, series=tuple(s for s in bundle.series if s.service not in truth.services)), truth


def blind_bystander(bundle: Bundle, truth: Truth, rng: random.Random) -> Labelled:
    """No metric of one service that did nothing."""
    innocent = sorted({s.service for s in bundle.series} - set(truth.services))
    gone = rng.choice(innocent) if innocent else ""
    return replace(bundle, series=tuple(s for s in bundle.series if s.service != gone)), truth


def no_topology(bundle: Bundle, truth: Truth, _: random.Random) -> Labelled:
    """Without the call graph."""
    return replace(bundle, edges=(), nodes=()), truth


def no_alert(bundle: Bundle, truth: Truth, _: random.Random) -> Labelled:
    """Nobody says who suffers."""
    return replace(bundle, alert=None), truth


def null_windows(bundle: Bundle, truth: Truth, _: random.Random) -> Labelled:
    """Only the onset is known; the time in which nothing is known is cut out where both windows are far apart."""
    closed = _adjacent(bundle)
    return replace(closed, onset=closed.abnormal[0] if closed.abnormal else None, normal=None, abnormal=None), truth


def null_onset(bundle: Bundle, truth: Truth, _: random.Random) -> Labelled:
    """Neither windows nor onset: both are to be found in the data."""
    return replace(_adjacent(bundle), onset=None, normal=None, abnormal=None), truth


def renamed(bundle: Bundle, truth: Truth, rng: random.Random) -> Labelled:
    """Every service by another name, in structured fields."""
    words = ["acorn", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "inlet", "jetty", "knoll", "larch"]
    names: dict[str, str] = {}
    for service in sorted(_names(bundle)):
        names[service] = f"{rng.choice(words)}-{len(names)}"
    new = names.get
    alert = bundle.alert and replace(bundle.alert, service=new(bundle.alert.service, bundle.alert.service))
    changed = replace(
        bundle,
        alert=alert,
        services=tuple(names[s] for s in bundle.services),
        edges=tuple(replace(e, caller=names[e.caller], callee=names[e.callee]) for e in bundle.edges),
        nodes=tuple(replace(n, name=names[n.name]) for n in bundle.nodes),
        series=tuple(replace(s, service=names[s.service]) for s in bundle.series),
        logs=tuple(replace(x, service=names[x.service]) for x in bundle.logs),
        spans=tuple(replace(x, service=names[x.service]) for x in bundle.spans),
        signals=tuple(
            replace(
                x,
                service=new(x.service, x.service),
                peer=new(x.peer, x.peer),
                name=x.name.replace(x.service, new(x.service, x.service)) if x.service else x.name,
            )
            for x in bundle.signals
        ),
        changes=tuple(c.model_copy(update={"service": new(c.service, c.service)}) for c in bundle.changes),
    )
    return changed, replace(truth, services=tuple(names.get(s, s) for s in truth.services))


def spelled(convention: str) -> Perturbation:
    """Metrics of requests by another convention's names, their statistic kept as a suffix."""
    table = _SPELLINGS[convention]

    def respell(bundle: Bundle, truth: Truth, _: random.Random) -> Labelled:
        return replace(bundle, series=tuple(replace(s, metric=_respelt(s.metric, table)) for s in bundle.series)), truth

    return respell


def _respelt(metric: str, table: dict[Role, str]) -> str:
    role = role_of(metric)
    client = "_client" if "client" in metric.lower() else ""
    if role is None or role not in table or "bytes" in metric.lower() or (role is Role.ERRORS and not is_ratio(metric)):
        return metric
    found = _STATISTIC.search(metric)
    statistic = (found.group(1) or found.group(2)).lower() if found else ""
    return f"{table[role]}{client}" + (f".{statistic}" if statistic else "")


def in_milliseconds(bundle: Bundle, truth: Truth, _: random.Random) -> Labelled:
    """Latencies a thousand times larger, and named so."""
    return _scaled(bundle, Role.LATENCY, 1000.0), truth


def in_microseconds(bundle: Bundle, truth: Truth, _: random.Random) -> Labelled:
    """Latencies a million times larger."""
    return _scaled(bundle, Role.LATENCY, 1e6), truth


def as_ratios(bundle: Bundle, truth: Truth, _: random.Random) -> Labelled:
    """Percentages as shares of one."""
    series = tuple(
        replace(s, values=tuple(v / 100 for v in s.values))
        if is_ratio(s.metric) and max(map(abs, s.values), default=0) > 1.5
        else s
        for s in bundle.series
    )
    return replace(bundle, series=series), truth


def shifted(bundle: Bundle, truth: Truth, rng: random.Random) -> Labelled:
    """Everything by the same number of seconds later; metrics jitter by a fifth of their step."""
    by = 7_654_321.0
    series = []
    for s in bundle.series:
        step = min((b - a for a, b in zip(s.times, s.times[1:], strict=False) if b > a), default=0.0)
        series.append(replace(s, times=tuple(t + by + rng.uniform(-0.2, 0.2) * step for t in s.times)))
    return _later(replace(bundle, series=tuple(series)), by), truth


def sparse(bundle: Bundle, truth: Truth, _: random.Random) -> Labelled:
    """Every second point of the metrics."""
    return replace(
        bundle, series=tuple(replace(s, times=s.times[::2], values=s.values[::2]) for s in bundle.series)
    ), truth


def lossy(bundle: Bundle, truth: Truth, rng: random.Random) -> Labelled:
    """A third of points, lines and spans lost at random."""
    series = []
    for s in bundle.series:
        kept = [i for i in range(len(s.times)) if rng.random() > 0.33]
        series.append(replace(s, times=tuple(s.times[i] for i in kept), values=tuple(s.values[i] for i in kept)))
    return replace(
        bundle,
        series=tuple(series),
        logs=tuple(x for x in bundle.logs if rng.random() > 0.33),
        spans=tuple(x for x in bundle.spans if rng.random() > 0.33),
        signals=tuple(x for x in bundle.signals if rng.random() > 0.33),
    ), truth


def noisy(bundle: Bundle, truth: Truth, rng: random.Random) -> Labelled:
    """Unrelated restless series for every service: random walks and lonely spikes."""
    added = []
    for service in sorted({s.service for s in bundle.series}):
        times = next(s.times for s in bundle.series if s.service == service)
        for name, spiky in (("garbage_collections", True), ("queue_backlog", False)):
            level, values = 10.0, []
            for _ in times:
                level = max(0.0, level + rng.gauss(0, 0.5))
                values.append(level * (rng.choice([1, 1, 1, 1, 1, 6]) if spiky else 1))
            added.append(Series(service=service, metric=name, times=times, values=tuple(values)))
    return replace(bundle, series=(*bundle.series, *added)), truth


def loud_neighbour(bundle: Bundle, truth: Truth, rng: random.Random) -> Labelled:
    """An innocent service computes much (cpu) while the trouble lasts; its requests are as before."""
    services = sorted({s.service for s in bundle.series} - set(truth.services))
    if not services:
        return bundle, truth
    window = find_windows(bundle).abnormal
    added = []
    for service in rng.sample(services, min(2, len(services))):
        times = max((s.times for s in bundle.series if s.service == service), key=len)
        values = tuple(rng.gauss(0.85 if window[0] <= t <= window[1] else 0.1, 0.02) for t in times)
        added.append(Series(service=service, metric="batch_cpu_usage_ratio", times=times, values=values))
    return replace(bundle, series=(*bundle.series, *added)), truth


def short_windows(bundle: Bundle, truth: Truth, _: random.Random) -> Labelled:
    """A quarter of the normal time, the first half of the trouble."""
    w = find_windows(bundle)
    normal = (w.normal[1] - (w.normal[1] - w.normal[0]) / 4, w.normal[1])
    abnormal = (w.abnormal[0], (w.abnormal[0] + w.abnormal[1]) / 2)
    return between(replace(bundle, normal=normal, abnormal=abnormal), [normal, abnormal]), truth


def swapped(bundle: Bundle, truth: Truth, _: random.Random) -> Labelled:
    """The normal time directly before the trouble instead of after it, or the other way round."""
    return _adjacent(
        bundle, after=bool(bundle.normal and bundle.abnormal and bundle.normal[0] < bundle.abnormal[0])
    ), truth


PERTURBATIONS: dict[str, Perturbation] = {
    "as given": lambda bundle, truth, _: (bundle, truth),
    "no metrics": no_metrics,
    "no logs": no_logs,
    "no spans": no_spans,
    "metrics only": metrics_only,
    "no culprit metrics": blind_culprit,
    "no bystander metrics": blind_bystander,
    "no topology": no_topology,
    "no alert": no_alert,
    "no windows": null_windows,
    "no onset": null_onset,
    "renamed": renamed,
    **{f"{name} names": spelled(name) for name in _SPELLINGS},
    "milliseconds": in_milliseconds,
    "microseconds": in_microseconds,
    "ratios": as_ratios,
    "shifted": shifted,
    "sparse": sparse,
    "lossy": lossy,
    "noise": noisy,
    "loud neighbour": loud_neighbour,
    "short windows": short_windows,
    "order swapped": swapped,
    **DISTORTIONS,
}


def _names(bundle: Bundle) -> set[str]:
    named = {s.service for part in (bundle.series, bundle.logs, bundle.spans) for s in part} | set(bundle.services)
    named |= {n for e in bundle.edges for n in (e.caller, e.callee)} | {n.name for n in bundle.nodes}
    return named


def _scaled(bundle: Bundle, role: Role, factor: float) -> Bundle:
    return replace(
        bundle,
        series=tuple(
            replace(
                s,
                metric=s.metric.replace("(s)", "").replace("_seconds", ""),
                values=tuple(v * factor for v in s.values),
            )
            if role_of(s.metric) is role
            else s
            for s in bundle.series
        ),
    )


def _later(bundle: Bundle, by: float) -> Bundle:
    """Times of everything but metrics, later."""

    def pair(window: tuple[float, float] | None) -> tuple[float, float] | None:
        return window and (window[0] + by, window[1] + by)

    started = bundle.alert.started_at if bundle.alert else None
    return replace(
        bundle,
        onset=None if bundle.onset is None else bundle.onset + by,
        normal=pair(bundle.normal),
        abnormal=pair(bundle.abnormal),
        alert=bundle.alert and replace(bundle.alert, started_at=None if started is None else started + by),
        logs=tuple(replace(x, time=x.time + by) for x in bundle.logs),
        spans=tuple(replace(x, start=x.start + by) for x in bundle.spans),
        changes=tuple(
            c.model_copy(update={"time": c.time.fromtimestamp(c.time.timestamp() + by, c.time.tzinfo)})
            for c in bundle.changes
        ),
    )


def _adjacent(bundle: Bundle, after: bool = False) -> Bundle:
    """The normal time moved (metrics, lines and spans in it) so that it ends where the trouble begins, or begins where it ends."""
    if bundle.normal is None or bundle.abnormal is None:
        return bundle
    normal, abnormal = bundle.normal, bundle.abnormal
    start = min(abnormal[0], bundle.onset if bundle.onset is not None else abnormal[0])
    by = (abnormal[1] + 120.0 - normal[0]) if after else (start - 120.0 - normal[1])

    def moved(t: float) -> float:
        return t + by if _nearer(t, normal, abnormal) else t

    series = []
    for s in bundle.series:
        points = sorted((moved(t), v) for t, v in zip(s.times, s.values, strict=True))
        series.append(replace(s, times=tuple(p[0] for p in points), values=tuple(p[1] for p in points)))
    return replace(
        bundle,
        normal=(normal[0] + by, normal[1] + by),
        series=tuple(series),
        logs=tuple(replace(x, time=moved(x.time)) for x in bundle.logs),
        spans=tuple(replace(x, start=moved(x.start)) for x in bundle.spans),
    )


def _nearer(t: float, normal: tuple[float, float], abnormal: tuple[float, float]) -> bool:
    """Does `t` belong to the normal window rather than to the other one?"""
    gap = [max(a - t, t - b, 0.0) for a, b in (normal, abnormal)]
    return gap[0] <= gap[1]
