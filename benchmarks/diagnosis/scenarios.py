"""Synthesised incidents on random call graphs: ground truth by construction, for several kinds of faults and amounts of traffic.

A request enters at the top and calls down the graph; a service's latency is its own time plus that of its callees, its failures are
its own plus those of callees that it does not tolerate. Sampling noise shrinks with the square root of requests per step.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from agents.perception.evaluate import Truth
from domain.bundle import AlertHint, Bundle, Edge, LogLine, Node, Series, Span

KINDS = ("delay", "errors", "cpu", "database", "crash", "retry_storm", "leak", "healthy", "surge")
START = 1_700_000_000.0
_NAMES = [
    "atlas", "bolt", "comet", "drift", "eagle", "flint", "glade", "haven", "iris", "jade", "kite", "lotus", "maple", "nova", "onyx",
    "pearl", "quill", "raven", "sable", "thorn",
]  # fmt: skip
_STYLES: tuple[dict[str, str], ...] = (
    {"mean": "http_request_duration_seconds_mean", "p95": "http_request_duration_seconds_p95", "rate": "http_requests_per_second",
     "errors": "http_error_ratio", "cpu": "process_cpu_usage_ratio", "memory": "process_resident_memory_bytes", "ms": ""},
    {"mean": "http.server.request.duration.avg", "p95": "http.server.request.duration.p95", "rate": "http.server.request.rate",
     "errors": "http.server.error.rate", "cpu": "container.cpu.utilization", "memory": "container.memory.usage", "ms": "yes"},
    {"mean": "TargetResponseTime", "p95": "TargetResponseTime|p95", "rate": "RequestCount", "errors": "HTTPCode_5XX_Rate",
     "cpu": "CPUUtilization", "memory": "MemoryUtilization", "ms": ""},
    {"mean": "latency_avg_ms", "p95": "latency_p95_ms", "rate": "rps", "errors": "", "success": "success_rate", "cpu": "cpu_pct",
     "memory": "mem_mb", "ms": "yes"},
)  # fmt: skip


@dataclass(kw_only=True)
class System:
    """A random system: services from the top down, who calls whom and how often per request, usual own times in seconds."""

    services: list[str]
    calls: dict[str, list[tuple[str, float]]]
    own: dict[str, float]
    kinds: dict[str, str]
    rps: float
    extra: dict[str, float] = field(default_factory=dict[str, float])
    failing: dict[str, float] = field(default_factory=dict[str, float])
    gone: set[str] = field(default_factory=set[str])
    load: dict[str, float] = field(default_factory=dict[str, float])
    retries: dict[str, float] = field(default_factory=dict[str, float])

    def latencies(self) -> dict[str, float]:
        """Mean seconds that a call to each service takes, from the bottom up."""
        found: dict[str, float] = {}
        for service in reversed(self.services):
            below = sum(n * min(found[c], 10.0) for c, n in self.calls[service] if c not in self.gone)
            found[service] = self.own[service] + self.extra.get(service, 0.0) + below
        return found

    def failures(self) -> dict[str, float]:
        """Share of calls to each service that fail, from the bottom up."""
        found: dict[str, float] = {}
        for service in reversed(self.services):
            well = 1 - self.failing.get(service, 0.001)
            for callee, n in self.calls[service]:
                well *= 1 - min(1.0, n) * found[callee] * 0.9
            found[service] = 1.0 if service in self.gone else 1 - well
        return found

    def rates(self) -> dict[str, float]:
        """Requests per second of every service."""
        found = {self.services[0]: self.rps}
        for service in self.services:
            for callee, n in self.calls[service]:
                more = found.get(service, 0.0) * n * self.retries.get(callee, 1.0)
                found[callee] = found.get(callee, 0.0) + more
        return found


def scenarios(count: int = 90, seed: int = 11) -> Iterator[tuple[Bundle, Truth]]:
    """`count` labelled bundles; kinds take turns."""
    for number in range(count):
        yield scenario(KINDS[number % len(KINDS)], random.Random(seed * 1000 + number), f"synthetic-{number:03d}")


def scenario(kind: str, rng: random.Random, name: str) -> tuple[Bundle, Truth]:
    """One labelled bundle."""
    system = _system(rng)
    step = rng.choice((10.0, 15.0, 30.0, 60.0))
    before, during = rng.randint(30, 120), rng.randint(8, 30)
    culprit = _culprit(system, kind, rng)
    style = rng.choice(_STYLES)
    onset = START + before * step
    series: dict[tuple[str, str], list[tuple[float, float]]] = {}
    wave = rng.choice((0.0, 0.0, 0.2, 0.4))
    usual = system.rps
    for i in range(before + during):
        if i == before:
            _break(system, kind, culprit, rng)
        if kind == "leak" and i >= before:
            system.extra[culprit] = system.own[culprit] * 0.6 * (i - before + 1)
        surge = 3.0 if kind == "surge" and i >= before else 1.0
        system.rps = usual * surge * (1 + wave * math.sin(i / 15))
        _observe(system, style, START + i * step, step, rng, series)
    end = START + (before + during) * step
    top = system.services[0]
    told = "latency" if kind in ("delay", "cpu", "database", "leak") else "errors"
    with_traces = rng.random() < 0.4
    bundle = Bundle(
        id=name, title=f"{top} {told}", system="synthetic",
        alert=AlertHint(service=top, metric=told),
        onset=onset, normal=(START, onset - step), abnormal=(onset, end),
        services=tuple(system.services),
        edges=tuple(Edge(caller=a, callee=b) for a in system.services for b, _ in system.calls[a]),
        nodes=tuple(Node(name=s, kind=system.kinds[s]) for s in system.services),
        series=tuple(
            Series(service=s, metric=m, times=tuple(p[0] for p in points), values=tuple(p[1] for p in points))
            for (s, m), points in series.items()
        ),
        spans=tuple(_spans(system, usual, START, onset, end, culprit, kind, rng)) if with_traces else (),
        logs=tuple(_logs(system, culprit, kind, START, onset, end, rng)) if rng.random() < 0.4 else (),
    )  # fmt: skip
    if kind in ("healthy", "surge"):
        return bundle, Truth(healthy=True)
    return bundle, Truth(services=(culprit,))


def _system(rng: random.Random) -> System:
    size = rng.randint(6, 18)
    services = [f"{n}-{rng.choice(('svc', 'api', 'app'))}" for n in rng.sample(_NAMES, size)]
    kinds = dict.fromkeys(services, "service")
    for i in range(rng.randint(1, 3)):
        services[-1 - i] = f"{services[-1 - i].split('-')[0]}-db"
        kinds[services[-1 - i]] = "database"
    calls: dict[str, list[tuple[str, float]]] = {s: [] for s in services}
    for i, service in enumerate(services[1:], 1):
        callers = [s for s in services[:i] if kinds.get(s) != "database"]
        for caller in rng.sample(callers[-6:], min(len(callers[-6:]), rng.choice((1, 1, 2)))):
            calls[caller].append((service, rng.choice((0.3, 0.5, 1.0, 1.0, 2.0))))
    own = {s: rng.lognormvariate(math.log(0.008), 0.8) for s in services}
    load = {s: rng.uniform(0.05, 0.4) for s in services}
    return System(
        services=services, calls=calls, own=own, kinds=kinds, rps=rng.choice((1.0, 5.0, 50.0, 400.0)), load=load
    )


def _culprit(system: System, kind: str, rng: random.Random) -> str:
    busy = {s for s, r in system.rates().items() if r >= 0.15 * system.rps}
    of_kind = [s for s in system.services[1:] if (system.kinds[s] == "database") == (kind == "database") and s in busy]
    return rng.choice(of_kind or system.services[1:])


def _break(system: System, kind: str, culprit: str, rng: random.Random) -> None:
    whole = system.latencies()[system.services[0]]
    if kind in ("delay", "database"):
        system.extra[culprit] = whole * rng.uniform(0.8, 5.0)
    elif kind == "cpu":
        system.extra[culprit] = whole * rng.uniform(0.4, 1.5)
        system.load[culprit] = rng.uniform(0.9, 0.99)
    elif kind == "errors":
        system.failing[culprit] = rng.uniform(0.08, 0.6)
    elif kind == "crash":
        system.gone.add(culprit)
    elif kind == "retry_storm":
        system.failing[culprit] = rng.uniform(0.2, 0.5)
        system.extra[culprit] = whole * rng.uniform(0.5, 2.0)
        system.retries[culprit] = rng.uniform(1.5, 3.0)


def _observe(
    system: System, style: dict[str, str], now: float, step: float, rng: random.Random,
    series: dict[tuple[str, str], list[tuple[float, float]]],
) -> None:  # fmt: skip
    scale = 1000.0 if style["ms"] else 1.0
    latencies, failures = system.latencies(), system.failures()
    for service, rate in system.rates().items():
        if service in system.gone:
            continue
        n = max(0, round(rng.gauss(rate * step, math.sqrt(rate * step))))
        row = {style["rate"]: n / step}
        if n:
            mean = latencies[service] * rng.lognormvariate(0, 0.6 / math.sqrt(n) + 0.02)
            failed = sum(rng.random() < failures[service] for _ in range(min(n, 400))) / min(n, 400)
            row |= {style["mean"]: mean * scale, style["p95"]: mean * 2.5 * rng.lognormvariate(0, 0.1) * scale}
            row |= {style["errors"]: failed} if style["errors"] else {style["success"]: 100 * (1 - failed)}
        base = min(0.99, system.load[service] * (0.7 + 0.3 * rate / max(rate, 1e-9)))
        row |= {style["cpu"]: base * rng.lognormvariate(0, 0.05), style["memory"]: 3e8 * (1 + 0.01 * rng.random())}
        for metric, value in row.items():
            series.setdefault((service, metric), []).append((now, value))


def _spans(
    system: System, usual: float, start: float, onset: float, end: float, culprit: str, kind: str, rng: random.Random
) -> Iterator[Span]:
    number = 0
    extra, failing, gone = dict(system.extra), dict(system.failing), set(system.gone)

    def visit(service: str, parent: str, trace: str, at: float, sick: bool) -> tuple[list[Span], float, bool]:
        nonlocal number
        number += 1
        own_id = f"s{number}"
        if sick and service in gone:
            return [], 0.001, False
        took = system.own[service] * rng.lognormvariate(0, 0.3) + (
            extra.get(service, 0.0) * rng.lognormvariate(0, 0.3) if sick else 0.0
        )
        found: list[Span] = []
        well = not (sick and rng.random() < failing.get(service, 0.0))
        for callee, n in system.calls[service]:
            times = int(n) + (rng.random() < n - int(n))
            for _ in range(times if well else 0):
                inner, spent, ok = visit(callee, own_id, trace, at + took, sick)
                found += inner
                took += spent
                well = well and (ok or rng.random() < 0.1)
        span = Span(trace_id=trace, span_id=own_id, parent_id=parent, service=service, operation="handle", start=at,
                    duration_ms=took * 1000, status="OK" if well else "ERROR")  # fmt: skip
        return [span, *found], took, well

    for i in range(120):
        sick = i % 2 == 1
        at = rng.uniform(onset, end) if sick else rng.uniform(start, onset - 30)
        spans, _, _ = visit(system.services[0], "", f"t{i}", at, sick)
        yield from spans


def _logs(
    system: System, culprit: str, kind: str, start: float, onset: float, end: float, rng: random.Random
) -> Iterator[LogLine]:
    for service in system.services:
        for _ in range(80):
            at = rng.uniform(start, end)
            if at < onset or service not in system.gone:
                words = f"handled request {rng.randrange(10**6)} in {rng.randrange(90)} ms"
                yield LogLine(time=at, service=service, level="INFO", message=words)
    if kind in ("healthy", "surge"):
        return
    failures = system.failures()
    for caller in system.services:
        for callee, n in system.calls[caller]:
            if failures[callee] > 0.05:
                for _ in range(int(20 * n) + 3):
                    yield LogLine(
                        time=rng.uniform(onset, end),
                        service=caller,
                        level="ERROR",
                        message=f"call to {callee} failed: status 503",
                    )
    if culprit in system.failing:
        for _ in range(15):
            yield LogLine(
                time=rng.uniform(onset, end),
                service=culprit,
                level="ERROR",
                message=f"unhandled exception: index {rng.randrange(99)} out of range",
            )
