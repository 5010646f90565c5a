"""Which series tell the story of an incident, and their figures before, at worst and after. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from domain.bundle import Series
from domain.incident import Incident
from domain.value import Value
from tools.telemetry import roles
from web import words

LEAD_S = 90.0
"""Seconds of normal life shown before the onset."""
TAIL_S = 60.0
"""Seconds shown after the end."""
MAX_PLOTS = 6
MAX_POINTS = 400
"""Per plot; more is thinned evenly, a screen shows no more."""


NOTICEABLE = 3.0
"""Spreads of normal life by which a series must move to be drawn."""
_PLAIN = frozenset(
    {
        roles.PROBE_UP,
        roles.REQUEST_RATE,
        roles.ERROR_RATIO,
        roles.LATENCY_P95,
        roles.SATURATION,
        roles.FRESHNESS,
        roles.DISK_USED,
        roles.PROCESS_UP,
    }
)
"""Series that mean the same on every service; drawn before those that only their owner can read."""


class Plot(Value):
    """One series with its three figures. `unit` is `s`, `ms`, `ratio` or empty."""

    service: str
    metric: str
    unit: str = ""
    times: list[float]
    values: list[float | None]
    before: float | None
    worst: float | None
    after: float | None


class Plots(Value):
    """What a page draws: onset and fix as epoch seconds, the most telling series first."""

    schema_version: str = "1"
    onset: float | None = None
    fixed: float | None = None
    series: list[Plot] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The stretch of time that an incident's plots cover; epoch seconds."""

    start: float
    onset: float
    fixed: float | None
    end: float


def span(incident: Incident, now: float) -> Span:
    """From before the first alert's start to after the end, or to now."""
    starts = [a.started_at or a.received_at for a in incident.alerts]
    onset = min([incident.opened_at, *starts]).timestamp()
    fixed = next((v.at for v in incident.verifications if v.passed), None)
    end = (incident.closed_at.timestamp() + TAIL_S) if incident.closed_at else now
    return Span(start=onset - LEAD_S, onset=onset, fixed=fixed.timestamp() if fixed else None, end=min(end, now))


def services(incident: Incident) -> list[str]:
    """Whose series matter: the suspects' and the one the alert named, in this order."""
    names = [h.service for h in incident.diagnosis.hypotheses[:2]] if incident.diagnosis else []
    names += incident.diagnosis.blast_radius.services if incident.diagnosis else []
    return list(dict.fromkeys([*names, incident.service, *(a.service for a in incident.alerts)]))


def tell(series: Iterable[Series], when: Span) -> list[Plot]:
    """The series that changed most between before and during, as plots, strongest first."""
    scored = [(change(s, when), s) for s in series if len(s.times) >= 4]
    moved = (x for x in scored if x[0] >= NOTICEABLE)
    strongest = sorted(moved, key=lambda x: (x[1].metric not in _PLAIN, -x[0], x[1].service, x[1].metric))
    return [plot(s, when) for _, s in strongest[:MAX_PLOTS]]


def change(series: Series, when: Span) -> float:
    """How far the middle of the incident lies from normal life, in units of normal life's own spread; 0 without data."""
    before = _between(series, when.start, when.onset - 5)
    during = _between(series, when.onset, when.fixed or when.end)
    if len(before) < 2 or len(during) < 2:
        return 0.0
    middle = statistics.median(before)
    spread = statistics.median(abs(v - middle) for v in before)
    scale = max(spread, abs(middle) * 0.05, 1e-6)
    return min(max(abs(v - middle) for v in during) / scale, 1e6)


def with_gaps(times: Sequence[float], values: Sequence[float | None]) -> tuple[list[float], list[float | None]]:
    """The points with a hole wherever nothing was measured for much longer than usual: no line is drawn across it."""
    pauses = [b - a for a, b in pairwise(times)]
    longest = max(5.0, 4 * statistics.median(pauses)) if pauses else 0.0
    out_times, out_values = list(times[:1]), list(values[:1])
    for pause, time, value in zip(pauses, times[1:], values[1:], strict=True):
        if pause > longest:
            out_times.append(time - pause / 2)
            out_values.append(None)
        out_times.append(time)
        out_values.append(value)
    return out_times, out_values


def plot(series: Series, when: Span) -> Plot:
    """One series with its figures, thinned to what a screen shows."""
    before = _between(series, when.start, when.onset - 5)
    during = _between(series, when.onset, when.fixed or when.end)
    after = _between(series, when.fixed or max(when.onset, when.end - 10), when.end)
    normal = statistics.median(before) if before else None
    worst = max(during, key=lambda v: abs(v - (normal or 0.0)), default=None)
    step = max(1, len(series.times) // MAX_POINTS)
    times, values = with_gaps(series.times[::step], series.values[::step])
    return Plot(
        service=series.service,
        metric=words.metric(series.metric),
        unit=unit(series.metric),
        times=times,
        values=values,
        before=normal,
        worst=worst,
        after=statistics.median(after) if after else None,
    )


def unit(metric: str) -> str:
    """The unit that a metric's name promises: seconds, a ratio, or none."""
    name = metric.lower().partition("{")[0]
    if name.endswith("_ms"):
        return "ms"
    if "ratio" in name or "availability" in name or "saturation" in name:
        return "ratio"
    return "s" if name.endswith(("_seconds", "_s", "p95", "p99", "p50", "latency")) else ""


def _between(series: Series, start: float, end: float) -> Sequence[float]:
    return [v for t, v in zip(series.times, series.values, strict=True) if start <= t <= end]
