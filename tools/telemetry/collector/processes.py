"""States of processes: from a control endpoint, or from pid files. A state that changed is written and noted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domain.clock import Clock
from domain.inventory import Inventory, Service
from tools.process import PidFileProcess
from tools.telemetry import roles
from tools.telemetry.collector.sources import SCRAPE_TIMEOUT_S, STALE_S, Points
from tools.telemetry.http_poll import HttpPoller
from tools.telemetry.sqlite import TelemetryWriter
from tools.telemetry.watch import ProcessFacts, facts_row, process_facts, process_note

PID_FILE = "pidfile:"


@dataclass(slots=True)
class ProcessSource:
    """One place that tells the states of some processes."""

    url: str
    """Of a control endpoint's status, or `pidfile:` and a path."""
    token: str
    poller: HttpPoller
    clock: Clock
    services: dict[str, str] = field(default_factory=dict)
    """Process name → service."""
    period_s: float = 1.0
    at: float = 0.0
    rows: dict[str, ProcessFacts] = field(default_factory=dict)

    async def poll(self) -> None:
        """Ask once; a control endpoint that does not answer says nothing about its processes."""
        if self.url.startswith(PID_FILE):
            (name,) = self.services
            state = await PidFileProcess(Path(self.url.removeprefix(PID_FILE))).state()
            self.rows = {name: process_facts(state)}
        else:
            found = await self.poller.get(self.url, timeout_s=SCRAPE_TIMEOUT_S, token=self.token)
            if found.status != 200:
                return
            listed = json.loads(found.body).get("processes", [])
            self.rows = {str(row.get("name")): process_facts(row) for row in listed if isinstance(row, dict)}
        self.at = self.clock.now().timestamp()

    def add_to(self, points: Points, now: float) -> None:
        """Running or not, and how often it was started again."""
        for service, facts in self.known().items():
            if now - self.at <= STALE_S:
                points[service][roles.PROCESS_UP] = float(facts.running)
                points[service][roles.PROCESS_RESTARTS] = float(facts.restarts)

    def known(self) -> dict[str, ProcessFacts]:
        """Service → what was said last, however old."""
        return {service: self.rows[name] for name, service in self.services.items() if name in self.rows}


class Processes:
    """All of them, with the states that were written last."""

    def __init__(self, sources: list[ProcessSource]) -> None:
        self.sources = sources
        self._written: dict[str, Mapping[str, Any]] = {}

    def recover(self, writer: TelemetryWriter) -> None:
        """Go on with the states of the last run."""
        for source in self.sources:
            for service in source.services.values():
                state = writer.last_state(service)
                if state is not None:
                    self._written[service] = state

    def facts(self, service: str) -> ProcessFacts | None:
        """What is known of a service's process."""
        found = [source.known()[service] for source in self.sources if service in source.known()]
        return found[-1] if found else None

    def write(self, writer: TelemetryWriter, now: float) -> None:
        """Store each state that changed, with a line that says so."""
        for source in self.sources:
            for service, facts in source.known().items():
                row = facts_row(facts)
                before = self._written.get(service)
                if row == before:
                    continue
                note = process_note(service, before, facts, now)
                self._written[service] = row
                writer.state(now, service, row)
                if note is not None:
                    writer.logs([note])


def process_sources(
    inventory: Inventory, env: Mapping[str, str], root: Path, poller: HttpPoller, clock: Clock
) -> list[ProcessSource]:
    """One per status endpoint or pid file that the inventory names; an endpoint may tell of many processes."""
    found: dict[str, ProcessSource] = {}
    for service in inventory.services:
        url = _where(service, root)
        if not url:
            continue
        binding = service.bindings["process"]
        token = env.get(str(binding.options.get("read_token_env") or ""), "")
        source = found.setdefault(url, ProcessSource(url=url, token=token, poller=poller, clock=clock))
        source.services[binding.url.rstrip("/").rpartition("/")[2] or service.name] = service.name
    return list(found.values())


def _where(service: Service, root: Path) -> str:
    binding = service.bindings.get("process")
    if binding is None:
        return ""
    url = str(binding.options.get("status_url") or "")
    if not url and binding.via == "process" and binding.path:
        return f"{PID_FILE}{root / binding.path}"
    return url
