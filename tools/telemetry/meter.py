"""From what an endpoint exposes to what is worth keeping: rates, quantiles, ratios. Pure; one meter per endpoint.

Counters become per-second rates between two scrapes, safe over restarts (a lower value counts from zero). Histograms
become quantiles over a sliding window. The result of a scrape is a plain mapping metric → value; a metric that is
missing from it has nothing to say now.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from tools.telemetry import exposition, roles
from tools.telemetry.roles import Role, named

WINDOW_S = 5.0
"""Quantiles and ratios look back this far: long enough for a handful of requests, short enough to see an outage."""
_SUFFIXES = ("_bucket", "_sum", "_count")


@dataclass(slots=True)
class Histogram:
    """Cumulative buckets of one label set and their increments over the sliding window."""

    family: str
    labels: exposition.Labels
    served: bool
    now: dict[float, float] = field(default_factory=dict)
    before: dict[float, float] = field(default_factory=dict)
    recent: deque[tuple[float, dict[float, float]]] = field(default_factory=deque)

    def advance(self, t: float, *, known: bool) -> None:
        """Turn the counts just read into increments and forget those that left the window."""
        if self.before or known:
            reset = any(count < self.before.get(le, 0.0) for le, count in self.now.items())
            base = {} if reset else self.before
            self.recent.append((t, {le: count - base.get(le, 0.0) for le, count in self.now.items()}))
        self.before, self.now = self.now, {}
        while self.recent and self.recent[0][0] <= t - WINDOW_S:
            self.recent.popleft()

    def window(self) -> dict[float, float]:
        """Upper bound → cumulative observations in the window."""
        total: dict[float, float] = {}
        for _, increments in self.recent:
            for le, count in increments.items():
                total[le] = total.get(le, 0.0) + count
        return total


def quantile(q: float, buckets: Mapping[float, float]) -> float | None:
    """The q-quantile of cumulative buckets by linear interpolation, as Prometheus does; None without observations."""
    bounds = sorted(buckets)
    if not bounds or bounds[-1] != float("inf") or buckets[bounds[-1]] <= 0:
        return None
    rank = q * buckets[bounds[-1]]
    lower, below = 0.0, 0.0
    for bound in bounds:
        count = buckets[bound]
        if count >= rank:
            if bound == float("inf"):
                return lower
            return lower + (bound - lower) * ((rank - below) / (count - below) if count > below else 1.0)
        lower, below = bound, count
    return lower


@dataclass(slots=True)
class _Entry:
    """What one exposed series means."""

    metric: str
    counter: bool = False
    role: Role = Role.NONE
    route: str = ""
    status: str = ""
    scope: str = ""
    """Ties a pool's size to its use: the labels, and the name up to `pool`."""
    histogram: Histogram | None = None
    le: float = 0.0
    last: float | None = None


class Meter:
    """Remembers what is needed to turn the next scrape of one endpoint into points."""

    def __init__(self, overrides: Mapping[str, str] | None = None) -> None:
        self._overrides = dict(overrides or {})
        self._entries: dict[str, _Entry | None] = {}
        self._histograms: dict[tuple[str, exposition.Labels], Histogram] = {}
        self._requests: deque[tuple[float, dict[str, float], dict[str, float]]] = deque()
        self._at: float | None = None

    def forget(self) -> None:
        """The endpoint did not answer: windows are empty again, counters keep their base."""
        self._requests.clear()
        for histogram in self._histograms.values():
            histogram.recent.clear()

    def read(self, t: float, text: str) -> dict[str, float]:
        """Points of one scrape at epoch second `t`."""
        return self.feed(t, exposition.samples(text), lambda: exposition.types(text))

    def feed(
        self, t: float, samples: Iterable[tuple[str, float]], kinds: Callable[[], Mapping[str, str]]
    ) -> dict[str, float]:
        """The same for samples (`name{labels}`, value) that are read already; `kinds` is asked for new names only."""
        step = t - self._at if self._at is not None else 0.0
        if step < 0:
            step = 0.0
        known = self._at is not None
        self._at = t
        out: dict[str, float] = {}
        tick = _Tick(step=step)
        types: Mapping[str, str] | None = None
        entries = self._entries
        for key, value in samples:
            if key not in entries:
                types = kinds() if types is None else types
                entries[key] = self._entry(key, types)
            entry = entries[key]
            if entry is None or value != value:
                continue
            if entry.histogram is not None:
                entry.histogram.now[entry.le] = value
            elif entry.counter:
                self._count(entry, value, tick, out, known=known)
            else:
                _gauge(entry, value, t, tick, out)
        self._derive(t, tick, out, known=known)
        return out

    def _count(self, entry: _Entry, value: float, tick: _Tick, out: dict[str, float], *, known: bool) -> None:
        last = entry.last if entry.last is not None else (0.0 if known else None)
        entry.last = value
        if last is None or tick.step <= 0:
            return
        increment = value - last if value >= last else value
        if entry.role is Role.TRAFFIC:
            tick.add(entry, increment)
        else:
            if entry.role is Role.ERRORS:
                tick.errors += increment
            rate = increment / tick.step
            out[entry.metric] = out.get(entry.metric, 0.0) + rate

    def _derive(self, t: float, tick: _Tick, out: dict[str, float], *, known: bool) -> None:
        if tick.step > 0 and tick.seen:
            self._traffic(t, tick, out)
        if tick.pools_used:
            shares = [used / size for scope, used in tick.pools_used.items() if (size := tick.pools_size.get(scope))]
            if shares:
                out[roles.SATURATION] = max([out.get(roles.SATURATION, 0.0), *shares])
        for scope, total in tick.disk_total.items():
            if total > 0 and scope in tick.disk_free:
                share = 1.0 - tick.disk_free[scope] / total
                out[roles.DISK_USED] = max(share, out.get(roles.DISK_USED, 0.0))
        if tick.ages:
            out[roles.FRESHNESS] = max(tick.ages)
        self._quantiles(t, out, known=known)

    def _traffic(self, t: float, tick: _Tick, out: dict[str, float]) -> None:
        served, failed = dict(tick.by_route), dict(tick.failed)
        if tick.errors and not tick.by_status:
            failed[""] = tick.errors
        served[""] = tick.requests
        self._requests.append((t, served, failed))
        while self._requests and self._requests[0][0] <= t - WINDOW_S:
            self._requests.popleft()
        out[roles.REQUEST_RATE] = tick.requests / tick.step
        out[roles.ERROR_RATE] = failed.get("", 0.0) / tick.step
        for route, count in tick.by_route.items():
            out[named(roles.REQUEST_RATE, route=route)] = count / tick.step
        for status, count in tick.by_status.items():
            out[named(roles.REQUEST_RATE, status=status)] = count / tick.step
        for route in served:
            total = sum(s.get(route, 0.0) for _, s, _ in self._requests)
            if total > 0:
                bad = sum(f.get(route, 0.0) for _, _, f in self._requests)
                out[named(roles.ERROR_RATIO, **({"route": route} if route else {}))] = min(1.0, bad / total)

    def _quantiles(self, t: float, out: dict[str, float], *, known: bool) -> None:
        served: dict[str, dict[float, float]] = {}
        for histogram in self._histograms.values():
            if not histogram.now:
                continue
            histogram.advance(t, known=known)
            window = histogram.window()
            scale = 0.001 if histogram.family.endswith(("_ms", "_milliseconds")) else 1.0
            if histogram.served:
                route = roles.pick(histogram.labels, roles.ROUTE_LABELS)
                for group in {route} if roles.is_health_route(route) else {"", route}:
                    merged = served.setdefault(group, {})
                    for le, count in window.items():
                        merged[le * scale] = merged.get(le * scale, 0.0) + count
                continue
            for q, name in ((0.5, "p50"), (0.95, "p95")):
                value = quantile(q, window)
                if value is not None:
                    metric = f"{histogram.family}_{name}{exposition.label_text(histogram.labels)}"
                    out[metric] = value
        for route, buckets in served.items():
            for q, name in ((0.5, roles.LATENCY_P50), (0.95, roles.LATENCY_P95)):
                value = quantile(q, buckets)
                if value is not None:
                    out[named(name, **({"route": route} if route else {}))] = value

    def _entry(self, text: str, types: Mapping[str, str]) -> _Entry | None:
        key = exposition.series_key(text)
        if key is None:
            return None
        family = next(
            (key.name.removesuffix(s) for s in _SUFFIXES if key.name.endswith(s) and key.name.removesuffix(s) in types),
            key.name,
        )
        kind = types.get(family) or types.get(key.name) or types.get(key.name.removesuffix("_total"), "")
        role = roles.role_of(family, self._overrides)
        if role is Role.NOISE:
            return None
        if kind == "histogram" or (not kind and key.name.endswith("_bucket") and "le" in dict(key.labels)):
            return self._bucket(key, key.name.removesuffix("_bucket") if not kind else family, role)
        metric = key.name + exposition.label_text(key.labels)
        if kind == "counter" or (kind in {"", "unknown", "untyped"} and key.name.endswith("_total")):
            route, status = (roles.pick(key.labels, n) for n in (roles.ROUTE_LABELS, roles.STATUS_LABELS))
            role = roles.role_of(key.name, self._overrides)
            return _Entry(metric=metric, counter=True, role=role, route=route, status=status)
        if kind == "summary" and key.name.endswith(("_sum", "_count")):
            return _Entry(metric=metric, counter=True)
        scope = key.name.partition("pool")[0] if "pool" in key.name else ""
        scope += str(key.labels)
        return _Entry(metric=metric, role=role, scope=scope)

    def _bucket(self, key: exposition.SeriesKey, family: str, role: Role) -> _Entry | None:
        if not key.name.endswith("_bucket"):
            return None
        rest = tuple(pair for pair in key.labels if pair[0] != "le")
        try:
            le = float(dict(key.labels)["le"])
        except (KeyError, ValueError):
            return None
        served = role is Role.LATENCY
        histogram = self._histograms.setdefault((family, rest), Histogram(family, rest, served))
        return _Entry(metric=family, histogram=histogram, le=le)


@dataclass(slots=True)
class _Tick:
    """What one scrape adds up to."""

    step: float
    requests: float = 0.0
    errors: float = 0.0
    seen: bool = False
    by_route: dict[str, float] = field(default_factory=dict)
    by_status: dict[str, float] = field(default_factory=dict)
    failed: dict[str, float] = field(default_factory=dict)
    pools_used: dict[str, float] = field(default_factory=dict)
    pools_size: dict[str, float] = field(default_factory=dict)
    disk_total: dict[str, float] = field(default_factory=dict)
    disk_free: dict[str, float] = field(default_factory=dict)
    ages: list[float] = field(default_factory=list)

    def add(self, entry: _Entry, increment: float) -> None:
        """Count requests of one route and status."""
        self.seen = True
        watched = roles.is_health_route(entry.route)
        if not watched:
            self.requests += increment
        if entry.route:
            self.by_route[entry.route] = self.by_route.get(entry.route, 0.0) + increment
        if entry.status and not watched:
            self.by_status[entry.status] = self.by_status.get(entry.status, 0.0) + increment
        if roles.is_server_error(entry.status):
            for group in {entry.route} if watched else {"", entry.route}:
                self.failed[group] = self.failed.get(group, 0.0) + increment


def _gauge(entry: _Entry, value: float, t: float, tick: _Tick, out: dict[str, float]) -> None:
    out[entry.metric] = value
    match entry.role:
        case Role.POOL_USED:
            tick.pools_used[entry.scope] = max(value, tick.pools_used.get(entry.scope, 0.0))
        case Role.POOL_SIZE:
            tick.pools_size[entry.scope] = max(value, tick.pools_size.get(entry.scope, 0.0))
        case Role.DISK_TOTAL:
            tick.disk_total[entry.scope] = value
        case Role.DISK_FREE:
            tick.disk_free[entry.scope] = value
        case Role.SATURATION:
            out[roles.SATURATION] = max(value, out.get(roles.SATURATION, 0.0))
        case Role.TIMESTAMP if value > 1e9:
            tick.ages.append(max(0.0, t - value))
        case Role.AGE:
            tick.ages.append(max(0.0, value))
        case Role.LATENCY:
            out[roles.LATENCY_P95] = value
        case _:
            pass
