"""A second generator of labelled incidents, after other systems than the shipped cases come from.

A random call graph serves requests; every service has capacity, memory, a disk, sockets and a pool. A fault changes one of these
at one service, and what follows (queueing, waiting callers, failing callers) follows from the model: utilisation lengthens service
time by `1 / (1 − u)` (M/M/1), open sockets are `rate · latency` (Little 1961), callers wait for callees and fail with them.
What is seen of it is a matter of `conventions` and of luck: sources, windows, alerts and the graph may be missing.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from agents.perception.evaluate import Truth
from benchmarks.diagnosis.conventions import CONVENTIONS, Convention
from domain.bundle import AlertHint, Bundle, Edge, Series

FAULTS = ("cpu", "memory", "disk", "delay", "loss", "partition", "pool", "code errors", "slow code", "crash")
CALM = ("healthy", "surge", "batch job")
"""Nothing is broken: usual ups and downs, twice to thrice the traffic within capacity, a busy cpu that nobody feels."""
START = 1_712_000_000.0
_WORDS = [
    "cart", "checkout", "orders", "users", "billing", "search", "catalog", "media", "inventory", "shipping", "ledger", "auth",
    "mail", "rating", "pricing", "gateway", "recs", "ads", "geo", "booking", "quote", "loyalty", "tax", "fraud",
]  # fmt: skip


@dataclass(kw_only=True)
class Service:
    """One service: usual values, and what a fault makes of them."""

    name: str
    own: float
    """Seconds of its own work per request."""
    used: float
    """Share of its capacity in use at the usual traffic."""
    memory: float
    extra: float = 0.0
    failing: float = 0.001
    hogged: float = 0.0
    grown: float = 1.0
    disk: float = 0.1
    pooled: float = 0.2
    waiting: float = 0.0
    gone: bool = False


@dataclass(kw_only=True)
class Fleet:
    """Services from the top down, and (caller, callee) → (calls per request, seconds on the way, share lost)."""

    services: list[Service]
    calls: dict[tuple[str, str], tuple[float, float, float]]
    traffic: float
    usual: dict[str, float] = field(default_factory=dict[str, float])
    """Requests per second of every service at the usual traffic."""

    def settle(self) -> dict[str, dict[str, float]]:
        """Kind of measurement → value per service, with this moment's traffic and faults."""
        rates = {s.name: 0.0 for s in self.services} | {self.services[0].name: self.traffic}
        for service in self.services:
            for (caller, callee), (n, _, _) in self.calls.items():
                if caller == service.name and not service.gone:
                    rates[callee] += rates[caller] * n * (1 - min(0.9, service.failing))
        found: dict[str, dict[str, float]] = {}
        for service in reversed(self.services):
            below = [(c[1], *rest) for c, rest in self.calls.items() if c[0] == service.name]
            load = min(
                0.97, service.used * (0.3 + 0.7 * rates[service.name] / max(self.usual.get(service.name, 1.0), 1e-9))
            )
            load = min(0.98, max(load, service.hogged))
            latency = service.own * (1 - service.used) / (1 - load) + service.extra
            well = 1 - service.failing
            for callee, n, way, lost in below:
                latency += n * (min(found[callee]["latency"], 5.0) + way)
                well *= 1 - min(1.0, n) * min(1.0, found[callee]["errors"] * 0.8 + lost)
            failed = 1.0 if service.gone else 1 - well
            rate = rates[service.name]
            found[service.name] = {
                "latency": latency, "errors": failed, "traffic": rate, "failed": failed * rate, "success": 1 - failed,
                "cpu": load, "memory": service.memory * service.grown, "disk": service.disk, "pool": service.pooled,
                "waiting": service.waiting, "sockets": 20 + rate * latency,
            }  # fmt: skip
        return found


def fleets(count: int = 130, seed: int = 5) -> Iterator[tuple[Bundle, Truth]]:
    """`count` labelled bundles; kinds of faults and conventions take turns."""
    kinds = (*FAULTS, *CALM)
    for number in range(count):
        rng = random.Random(seed * 10_000 + number)
        yield incident(kinds[number % len(kinds)], rng.choice(CONVENTIONS), rng, f"fleet-{number:03d}")


def incident(kind: str, convention: Convention, rng: random.Random, name: str) -> tuple[Bundle, Truth]:
    """One labelled bundle."""
    fleet = _fleet(rng)
    culprit = rng.choice(_busy(fleet))
    step = rng.choice((1.0, 5.0, 15.0, 60.0))
    before, during = rng.choice((12, 30, 60, 200)), rng.choice((4, 10, 20))
    noise = rng.choice((0.02, 0.06, 0.12))
    wave, usual = rng.choice((0.0, 0.15, 0.3)), fleet.traffic
    points: dict[tuple[str, str], list[tuple[float, float]]] = {}
    truth: tuple[str, ...] = ()
    for i in range(before + during):
        if i >= before:
            truth = _break(fleet, kind, culprit, (i - before + 1) / during, rng if i == before else None) or truth
        if kind == "surge" and i == before:  # within capacity: nobody waits noticeably longer
            for service in fleet.services:
                service.used, service.own = (
                    min(service.used, 0.1),
                    service.own * (1 - min(service.used, 0.1)) / (1 - service.used),
                )
        surge = 2.5 if kind == "surge" and i >= before else 1.0
        fleet.traffic = usual * surge * (1 + wave * math.sin(i / 12))
        _observe(fleet, convention, START + i * step, step, noise, rng, points)
    onset, end = START + before * step, START + (before + during - 1) * step
    bundle = Bundle(
        id=name, title="something is wrong", system=convention.name,
        alert=AlertHint(service=fleet.services[0].name) if rng.random() < 0.6 else None,
        onset=onset, normal=(START, onset - step), abnormal=(onset, end),
        services=tuple(s.name for s in fleet.services),
        edges=tuple(Edge(caller=a, callee=b) for a, b in fleet.calls) if rng.random() < 0.6 else (),
        series=tuple(
            Series(service=s, metric=m, times=tuple(t for t, _ in found), values=tuple(v for _, v in found))
            for (s, m), found in points.items()
        ),
    )  # fmt: skip
    if rng.random() < 0.25:
        bundle = replace(bundle, normal=None, abnormal=None)
    return bundle, Truth(services=truth, fault_class=kind) if kind in FAULTS else Truth(healthy=True)


def _fleet(rng: random.Random) -> Fleet:
    names = [f"{w}{rng.choice(('', '-service', 'svc', '_api'))}" for w in rng.sample(_WORDS, rng.randint(6, 20))]
    services = [
        Service(name=n, own=rng.lognormvariate(math.log(0.01), 0.9), used=rng.uniform(0.05, 0.35), memory=rng.uniform(1e8, 8e8))
        for n in names
    ]  # fmt: skip
    calls: dict[tuple[str, str], tuple[float, float, float]] = {}
    for i, name in enumerate(names[1:], 1):
        for caller in rng.sample(names[max(0, i - 5) : i], min(i, 5, rng.choice((1, 1, 2)))):
            calls[(caller, name)] = (rng.choice((0.4, 1.0, 1.0, 2.0)), 0.0005, 0.0)
    fleet = Fleet(services=services, calls=calls, traffic=rng.choice((2.0, 20.0, 200.0)))
    fleet.usual = dict.fromkeys(names, 1.0)
    fleet.usual = {s: row["traffic"] for s, row in fleet.settle().items()}
    return fleet


def _busy(fleet: Fleet) -> list[str]:
    """Services below the top that a fair share of requests reaches."""
    found = [s.name for s in fleet.services[1:] if fleet.usual[s.name] >= 0.3 * fleet.traffic]
    return found or [fleet.services[1].name]


def _break(fleet: Fleet, kind: str, culprit: str, progress: float, rng: random.Random | None) -> tuple[str, ...]:
    """The fault at its start (`rng` given) and as it goes on (`progress` up to 1); returns whom to blame."""
    service = next(s for s in fleet.services if s.name == culprit)
    if kind == "memory":  # what grows slows the collector of garbage down
        service.grown = 1 + 1.5 * progress
        service.extra = service.own * 3 * progress**2
    if rng is None:
        return ()
    whole = fleet.settle()[fleet.services[0].name]["latency"]
    edges = [e for e in fleet.calls if culprit in e]
    match kind:
        case "cpu":
            service.hogged = rng.uniform(0.85, 0.98)
        case "disk":
            service.disk, service.extra = rng.uniform(0.8, 1.0), service.own * rng.uniform(1.0, 5.0)
        case "delay":
            service.extra = whole * rng.uniform(0.5, 4.0)
        case "slow code":
            service.extra, service.hogged = whole * rng.uniform(0.3, 2.0), min(0.9, service.used * 2)
        case "loss":
            lost = rng.uniform(0.05, 0.3)
            fleet.calls |= {e: (fleet.calls[e][0], 0.2 * lost, lost) for e in edges}
        case "partition":
            edge = next(e for e in edges if e[1] == culprit)
            fleet.calls[edge] = (fleet.calls[edge][0], rng.uniform(0.2, 1.0), 1.0)
            return edge
        case "pool":
            service.pooled, service.waiting = 1.0, rng.uniform(5, 50)
            service.extra, service.failing = whole * rng.uniform(0.5, 2.0), rng.uniform(0.01, 0.2)
        case "code errors":
            service.failing = rng.uniform(0.06, 0.7)
        case "crash":
            service.gone = True
        case "batch job":
            service.hogged = max(service.used, 0.6)
            service.own *= (1 - service.hogged) / (1 - service.used)
        case _:
            pass
    return (culprit,)


def _observe(
    fleet: Fleet, convention: Convention, now: float, step: float, noise: float, rng: random.Random,
    points: dict[tuple[str, str], list[tuple[float, float]]],
) -> None:  # fmt: skip
    for service, row in fleet.settle().items():
        if next(s for s in fleet.services if s.name == service).gone:
            continue
        n = max(1.0, row["traffic"] * step)
        for kind, metric in convention.names.items():
            value = _measured(row, kind, n, noise, rng)
            if kind in ("latency", "tail"):
                value *= convention.per_second
            if kind in ("errors", "success", "cpu", "disk") and convention.percent:
                value *= 100
            found = points.setdefault((service, metric), [])
            if kind in convention.counters:
                value = value * step + (found[-1][1] if found else rng.uniform(0, 1e4))
            found.append((now, value))


def _measured(row: dict[str, float], kind: str, n: float, noise: float, rng: random.Random) -> float:
    """One value as sampled from `n` requests."""
    if kind in ("errors", "failed", "success"):
        draws = min(400, max(1, round(n)))
        failed = sum(rng.random() < row["errors"] for _ in range(draws)) / draws
        return {"errors": failed, "failed": failed * row["traffic"], "success": 1 - failed}[kind]
    if kind == "tail":
        return row["latency"] * 2.5 * rng.lognormvariate(0, noise + 0.5 / math.sqrt(n))
    if kind == "latency":
        return row["latency"] * rng.lognormvariate(0, noise + 0.3 / math.sqrt(n))
    if kind == "traffic":
        return max(0.0, rng.gauss(row["traffic"], math.sqrt(row["traffic"])))
    return row[kind] * rng.lognormvariate(0, noise)
