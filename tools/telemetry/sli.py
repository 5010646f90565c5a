"""Service level indicators from series, pure: what share of the last seconds was bad, and how fast the budget burns.

Every indicator becomes the same thing: per tick an amount of `bad` out of `total` (checks, requests or seconds).
Thresholds (latency, saturation, freshness) count the seconds on the wrong side.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, assert_never

from domain.bundle import Series
from domain.inventory import Criticality, HttpProbe, Inventory, Service
from domain.severity import Severity
from tools.telemetry import roles

Sli = Literal["availability", "latency_p95", "error_ratio", "saturation", "freshness", "process"]
SLI_FACT = "sli"
"""Name under which the collector keeps the rows of the SLI page."""
THRESHOLD_BUDGET = 0.05
"""Share of seconds that may lie beyond a threshold; the meaning of p95 applied to time."""
KEEP_S = 240.0
"""Seconds of recent points kept; the longest burn window fits."""
MIN_REQUESTS = 4.0
"""A ratio of fewer requests than this says nothing."""
_METRICS = frozenset(
    {
        roles.PROBE_UP,
        roles.PROCESS_UP,
        roles.REQUEST_RATE,
        roles.ERROR_RATE,
        roles.LATENCY_P95,
        roles.SATURATION,
        roles.DISK_USED,
        roles.FRESHNESS,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """One objective of one service; `implicit` ones follow from the inventory without being written there."""

    service: str
    name: str
    sli: Sli
    target: float
    window_s: float = 3600.0
    probes: tuple[str, ...] = ()
    implicit: bool = False
    severity: Severity = Severity.HIGH
    environment: str = ""

    @property
    def key(self) -> str:
        """Stable name across restarts."""
        return f"{self.service}/{self.sli}/{self.name}"

    @property
    def threshold(self) -> bool:
        """Whether `target` is a bound on a value and not a share of good events."""
        return self.sli in {"latency_p95", "saturation", "freshness"}

    @property
    def budget(self) -> float:
        """The share that may be bad."""
        return THRESHOLD_BUDGET if self.threshold else max(1e-6, 1.0 - self.target)


def objectives(inventory: Inventory) -> list[Objective]:
    """Everything worth an alert: written objectives, then a running process, then answering probes."""
    found: list[Objective] = []
    for service in inventory.services:
        probes = _probes(service)
        high = service.criticality is Criticality.HIGH
        for slo in service.slos:
            found.append(
                Objective(
                    service=service.name,
                    name=slo.name,
                    sli=slo.sli,
                    target=slo.target,
                    window_s=float(slo.window_s),
                    probes=probes if slo.sli == "availability" else (),
                    severity=_severity(slo.sli, high=high),
                    environment=service.environment.value,
                )
            )
        implicit: list[tuple[Sli, str]] = []
        if "process" in service.bindings:
            implicit.append(("process", "process runs"))
        if probes and not any(s.sli == "availability" for s in service.slos):
            implicit.append(("availability", "answers"))
        found += [
            Objective(
                service=service.name,
                name=name,
                sli=sli,
                target=0.99,
                probes=probes if sli == "availability" else (),
                implicit=True,
                severity=_severity(sli, high=high),
                environment=service.environment.value,
            )
            for sli, name in implicit
        ]
    return found


def _probes(service: Service) -> tuple[str, ...]:
    facing = tuple(p.name for p in service.probes if isinstance(p, HttpProbe) and p.user_facing)
    return facing or tuple(p.name for p in service.probes)


def _severity(sli: Sli, *, high: bool) -> Severity:
    match sli:
        case "availability" | "error_ratio":
            return Severity.CRITICAL if high else Severity.HIGH
        case "process":
            return Severity.HIGH
        case "latency_p95":
            return Severity.HIGH if high else Severity.WARNING
        case "saturation" | "freshness":
            return Severity.WARNING
        case _:
            assert_never(sli)


@dataclass(slots=True)
class Recent:
    """The last minutes of the points that indicators need, in memory."""

    keep_s: float = KEEP_S
    rows: dict[tuple[str, str], deque[tuple[float, float]]] = field(default_factory=dict)

    def add(self, t: float, service: str, values: Mapping[str, float]) -> None:
        """Points of one service at one tick."""
        for metric, value in values.items():
            if roles.plain(metric) not in _METRICS or (metric != roles.plain(metric) and "probe=" not in metric):
                continue
            row = self.rows.setdefault((service, metric), deque())
            row.append((t, value))
            while row and row[0][0] < t - self.keep_s:
                row.popleft()

    def load(self, series: Iterable[Series]) -> None:
        """Points read back from a store."""
        for one in series:
            for t, value in zip(one.times, one.values, strict=True):
                self.add(t, one.service, {one.metric: value})

    def values(self, service: str, metric: str, since: float) -> list[tuple[float, float]]:
        """Points of one series from `since` on."""
        found: list[tuple[float, float]] = []
        for point in reversed(self.rows.get((service, metric), ())):
            if point[0] < since:
                break
            found.append(point)
        found.reverse()
        return found


@dataclass(frozen=True, slots=True)
class Spent:
    """What happened in one tick."""

    t: float
    bad: float
    total: float


def spent(objective: Objective, recent: Recent, since: float) -> list[Spent]:
    """Bad and all, tick by tick, ascending."""
    service = objective.service
    match objective.sli:
        case "availability":
            names = [roles.named(roles.PROBE_UP, probe=probe) for probe in objective.probes]
            checks = [p for name in names for p in recent.values(service, name, since)]
            return _merged(Spent(t, 1.0 - up, 1.0) for t, up in checks)
        case "process":
            return [Spent(t, 1.0 - up, 1.0) for t, up in recent.values(service, roles.PROCESS_UP, since)]
        case "error_ratio":
            failed = dict(recent.values(service, roles.ERROR_RATE, since))
            return [
                Spent(t, failed.get(t, 0.0), rate)
                for t, rate in recent.values(service, roles.REQUEST_RATE, since)
                if rate > 0
            ]
        case "latency_p95" | "saturation" | "freshness":
            points = current_values(objective, recent, since)
            return _merged((Spent(t, float(v > objective.target), 1.0) for t, v in points), worst=True)
        case _:
            assert_never(objective.sli)


_VALUES = {
    "latency_p95": (roles.LATENCY_P95,),
    "saturation": (roles.SATURATION, roles.DISK_USED),
    "freshness": (roles.FRESHNESS,),
}


def current_values(objective: Objective, recent: Recent, since: float) -> list[tuple[float, float]]:
    """Values of a threshold objective, ascending by time."""
    metrics = _VALUES.get(objective.sli, ())
    return sorted(p for metric in metrics for p in recent.values(objective.service, metric, since))


def _merged(points: Iterable[Spent], *, worst: bool = False) -> list[Spent]:
    """One per tick: added up, or the worst of them."""
    by_tick: dict[float, Spent] = {}
    for point in points:
        known = by_tick.get(point.t)
        if known is None:
            by_tick[point.t] = point
        elif worst:
            by_tick[point.t] = max(known, point, key=lambda p: p.bad)
        else:
            by_tick[point.t] = Spent(point.t, known.bad + point.bad, known.total + point.total)
    return [by_tick[t] for t in sorted(by_tick)]


def share(objective: Objective, ticks: Iterable[Spent], since: float) -> float | None:
    """Bad share from `since` on, 0–1; None without (enough) data."""
    bad = total = 0.0
    for tick in ticks:
        if tick.t >= since:
            bad += tick.bad
            total += tick.total
    least = MIN_REQUESTS if objective.sli == "error_ratio" else 1.0
    return min(1.0, bad / total) if total >= least else None


def value(objective: Objective, recent: Recent, ticks: list[Spent], now: float) -> float | None:
    """The indicator as a person reads it: a share of good events, or the newest seconds or share in use."""
    if objective.threshold:
        points = current_values(objective, recent, now - 5.0)
        newest = [v for t, v in points if t == points[-1][0]]
        return max(newest) if newest else None
    bad = share(objective, ticks, now - 30.0)
    return None if bad is None else 1.0 - bad
