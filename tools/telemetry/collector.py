"""The collector: every second it gathers what was seen, judges the objectives and writes one transaction.

Each endpoint and each outside check is polled by a task of its own, so that a slow one delays nobody; the tick takes
the newest answers. Whatever fails is data (`scrape_up` 0, a check that failed), never the end of the collector.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import structlog

from domain.bundle import LogLine
from domain.clock import Clock, SystemClock
from domain.errors import FirebreakError
from domain.inventory import HttpProbe, Inventory, Probe, Service
from domain.redaction import redact
from tools.config_versions import FileConfigVersions
from tools.file import write_atomic
from tools.process import PidFileProcess
from tools.schema import revision_facts
from tools.target import Target
from tools.telemetry import lines, roles
from tools.telemetry.book import AlertBook
from tools.telemetry.embedded import SqliteTelemetry
from tools.telemetry.http_poll import Checked, HttpPoller, check_tcp
from tools.telemetry.meter import Meter
from tools.telemetry.roles import named
from tools.telemetry.rules import SCALE
from tools.telemetry.sli import KEEP_S, SLI_FACT, Recent, objectives
from tools.telemetry.sqlite import TelemetryWriter
from tools.telemetry.tail import Tail
from tools.telemetry.watch import (
    ConfigWatch,
    ProcessFacts,
    facts_row,
    migration_change,
    process_facts,
    process_note,
)

log = structlog.get_logger("collector")

STALE_S = 2.5
"""An answer older than this is no answer."""
SCRAPE_TIMEOUT_S = 0.9
SCHEMA_EVERY_S = 10.0
_ALERTS_FACT = "alerts"
_SEEN_FACT = "seen"


@dataclass(slots=True)
class _Scrape:
    """One exposition endpoint and what it said last."""

    service: Service
    meter: Meter
    at: float = 0.0
    ok_at: float = 0.0
    up: bool = False
    values: dict[str, float] = field(default_factory=dict)
    error: str = ""


@dataclass(slots=True)
class _Check:
    """One outside check and its last result."""

    service: str
    probe: Probe
    at: float = 0.0
    last: Checked | None = None


@dataclass(slots=True)
class _Status:
    """One source of process states: a control endpoint, or pid files."""

    url: str
    token: str
    services: dict[str, str]
    """Process name → service."""
    at: float = 0.0
    rows: dict[str, ProcessFacts] = field(default_factory=dict)


@dataclass(slots=True)
class _Followed:
    """One file that is followed."""

    service: str
    kind: str
    tail: Tail


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
    async with HttpPoller() as poller:
        collector = Collector(
            inventory,
            home,
            poller,
            env=env,
            root=root or Path(env.get("FIREBREAK_CONFIG") or ".").resolve().parent,
            retention_s=retention_s,
            scale=scale,
            clock=clock or SystemClock(),
        )
        try:
            await collector.run(app_url=app_url, intake_token=intake_token, stop=stop or asyncio.Event())
        finally:
            collector.close()


class Collector:
    """State of one run. `tick` may be called by tests with a clock of their own."""

    def __init__(
        self,
        inventory: Inventory,
        home: Path,
        poller: HttpPoller,
        *,
        env: Mapping[str, str],
        root: Path,
        retention_s: float = 6 * 3600,
        scale: float = SCALE,
        clock: Clock,
    ) -> None:
        self._inventory, self._home, self._poller = inventory, home, poller
        self._env, self._root, self._clock = env, root, clock
        self._writer = TelemetryWriter(home / "telemetry.db", retention_s=retention_s)
        self._lock = asyncio.Lock()
        self._mail = asyncio.Event()
        self._versions = FileConfigVersions(home / "config-versions")
        self._scrapes = [
            _Scrape(service=s, meter=Meter(s.telemetry.roles)) for s in inventory.services if s.telemetry.scrape
        ]
        self._checks = [_Check(service=s.name, probe=p) for s in inventory.services for p in s.probes]
        self._statuses = self._status_sources()
        self._files = self._followed()
        self._configs = self._config_watches()
        self._schemas = {s.name: "" for s in inventory.services if "migration" in s.bindings}
        self._states: dict[str, dict[str, Any]] = {}
        self._written: dict[str, frozenset[str]] = {}
        self._started: dict[str, float | None] = {}
        self._up: dict[str, bool] = {}
        self._recent = Recent()
        self._book = AlertBook(inventory.system, objectives(inventory), scale=scale)
        self._spent: dict[str, tuple[float, float]] = {}
        self._left: dict[str, float | None] = {}
        self._ticks = 0
        self._schema_changes: list[Any] = []

    def close(self) -> None:
        """Close the store."""
        self._writer.close()

    # ---- set-up

    def _status_sources(self) -> list[_Status]:
        found: dict[str, _Status] = {}
        for service in self._inventory.services:
            binding = service.bindings.get("process")
            if binding is None:
                continue
            url = str(binding.options.get("status_url") or "")
            if not url and binding.via == "process" and binding.path:
                url = f"pidfile:{self._root / binding.path}"
            if not url:
                continue
            token = self._env.get(str(binding.options.get("read_token_env") or ""), "")
            source = found.setdefault(url, _Status(url=url, token=token, services={}))
            source.services[binding.url.rstrip("/").rpartition("/")[2] or service.name] = service.name
        return list(found.values())

    def _followed(self) -> list[_Followed]:
        found = []
        for service in self._inventory.services:
            sources = service.telemetry
            for kind, paths in (("logs", sources.logs), ("spans", sources.spans), ("changes", sources.changes)):
                for path in paths:
                    place = self._root / path
                    known = self._writer.offset(str(place))
                    tail = Tail(place, *known) if known else Tail(place)
                    found.append(_Followed(service=service.name, kind=kind, tail=tail))
        unique = {(str(f.tail.path), f.kind): f for f in reversed(found)}
        return list(unique.values())

    def _config_watches(self) -> list[ConfigWatch]:
        seen = self._writer.fact(_SEEN_FACT) or {}
        return [
            ConfigWatch(
                service=s.name,
                path=self._root / binding.path,
                versions=self._versions,
                known=str(seen.get("configs", {}).get(s.name, "")),
            )
            for s in self._inventory.services
            if (binding := s.bindings.get("config")) is not None and binding.via == "file" and binding.path
        ]

    async def _recover(self, now: float) -> None:
        """Go on where the last run stopped: recent points, alert states, process states."""
        last = self._writer.last_run()
        gap = now - last if last is not None else float("inf")
        if gap < KEEP_S:
            names = (
                *(roles.PROBE_UP, roles.PROCESS_UP, roles.REQUEST_RATE, roles.ERROR_RATE),
                *(roles.LATENCY_P95, roles.SATURATION, roles.DISK_USED, roles.FRESHNESS),
            )
            stored = SqliteTelemetry(self._home / "telemetry.db")
            self._recent.load(await stored.series((now - KEEP_S, now), metrics=names))
        self._book.load(self._writer.fact(_ALERTS_FACT) or {}, gap_s=gap)
        seen = self._writer.fact(_SEEN_FACT) or {}
        self._schemas |= {k: v for k, v in seen.get("schemas", {}).items() if k in self._schemas}
        for source in self._statuses:
            for service in source.services.values():
                state = self._writer.last_state(service)
                if state is not None:
                    self._states[service] = state

    # ---- running

    async def run(self, *, app_url: str, intake_token: str, stop: asyncio.Event) -> None:
        """Poll, tick and deliver until stopped."""
        await self._recover(self._now())
        loops = [
            *(self._every(1.0, self._poll_scrape, scrape) for scrape in self._scrapes),
            *(self._every(_period(check.probe), self._poll_check, check) for check in self._checks),
            *(self._every(1.0, self._poll_status, status) for status in self._statuses),
            *(self._every(SCHEMA_EVERY_S, self._poll_schema, name) for name in self._schemas),
            self._deliver_forever(app_url, intake_token),
        ]
        tasks = [asyncio.create_task(loop) for loop in loops]
        try:
            while not stop.is_set():
                await self._until_next(1.0)
                await self.tick()
                if self._ticks == 1:
                    self._say_ready()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _now(self) -> float:
        return self._clock.now().timestamp()

    async def _until_next(self, period: float) -> None:
        now = self._now()
        await self._clock.sleep(max(0.01, period - now % period))

    async def _every(self, period: float, poll: Callable[[Any], Awaitable[None]], what: Any) -> None:
        """Poll again and again; the polls of one kind are spread over the period's first part."""
        offset = (hash(id(what)) // 64 % 40) / 100
        while True:
            try:
                await poll(what)
            except Exception as error:
                log.warning("collector.poll_failed", error=type(error).__name__, detail=redact(str(error))[:200])
            wait = period - (self._now() - offset) % period
            await self._clock.sleep(wait if wait > 0.1 else wait + period)

    def _say_ready(self) -> None:
        place = self._home / "run" / "collector.json"
        with contextlib.suppress(FirebreakError, OSError):
            place.parent.mkdir(parents=True, exist_ok=True)
            facts = {"pid": os.getpid(), "ready": True, "since": self._now(), "objectives": len(self._book.objectives)}
            write_atomic(place, json.dumps(facts).encode(), mode=0o600)

    # ---- polls

    async def _poll_scrape(self, scrape: _Scrape) -> None:
        found = await self._poller.get(
            scrape.service.telemetry.scrape, timeout_s=SCRAPE_TIMEOUT_S, accept="text/plain;version=0.0.4"
        )
        scrape.at = self._now()
        scrape.up = found.status == 200
        scrape.error = found.error or ("" if scrape.up else f"status {found.status}")
        if scrape.up:
            scrape.values = scrape.meter.read(scrape.at, found.body.decode("utf-8", errors="replace"))
            scrape.ok_at = scrape.at
        else:
            scrape.meter.forget()
            scrape.values = {}

    async def _poll_check(self, check: _Check) -> None:
        probe = check.probe
        check.last = await (self._poller.check(probe) if isinstance(probe, HttpProbe) else check_tcp(probe))
        check.at = self._now()

    async def _poll_status(self, status: _Status) -> None:
        if status.url.startswith("pidfile:"):
            (name,) = status.services
            row = await PidFileProcess(Path(status.url.removeprefix("pidfile:"))).state()
            status.rows = {name: process_facts(row)}
            status.at = self._now()
            return
        found = await self._poller.get(status.url, timeout_s=SCRAPE_TIMEOUT_S, token=status.token)
        if found.status != 200:
            return
        listed = json.loads(found.body).get("processes", [])
        status.rows = {str(row.get("name")): process_facts(row) for row in listed if isinstance(row, dict)}
        status.at = self._now()

    async def _poll_schema(self, name: str) -> None:
        service = self._inventory.service(name)
        assert service is not None
        target = Target(
            service=service,
            inventory=self._inventory,
            env=self._env,
            root=self._root,
            versions=self._versions,
            clock=self._clock,
        )
        try:
            facts = await revision_facts(target, admin=False)
        except FirebreakError:
            return
        current = str(facts.get("current") or "")
        before, self._schemas[name] = self._schemas[name], current
        if before and current != before:
            self._schema_changes.append(migration_change(name, before, current, self._now()))

    # ---- the tick

    async def tick(self) -> None:
        """Gather the newest answers, judge, write. A store that cannot be written loses a tick, not the collector."""
        now = float(round(self._now()))
        self._ticks += 1
        points = self._gather(now)
        for service, values in points.items():
            self._recent.add(now, service, values)
        changes = [c for w in self._configs if w.touched() and (c := await w.look(now)) is not None]
        for watch in self._configs:
            healthy = self._healthy(watch.service, points)
            await watch.note_health(now, healthy=healthy, started_at=self._read_config_at(watch.service, points))
        changes += self._schema_changes
        self._schema_changes = []
        notification = self._book.tick(self._recent, now)
        async with self._lock:
            try:
                await asyncio.to_thread(self._write, now, points, changes, notification)
            except Exception as error:
                log.error("collector.write_failed", error=type(error).__name__, detail=str(error)[:200])
                self._writer.rollback()
        if notification is not None:
            log.info("collector.alerts", status=notification["status"], alerts=len(notification["alerts"]))
            self._mail.set()

    def _gather(self, now: float) -> dict[str, dict[str, float]]:
        points: dict[str, dict[str, float]] = {s.name: {} for s in self._inventory.services}
        for scrape in self._scrapes:
            own = points[scrape.service.name]
            fresh = scrape.up and now - scrape.at <= STALE_S
            own |= scrape.values if fresh else {}
            own[roles.SCRAPE_UP] = float(fresh)
            self._freshness(scrape, own, now, fresh=fresh)
        for check in self._checks:
            if check.last is not None and now - check.at <= STALE_S + _period(check.probe):
                own = points[check.service]
                own[named(roles.PROBE_UP, probe=check.probe.name)] = float(check.last.ok)
                own[named(roles.PROBE_MS, probe=check.probe.name)] = check.last.ms
        for status in self._statuses:
            if now - status.at > STALE_S:
                continue
            for name, service in status.services.items():
                facts = status.rows.get(name)
                if facts is not None:
                    self._started[service], self._up[service] = facts.started_at, facts.running
                    points[service][roles.PROCESS_UP] = float(facts.running)
                    points[service][roles.PROCESS_RESTARTS] = float(facts.restarts)
        return points

    def _read_config_at(self, service: str, points: Mapping[str, Mapping[str, float]]) -> float | None:
        """When the process last read its configuration: at its start, or later when it says so (Prometheus' own convention)."""
        started, reloaded = self._started.get(service), points[service].get(roles.CONFIG_RELOADED)
        return max(started, reloaded) if started is not None and reloaded is not None else started

    def _freshness(self, scrape: _Scrape, own: dict[str, float], now: float, *, fresh: bool) -> None:
        """How far behind: what the service says itself, plus how long it has said nothing."""
        if not any(slo.sli == "freshness" for slo in scrape.service.slos) or not scrape.ok_at:
            return
        silent = 0.0 if fresh else now - scrape.ok_at
        own[roles.FRESHNESS] = own.get(roles.FRESHNESS, 0.0) + max(0.0, silent)

    def _healthy(self, service: str, points: Mapping[str, Mapping[str, float]]) -> bool:
        """The process runs, its own checks and all checks that users' paths depend on pass."""
        if self._up.get(service) is False:
            return False
        dependants = {service, *self._inventory.dependants(service)}
        seen = [
            value
            for name in dependants
            for metric, value in points.get(name, {}).items()
            if roles.plain(metric) == roles.PROBE_UP
        ]
        return all(value > 0 for value in seen) and (bool(seen) or self._up.get(service) is True)

    def _write(self, now: float, points: Mapping[str, Mapping[str, float]], changes: list[Any], mail: Any) -> None:
        writer = self._writer
        for service, values in points.items():
            gone = self._silent(service, values)
            writer.points(now, service, values, gone)
        self._follow(now)
        self._note_states(now)
        if changes:
            writer.changes(changes)
        if mail is not None:
            writer.enqueue(json.dumps(mail, separators=(",", ":")).encode(), now)
        if mail is not None or self._ticks % 5 == 0:
            writer.keep_fact(_ALERTS_FACT, self._book.dump(), now)
            configs = {w.service: w.known for w in self._configs}
            writer.keep_fact(_SEEN_FACT, {"configs": configs, "schemas": self._schemas}, now)
        self._account(now)
        writer.commit(now)
        if self._ticks % 60 == 0:
            writer.prune(now)

    def _silent(self, service: str, values: Mapping[str, float]) -> set[str]:
        before = self._written.get(service, frozenset())
        self._written[service] = frozenset(values)
        return set(before) - values.keys()

    def _account(self, now: float) -> None:
        """Count budget seconds; write them each ten seconds and the page's rows each two."""
        for key, (bad, total) in self._book.spent_now(self._recent, now).items():
            before = self._spent.get(key, (0.0, 0.0))
            self._spent[key] = (before[0] + bad, before[1] + total)
        if self._ticks % 10 == 0:
            for key, (bad, total) in self._spent.items():
                self._writer.count(key, now, bad=bad, total=total)
            self._spent = {}
            for objective in self._book.objectives:
                bad, total = self._writer.spent(objective.key, now, objective.window_s)
                self._left[objective.key] = (
                    round(1.0 - bad / (objective.budget * objective.window_s), 4) if total else None
                )
        if self._ticks % 2 == 0:
            rows = [asdict(row) for row in self._book.readings(self._recent, now, self._left)]
            self._writer.keep_fact(SLI_FACT, rows, now)

    def _note_states(self, now: float) -> None:
        for status in self._statuses:
            for name, service in status.services.items():
                facts = status.rows.get(name)
                if facts is None:
                    continue
                row = facts_row(facts)
                if row == self._states.get(service):
                    continue
                note = process_note(service, self._states.get(service), facts, now)
                self._states[service] = row
                self._writer.state(now, service, row)
                if note is not None:
                    self._writer.logs([note])

    def _follow(self, now: float) -> None:
        for followed in self._files:
            tail = followed.tail
            skipped = tail.skipped
            found = tail.read()
            if found:
                match followed.kind:
                    case "logs":
                        self._writer.logs([lines.log_line(line, followed.service, now) for line in found])
                    case "spans":
                        parsed = [lines.span(line, followed.service) for line in found]
                        self._writer.spans([s for s in parsed if s is not None])
                    case _:
                        read = [lines.change(line) for line in found]
                        self._writer.changes([c for c in read if c is not None])
            if tail.moved:
                self._writer.keep_offset(str(tail.path), tail.inode, tail.position)
            if tail.skipped > skipped and skipped:
                self._writer.logs([_flood(followed, tail.skipped - skipped, now)])

    # ---- deliveries

    async def _deliver_forever(self, app_url: str, token: str) -> None:
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
        now = self._now()
        async with self._lock:
            mail = await asyncio.to_thread(self._writer.due, now)
        if mail is None:
            return 1.0
        found = await self._poller.post(url, mail.body, timeout_s=5.0, token=token, delivery=f"collector-{mail.id}")
        async with self._lock:
            if 200 <= found.status < 300 or found.status in _HOPELESS:
                if found.status in _HOPELESS:
                    log.error(
                        "collector.delivery_refused",
                        status=found.status,
                        answer=redact(found.body[:300].decode(errors="replace")),
                    )
                await asyncio.to_thread(self._writer.delivered, mail.id)
                return 0.0
            delay = found.retry_after if found.retry_after is not None else min(10.0, 0.5 * 2 ** min(mail.attempts, 5))
            error = found.error or f"status {found.status}"
            await asyncio.to_thread(self._writer.postpone, mail.id, self._now() + delay, error)
        log.warning("collector.delivery_postponed", error=error, seconds=delay)
        return min(delay, 1.0)


_HOPELESS = frozenset({400, 413, 415, 422})
"""Trying these again can only give the same answer."""


def _period(probe: Probe) -> float:
    """Seconds between two checks: what users see is looked at each second, what leaves traces every other."""
    if isinstance(probe, HttpProbe):
        return 1.0 if probe.user_facing and probe.method == "GET" else 2.0
    return 3.0


def _flood(followed: _Followed, skipped: int, now: float) -> LogLine:
    return LogLine(
        time=now,
        service=followed.service,
        level="WARNING",
        message=f"{skipped} bytes of {followed.tail.path.name} were passed over: it grows faster than it can be read",
        attributes={"from": "collector"},
    )
