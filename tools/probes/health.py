"""http_health and tcp_health: the inventory's outside checks; telemetry_freshness: are the signals still fresh."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from domain.bundle import Reading
from domain.inventory import HttpProbe, Service, TcpProbe
from tools.http import fetch
from tools.probes.probe import BOUND_S, Probe, Shared, reading
from tools.probes.words import spoken
from tools.target import Target
from tools.tcp import connect

STALE_S = 30.0


async def _http(target: Target, shared: Shared) -> list[Reading]:
    checks = [p for p in target.service.probes if isinstance(p, HttpProbe)]
    return list(await asyncio.gather(*(_http_one(target, p) for p in checks)))


async def _http_one(target: Target, check: HttpProbe) -> Reading:
    answer = await fetch(check.url, method=check.method, json_body=check.json_body, timeout_s=BOUND_S - 0.2)
    error = answer.error
    if not error and answer.status != check.expect_status:
        error = f"expected {check.expect_status}, found {answer.status}: {spoken(answer.text)}"
    elif not error and check.expect_text and check.expect_text not in answer.text:
        error = f"the answer lacks {check.expect_text!r}"
    elif not error and answer.ms > check.max_ms:
        error = f"took {answer.ms:.0f} ms, tolerance {check.max_ms:.0f} ms"
    return reading(
        "http_health",
        target,
        ok=not error,
        text=f"{check.name}: {error or f'{answer.status} in {answer.ms:.0f} ms'}",
        name=check.name,
        url=check.url,
        status=answer.status,
        ms=answer.ms,
        user_facing=check.user_facing,
        error=error,
    )


async def _tcp(target: Target, shared: Shared) -> list[Reading]:
    checks = [p for p in target.service.probes if isinstance(p, TcpProbe)]
    return list(await asyncio.gather(*(_tcp_one(target, p) for p in checks)))


async def _tcp_one(target: Target, check: TcpProbe) -> Reading:
    trip = await connect(check.host, check.port, timeout_s=BOUND_S - 0.2)
    if not trip.error and (trip.connect_ms or 0) > check.max_ms:
        # Once more: a slow link is slow again, our own load is not.
        trip = await connect(check.host, check.port, timeout_s=BOUND_S / 2)
    error = trip.error
    if not error and trip.connect_ms is not None and trip.connect_ms > check.max_ms:
        error = f"connecting took {trip.connect_ms:.0f} ms, tolerance {check.max_ms:.0f} ms"
    return reading(
        "tcp_health",
        target,
        ok=not error,
        text=f"{check.name}: {error or f'connected in {trip.connect_ms:.1f} ms'}",
        name=check.name,
        host=check.host,
        port=check.port,
        ms=trip.connect_ms,
        error=error,
    )


async def _freshness(target: Target, shared: Shared) -> list[Reading]:
    signals = target.service.telemetry
    now = target.clock.now().timestamp()
    files = [target.root / name for name in (*signals.logs, *signals.spans)]
    written = await asyncio.to_thread(_newest, files)
    age = None if written is None else round(max(0.0, now - written), 1)
    answers = (await shared.metrics(target)).status == 200 if signals.scrape else None
    newest = 0.0 if answers else age
    if newest is None:
        return [reading("telemetry_freshness", target, ok=None, text="no signal found", gap="nothing to read")]
    return [
        reading(
            "telemetry_freshness",
            target,
            ok=newest < STALE_S and answers is not False,
            text=f"newest signal {newest:.0f} s old" + (", metrics page does not answer" if answers is False else ""),
            newest_age_s=newest,
            files_age_s=age,
            scrape_ok=answers,
        )
    ]


def _newest(files: list[Path]) -> float | None:
    times: list[float] = []
    for path in files:
        try:
            times.append(os.stat(path).st_mtime)
        except OSError:
            continue
    return max(times, default=None)


def _has(kind: type[HttpProbe] | type[TcpProbe], service: Service) -> bool:
    return any(isinstance(p, kind) for p in service.probes)


HTTP_HEALTH = Probe(name="http_health", applies=lambda s: _has(HttpProbe, s), read=_http)
TCP_HEALTH = Probe(name="tcp_health", applies=lambda s: _has(TcpProbe, s), read=_tcp)
TELEMETRY_FRESHNESS = Probe(
    name="telemetry_freshness",
    applies=lambda s: bool(s.telemetry.scrape or s.telemetry.spans),
    read=_freshness,
)
