"""Links between services: slow or dead routes, told apart from what stands behind them by a second route."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from agents.perception.claim import Claim, Sign, finding, number, of_reading
from agents.perception.facts import Facts
from agents.perception.kinds import PROXY_KINDS
from agents.perception.symptoms import Symptoms
from domain.bundle import Reading
from domain.conditions import Condition

SLOW_MS = 40.0
"""A round trip above this on a link between neighbours is slow, unless the other routes are as slow."""
SLOW_FACTOR = 5.0


def route(facts: Facts, symptoms: Symptoms) -> Iterable[Claim]:
    """The route in use is slow or dead while another one to the same server is well."""
    for reading in facts.readings("link_latency"):
        routes = {str(k): v for k, v in (reading.values.get("routes") or {}).items() if isinstance(v, dict)}
        current = str(reading.values.get("current") or "")
        for name, measured in routes.items():
            others = {n: m for n, m in routes.items() if n != name}
            claim = _judge(facts, reading, name, measured, others, current)
            if claim is not None:
                yield claim


def _judge(
    facts: Facts, reading: Reading, name: str, measured: dict[str, Any], others: dict[str, dict[str, Any]], current: str
) -> Claim | None:
    healthy = {n: m for n, m in others.items() if not m.get("error") and _trip(m) is not None}
    dead = bool(measured.get("error")) and _trip(measured) is None
    trip = _trip(measured)
    best = min((t for m in healthy.values() if (t := _trip(m)) is not None), default=None)
    slow = trip is not None and trip >= SLOW_MS and (best is None or trip >= SLOW_FACTOR * max(best, 1.0))
    if not (dead or slow):
        return None
    in_use = not current or name == current
    known = best is not None
    strength = (0.9 if known else 0.55) if dead else (0.92 if known else 0.5)
    details: dict[str, Any] = {
        "route": name,
        "current": current,
        "routes": {n: _brief(m) for n, m in {name: measured, **others}.items()},
        "alternatives": sorted(n for n, m in healthy.items() if (_trip(m) or 0.0) < SLOW_MS),
    }
    said = "refuses or swallows connections" if dead else f"takes {trip:.0f} ms per round trip"
    contrast = (
        f", {min(healthy, key=lambda n: _trip(healthy[n]) or 0.0)} takes {best:.0f} ms" if known and healthy else ""
    )
    return Claim(
        service=name,
        fault_class="partition" if dead else "latency",
        strength=strength if in_use else 0.3 * strength,
        direct=True,
        needs_symptom=not in_use,
        statement=f"The link {name} {said}{contrast}.",
        signs=(
            of_reading(
                reading,
                "one route is bad, the server behind it is well on another" if known else "the link is bad",
                _line(reading, routes=details["routes"]),
            ),
        ),
        doubts=_doubts(facts, reading, name, in_use, known),
        falsify="the same statement over the other route takes as long",
        probe=("link_latency", reading.service, f"the round trip over {name} near that of the other routes"),
        findings=(finding(Condition.LINK_DOWN if dead else Condition.LINK_SLOW, name, reading.service, **details),),
        details=details,
    )


def unreachable_proxy(facts: Facts, symptoms: Symptoms) -> Iterable[Claim]:
    """A proxy whose own port refuses, or is slow, while what stands behind it is well."""
    measured = {n for r in facts.readings("link_latency") for n in (r.values.get("routes") or {})}
    for reading in facts.readings("tcp_health"):
        if reading.ok is not False or facts.kind(reading.service) not in PROXY_KINDS or reading.service in measured:
            continue
        behind = [
            r
            for c in facts.callees(reading.service)
            for p in ("http_health", "tcp_health", "db_activity", "cache_health")
            for r in facts.readings(p)
            if r.service == c
        ]
        well = [r for r in behind if r.ok]
        slow = not reading.values.get("error") and number(reading.values.get("ms")) > 0
        yield Claim(
            service=reading.service,
            fault_class="latency" if slow else "partition",
            strength=0.8 if well else 0.6,
            direct=True,
            statement=f"The link {reading.service} {'is slow' if slow else 'accepts no connection'}.",
            signs=(
                of_reading(reading, "the link itself does not answer as it should"),
                *(of_reading(r, "what stands behind it is well") for r in well[:1]),
            ),
            doubts=tuple(
                of_reading(r, "what stands behind it does not answer either") for r in behind if r.ok is False
            )[:1],
            falsify="a connection through the link succeeds in time",
            probe=("tcp_health", reading.service, "a connection in time"),
            findings=(
                finding(Condition.LINK_SLOW if slow else Condition.LINK_DOWN, reading.service, current=reading.service),
            ),
            details={"current": reading.service},
        )


def _doubts(facts: Facts, reading: Reading, name: str, in_use: bool, known: bool) -> tuple[Sign, ...]:
    doubts: list[Sign] = []
    if not in_use:
        doubts.append(of_reading(reading, f"nothing flows over {name} now"))
    if not known:
        doubts.append(of_reading(reading, "no second route to compare with: the server may be what is slow"))
    return tuple(doubts)


def _trip(measured: dict[str, Any]) -> float | None:
    value = measured.get("roundtrip_ms")
    if value is None:
        value = measured.get("connect_ms") if not measured.get("error") else None
    return None if value is None else number(value)


def _brief(measured: dict[str, Any]) -> dict[str, Any]:
    return {k: measured.get(k) for k in ("host", "port", "connect_ms", "roundtrip_ms", "error") if k in measured}


def _line(reading: Reading, routes: dict[str, dict[str, Any]]) -> str:
    if reading.text:
        return reading.text
    return "; ".join(f"{n}: {m.get('error') or str(m.get('roundtrip_ms')) + ' ms'}" for n, m in routes.items())


RULES = (route, unreachable_proxy)
