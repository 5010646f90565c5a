"""Alerts on their way to the app: stored before they are sent, tried again until they are taken, in order."""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from domain.clock import Clock
from domain.redaction import redact
from tools.telemetry.http_poll import HttpPoller, Polled
from tools.telemetry.sqlite import Outgoing, TelemetryWriter

log = structlog.get_logger("collector")

HOPELESS = frozenset({400, 413, 415, 422})
"""Trying these again can only give the same answer."""


class Courier:
    """Brings the oldest delivery first. The writer is shared with the tick, under one lock."""

    def __init__(self, writer: TelemetryWriter, lock: asyncio.Lock, poller: HttpPoller, clock: Clock) -> None:
        self._writer, self._lock, self._poller, self._clock = writer, lock, poller, clock
        self._mail = asyncio.Event()

    def wake(self) -> None:
        """There is a new delivery."""
        self._mail.set()

    async def run(self, app_url: str, token: str) -> None:
        """Until cancelled."""
        url = f"{app_url.rstrip('/')}/intake/alertmanager"
        while True:
            try:
                wait = await self._deliver_one(url, token) if app_url else 3600.0
            except Exception as error:
                log.error("collector.delivery_failed", error=type(error).__name__, detail=str(error)[:200])
                wait = 5.0
            if wait > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._mail.wait()
                self._mail.clear()

    async def _deliver_one(self, url: str, token: str) -> float:
        """Try the oldest delivery; seconds to wait before the next try (0: there may be more)."""
        async with self._lock:
            mail = await asyncio.to_thread(self._writer.due, self._now())
        if mail is None:
            return 1.0
        found = await self._poller.post(url, mail.body, timeout_s=5.0, token=token, delivery=f"collector-{mail.id}")
        async with self._lock:
            if 200 <= found.status < 300 or found.status in HOPELESS:
                return await self._taken(mail, found)
            return await self._postponed(mail, found)

    async def _taken(self, mail: Outgoing, found: Polled) -> float:
        if found.status in HOPELESS:
            answer = redact(found.body[:300].decode(errors="replace"))
            log.error("collector.delivery_refused", status=found.status, answer=answer)
        await asyncio.to_thread(self._writer.delivered, mail.id)
        return 0.0

    async def _postponed(self, mail: Outgoing, found: Polled) -> float:
        delay = found.retry_after if found.retry_after is not None else min(10.0, 0.5 * 2 ** min(mail.attempts, 5))
        error = found.error or f"status {found.status}"
        await asyncio.to_thread(self._writer.postpone, mail.id, self._now() + delay, error)
        log.warning("collector.delivery_postponed", error=error, seconds=delay)
        return min(delay, 1.0)

    def _now(self) -> float:
        return self._clock.now().timestamp()
