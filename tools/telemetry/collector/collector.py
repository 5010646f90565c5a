"""The collector: every second it gathers what was seen, judges the objectives and writes one transaction.

Each source is polled by a task of its own, so that a slow one delays nobody; the tick takes the newest answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from domain.alert import Change
from domain.clock import Clock, SystemClock
from domain.errors import FirebreakError
from domain.inventory import Inventory
from domain.redaction import redact
from tools.config_versions import FileConfigVersions
from tools.file import write_atomic
from tools.telemetry import roles
from tools.telemetry.book import AlertBook
from tools.telemetry.collector.budgets import Budgets
from tools.telemetry.collector.configurations import Configurations
from tools.telemetry.collector.delivery import Courier
from tools.telemetry.collector.files import followed
from tools.telemetry.collector.processes import Processes, process_sources
from tools.telemetry.collector.sources import Points, Source, check_sources, metrics_sources, schema_sources
from tools.telemetry.embedded import SqliteTelemetry
from tools.telemetry.http_poll import HttpPoller
from tools.telemetry.rules import SCALE
from tools.telemetry.sli import KEEP_S, Recent, objectives
from tools.telemetry.sqlite import TelemetryWriter

log = structlog.get_logger("collector")

KEEP_FACTS_EVERY = 5
PRUNE_EVERY = 60
"""In ticks."""
_ALERTS_FACT = "alerts"
_SEEN_FACT = "seen"
_JUDGED = (
    *(roles.PROBE_UP, roles.PROCESS_UP, roles.REQUEST_RATE, roles.ERROR_RATE),
    *(roles.LATENCY_P95, roles.SATURATION, roles.DISK_USED, roles.FRESHNESS),
)
"""Metrics that objectives are judged by; their last minutes are read again after a restart."""


async def run_collector(
    inventory: Inventory,
    home: Path,
    *,
    app_url: str,
    intake_token: str,
    env: Mapping[str, str],
    root: Path | None = None,
    retention_s: float = 6 * 3600,
    scale: float = SCALE,
    clock: Clock | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Collect until cancelled (or until `stop` is set).

    `root` is the folder that relative paths of the inventory start from. Alerts go to `{app_url}/intake/alertmanager`.
    Writes `home/telemetry.db`, `home/config-versions/` and, once ready, `home/run/collector.json`.
    """
    writer = TelemetryWriter(home / "telemetry.db", retention_s=retention_s)
    try:
        async with HttpPoller() as poller:
            collector = Collector(
                inventory,
                home,
                poller,
                writer,
                env=env,
                root=root or Path(env.get("FIREBREAK_CONFIG") or ".").resolve().parent,
                scale=scale,
                clock=clock or SystemClock(),
            )
            await collector.run(app_url=app_url, intake_token=intake_token, stop=stop or asyncio.Event())
    finally:
        writer.close()


class Collector:
    """State of one run."""

    def __init__(
        self,
        inventory: Inventory,
        home: Path,
        poller: HttpPoller,
        writer: TelemetryWriter,
        *,
        env: Mapping[str, str],
        root: Path,
        scale: float,
        clock: Clock,
    ) -> None:
        self._inventory, self._home, self._clock, self._writer = inventory, home, clock, writer
        self._lock = asyncio.Lock()
        seen = writer.fact(_SEEN_FACT) or {}
        versions = FileConfigVersions(home / "config-versions")
        self._processes = Processes(process_sources(inventory, env, root, poller, clock))
        self._configs = Configurations(inventory, self._processes, versions, root, seen.get("configs", {}))
        self._schemas = schema_sources(inventory, env, root, versions, clock)
        for schema in self._schemas:
            schema.revision = seen.get("schemas", {}).get(schema.target.name, "")
        self._sources: Sequence[Source] = (
            *metrics_sources(inventory, poller, clock),
            *check_sources(inventory, poller, clock),
            *self._processes.sources,
            *self._schemas,
        )
        self._files = followed(inventory, root, writer)
        self._written: dict[str, frozenset[str]] = {}
        self._recent = Recent()
        self._book = AlertBook(inventory.system, objectives(inventory), scale=scale)
        self._budgets = Budgets(self._book)
        self._courier = Courier(writer, self._lock, poller, clock)
        self._ticks = 0

    async def run(self, *, app_url: str, intake_token: str, stop: asyncio.Event) -> None:
        """Poll, tick and deliver until stopped."""
        await self._recover(self._now())
        polls = [asyncio.create_task(self._poll(source)) for source in self._sources]
        tasks = [*polls, asyncio.create_task(self._courier.run(app_url, intake_token))]
        try:
            while not stop.is_set():
                await self._until_next_second()
                await self.tick()
                if self._ticks == 1:
                    self._say_ready()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def tick(self) -> None:
        """Gather the newest answers, judge, write. A store that cannot be written loses a tick, not the collector."""
        now = float(round(self._now()))
        self._ticks += 1
        points: Points = {service.name: {} for service in self._inventory.services}
        for source in self._sources:
            source.add_to(points, now)
        for service, values in points.items():
            self._recent.add(now, service, values)
        changes = await self._configs.look(now, points)
        changes += [change for schema in self._schemas for change in schema.taken()]
        notification = self._book.tick(self._recent, now)
        async with self._lock:
            try:
                await asyncio.to_thread(self._write, now, points, changes, notification)
            except Exception as error:
                log.error("collector.write_failed", error=type(error).__name__, detail=str(error)[:200])
                self._writer.rollback()
        if notification is not None:
            log.info("collector.alerts", status=notification["status"], alerts=len(notification["alerts"]))
            self._courier.wake()

    def _write(self, now: float, points: Points, changes: list[Change], mail: Mapping[str, Any] | None) -> None:
        writer = self._writer
        for service, values in points.items():
            writer.points(now, service, values, self._silent(service, values))
        for file in self._files:
            file.write(writer, now)
        self._processes.write(writer, now)
        if changes:
            writer.changes(changes)
        if mail is not None:
            writer.enqueue(json.dumps(mail, separators=(",", ":")).encode(), now)
        if mail is not None or self._ticks % KEEP_FACTS_EVERY == 0:
            writer.keep_fact(_ALERTS_FACT, self._book.dump(), now)
            schemas = {schema.target.name: schema.revision for schema in self._schemas}
            writer.keep_fact(_SEEN_FACT, {"configs": self._configs.known(), "schemas": schemas}, now)
        self._budgets.write(writer, self._recent, now, self._ticks)
        writer.commit(now)
        if self._ticks % PRUNE_EVERY == 0:
            writer.prune(now)

    def _silent(self, service: str, values: Mapping[str, float]) -> set[str]:
        """Metrics that were there at the last tick."""
        before = self._written.get(service, frozenset())
        self._written[service] = frozenset(values)
        return set(before) - values.keys()

    async def _recover(self, now: float) -> None:
        """Go on where the last run stopped: recent points, alert states, process states."""
        last = self._writer.last_run()
        gap = now - last if last is not None else float("inf")
        if gap < KEEP_S:
            stored = SqliteTelemetry(self._home / "telemetry.db")
            self._recent.load(await stored.series((now - KEEP_S, now), metrics=_JUDGED))
        self._book.load(self._writer.fact(_ALERTS_FACT) or {}, gap_s=gap)
        self._processes.recover(self._writer)

    def _now(self) -> float:
        return self._clock.now().timestamp()

    async def _until_next_second(self) -> None:
        await self._clock.sleep(max(0.01, 1.0 - self._now() % 1.0))

    async def _poll(self, source: Source) -> None:
        """Again and again; the polls of one period are spread over its first part."""
        offset = (hash(id(source)) // 64 % 40) / 100
        while True:
            try:
                await source.poll()
            except Exception as error:
                log.warning("collector.poll_failed", error=type(error).__name__, detail=redact(str(error))[:200])
            wait = source.period_s - (self._now() - offset) % source.period_s
            await self._clock.sleep(wait if wait > 0.1 else wait + source.period_s)

    def _say_ready(self) -> None:
        place = self._home / "run" / "collector.json"
        with contextlib.suppress(FirebreakError, OSError):
            place.parent.mkdir(parents=True, exist_ok=True)
            facts = {"pid": os.getpid(), "ready": True, "since": self._now(), "objectives": len(self._book.objectives)}
            write_atomic(place, json.dumps(facts).encode(), mode=0o600)
