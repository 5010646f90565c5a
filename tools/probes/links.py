"""link_latency, cache_health and release: the ways between services, the cache, and which version is out."""

from __future__ import annotations

import asyncio
from typing import Any

from domain.bundle import Reading
from domain.errors import ToolError
from tools.control import current_route, release_of
from tools.probes.probe import Probe, Shared, bound, reading
from tools.redis import health
from tools.target import Target
from tools.tcp import Trip, connect, question

SLOW_MS = 100.0
TRIPS = 3
FAST_MS, AGAIN_MS = 5.0, 200.0
"""A trip faster than this is not repeated, nor one so slow that our own load does not explain it."""
PROTOCOLS = {"db": "postgres", "database": "postgres", "cache": "redis"}


async def _links(target: Target, shared: Shared) -> list[Reading]:
    options = target.binding("traffic").options
    link = str(options.get("link", ""))
    ask = question(str(options.get("protocol") or PROTOCOLS.get(link, "http")))
    places: dict[str, dict[str, Any]] = dict(options.get("routes") or {})
    trips = await asyncio.gather(*(_trip(place, ask) for place in places.values()))
    routes = {name: _measured(places[name], trip) for name, trip in zip(places, trips, strict=True)}
    current = await _current(target, shared, link)
    here = routes.get(current or "")
    limit = float(options.get("max_ms", SLOW_MS))
    ok = None if here is None else not here["error"] and (here["roundtrip_ms"] or 0.0) <= limit
    return [
        reading(
            "link_latency",
            target,
            ok=ok,
            text="; ".join(f"{n}: {r['error'] or str(r['roundtrip_ms']) + ' ms'}" for n, r in routes.items())
            + (f" (in use: {current})" if current else ""),
            gap="" if here is not None else "which route is in use is not known",
            routes=routes,
            current=current,
        )
    ]


async def _trip(place: dict[str, Any], ask: bytes) -> Trip:
    """The best of a few trips: a delay of the link is in each of them, a delay of ours is not."""
    host, port = str(place.get("host", "127.0.0.1")), int(place["port"])
    best = await connect(host, port, ask=ask, timeout_s=1.7)
    for _ in range(TRIPS - 1):
        if best.error or (best.roundtrip_ms or 0) > AGAIN_MS or (best.roundtrip_ms or 0) < FAST_MS:
            break
        again = await connect(host, port, ask=ask, timeout_s=0.3)
        if not again.error and (again.roundtrip_ms or 0) < (best.roundtrip_ms or 0):
            best = again
    return best


def _measured(place: dict[str, Any], trip: Trip) -> dict[str, Any]:
    return {
        "host": place.get("host", "127.0.0.1"),
        "port": place.get("port"),
        "connect_ms": trip.connect_ms,
        "roundtrip_ms": trip.roundtrip_ms,
        "error": trip.error,
    }


async def _current(target: Target, shared: Shared, link: str) -> str | None:
    try:
        return current_route(await shared.status(target, "traffic"), link)
    except ToolError:
        return None


async def _cache(target: Target, shared: Shared) -> list[Reading]:
    try:
        facts = await health(target.binding("cache").url)
    except ToolError as error:
        said = error.found or error.message
        text = f"the cache does not answer: {said}"
        return [reading("cache_health", target, ok=False, text=text, reachable=False, error=said)]
    limit = facts["max_memory_bytes"] or 0
    full = bool(limit) and facts["memory_bytes"] >= 0.98 * limit
    text = f"answers in {facts['ping_ms']:.1f} ms, {facts['memory_bytes']} bytes, {facts['evictions']} evictions"
    return [reading("cache_health", target, ok=not full, text=text, reachable=True, error="", **facts)]


async def _release(target: Target, shared: Shared) -> list[Reading]:
    facts = release_of(await shared.status(target, "release"))
    if facts["version"] is None:
        return [reading("release", target, ok=None, text="no release is known", gap="the endpoint names no release")]
    shares = ", ".join(f"{v} {share}%" for v, share in sorted(facts["weights"].items()) if share)
    return [
        reading(
            "release", target, ok=True, text=f"release {facts['version']}" + (f" ({shares})" if shares else ""), **facts
        )
    ]


LINK_LATENCY = Probe(name="link_latency", applies=bound("traffic"), read=_links)
CACHE_HEALTH = Probe(name="cache_health", applies=bound("cache"), read=_cache)
RELEASE = Probe(name="release", applies=bound("release"), read=_release)
