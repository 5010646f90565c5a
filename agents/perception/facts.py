"""A bundle as rules read it: newest readings, recent logs, who depends on whom, and when 'now' is."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from agents.perception.callgraph import CallGraph
from agents.perception.complaints import SEARCHED, log_text, troubled
from agents.perception.kinds import DATABASE_KINDS, PROXY_KINDS, kind_by_name
from agents.perception.topology import call_edges
from agents.perception.windows import Windows, find_windows
from domain.alert import Change
from domain.bundle import Bundle, LogLine, Reading
from domain.second_opinion import DiffReading

ENOUGH_SPANS = 50
STILL_S = 10.0
"""Seconds for which a probe's answer stands when the same probe cannot tell at the next look."""
RECENT_S = 120.0
"""How far back a log line still speaks about the present, in seconds."""


class Facts:
    """Indexed, read-only view of one bundle. Built once per diagnosis. `diffs_read`: what a mind made of changes' diffs."""

    def __init__(self, bundle: Bundle, diffs_read: Mapping[str, DiffReading] | None = None) -> None:
        self.bundle = bundle
        self.diffs_read: Mapping[str, DiffReading] = diffs_read or {}
        self.windows: Windows = find_windows(bundle)
        newest: dict[tuple[str, str, str], Reading] = {}
        for reading in bundle.readings:
            key = (reading.probe, reading.service, str(reading.values.get("name", "")))
            if key not in newest or supersedes(reading, newest[key]):
                newest[key] = reading
        self._readings: dict[str, list[Reading]] = defaultdict(list)
        self._gaps = [reading for reading in newest.values() if reading.data_gap]
        for reading in newest.values():
            if not reading.data_gap:
                self._readings[reading.probe].append(reading)
        self._kinds = {node.name: node.kind.lower() for node in bundle.nodes}
        edges = call_edges(bundle)
        self._graph = CallGraph(edges, self._passes_on)
        self._clear = CallGraph(edges, lambda s: self._passes_on(s) or s not in self.measured)

    @cached_property
    def now(self) -> float:
        """Time of the newest reading, else the end of the abnormal window."""
        times = [r.time for r in self.bundle.readings]
        return max(times) if times else self.windows.abnormal[1]

    @property
    def mapped(self) -> bool:
        """True when somebody told, or anything showed, who calls whom."""
        return bool(self._graph)

    @property
    def live(self) -> bool:
        """True when probes have looked at the world."""
        return bool(self.bundle.readings)

    def readings(self, probe: str) -> list[Reading]:
        """Newest answer of that probe per service (and probe name); one that could not tell is none."""
        return self._readings.get(probe, [])

    def reading(self, probe: str, service: str) -> Reading | None:
        """Newest answer of that probe about that service."""
        found = [r for r in self.readings(probe) if r.service == service]
        return found[-1] if found else None

    def value(self, probe: str, service: str, key: str, default: Any = None) -> Any:
        """One value of one reading, or the default."""
        reading = self.reading(probe, service)
        return default if reading is None else reading.values.get(key, default)

    def gaps(self) -> list[Reading]:
        """Readings that could not tell."""
        return self._gaps

    @cached_property
    def services(self) -> tuple[str, ...]:
        """What a hypothesis may name."""
        if self.bundle.services:
            return self.bundle.services
        named: dict[str, None] = {}
        for source in (
            self.bundle.readings,
            self.bundle.series,
            self.bundle.logs,
            self.bundle.spans,
            self.bundle.signals,
        ):
            for item in source:
                named.setdefault(item.service, None)
        for node in self.bundle.nodes:
            named.setdefault(node.name, None)
        return tuple(n for n in named if n)

    @cached_property
    def measured(self) -> frozenset[str]:
        """Services of which there is more than words: lines tell that a service runs, not how well it serves."""
        bundle = self.bundle
        parts = (bundle.series, bundle.spans, bundle.signals, bundle.readings)
        return frozenset(item.service for part in parts for item in part)

    @cached_property
    def seen(self) -> frozenset[str]:
        """Services of which anything was observed: a series, a line, a span, an alert or a reading."""
        return self.measured | {line.service for line in self.bundle.logs}

    @cached_property
    def comparable(self) -> bool:
        """Are there spans enough both in normal times and in the trouble?"""
        troubled = sum(self.windows.troubled(s.start) for s in self.bundle.spans)
        return min(troubled, len(self.bundle.spans) - troubled) >= ENOUGH_SPANS

    def kind(self, service: str) -> str:
        """The service's kind in lower case: from the topology, else guessed from its name."""
        return self._kinds.get(service, "") or kind_by_name(service)

    def of_kind(self, kinds: Iterable[str]) -> list[str]:
        """Services of one of these kinds."""
        wanted = set(kinds)
        return [s for s in self.services if self.kind(s) in wanted]

    def _passes_on(self, service: str) -> bool:
        return self.kind(service) in PROXY_KINDS

    def callees(self, service: str) -> list[str]:
        """Direct dependencies, and what stands behind those of them that only pass calls on (proxies, links)."""
        return self._graph.callees(service)

    def callers(self, service: str) -> list[str]:
        """Direct dependants, and those of what only passes their calls on to it."""
        return self._graph.callers(service)

    def seen_callees(self, service: str) -> list[str]:
        """Dependencies of which anything was measured, through those of which nothing was."""
        return [s for s in self._clear.callees(service) if s in self.measured]

    def seen_callers(self, service: str) -> list[str]:
        """Dependants of which anything was measured, through those of which nothing was."""
        return [s for s in self._clear.callers(service) if s in self.measured]

    def between(self, caller: str, callee: str) -> list[str]:
        """What only passes the caller's calls on to the callee."""
        return self._graph.between(caller, callee)

    def dependencies(self, service: str) -> set[str]:
        """Everything `service` depends on, directly or not, without itself."""
        return self._graph.dependencies(service)

    def dependants(self, service: str) -> set[str]:
        """Everything that depends on `service`, directly or not, without itself."""
        return self._graph.dependants(service)

    def database_of(self, service: str) -> str:
        """The database `service` uses: the nearest by topology, else the only one known, else ''."""
        databases = self.of_kind(DATABASE_KINDS)
        reachable = [d for d in databases if d in self.dependencies(service)]
        if reachable:
            return reachable[0]
        return databases[0] if len(databases) == 1 else ""

    @cached_property
    def recent_logs(self) -> list[LogLine]:
        """Log lines that speak about the present (live) or the abnormal window (bundle)."""
        start = max(self.windows.abnormal[0] - 5.0, self.now - RECENT_S) if self.live else self.windows.abnormal[0]
        return [line for line in self.bundle.logs if line.time >= start]

    @cached_property
    def complaints(self) -> list[tuple[LogLine, str]]:
        """Recent lines that could speak of trouble, with the text to search; a cheap sieve before the patterns."""
        texts = ((line, log_text(line)[:SEARCHED]) for line in self.recent_logs)
        return [(line, text) for line, text in texts if troubled(text)]

    def logs_like(self, pattern: re.Pattern[str], services: Iterable[str] = ()) -> list[LogLine]:
        """Recent complaining lines whose message or exception text matches."""
        wanted = set(services)
        return [
            line for line, text in self.complaints if (not wanted or line.service in wanted) and pattern.search(text)
        ]

    def logs_naming(self, words: Iterable[str], service: str) -> list[LogLine]:
        """Recent lines of one service that contain one of these words, whatever their case."""
        sought = [w.lower() for w in words if w]
        mine = [line for line in self.recent_logs if line.service == service]
        return [line for line in mine if any(w in log_text(line).lower() for w in sought)]

    def changes(self, service: str = "", kinds: Iterable[str] = ()) -> list[Change]:
        """Recorded changes, newest first."""
        wanted = set(kinds)
        found = [
            c
            for c in self.bundle.changes
            if (not service or c.service in ("", service)) and (not wanted or c.kind in wanted)
        ]
        return sorted(found, key=lambda c: c.time, reverse=True)


def supersedes(reading: Reading, known: Reading) -> bool:
    """Is it the one to believe? The newer one is, but for one that could not tell right after (or before) one that could."""
    if bool(reading.data_gap) != bool(known.data_gap) and abs(reading.time - known.time) <= STILL_S:
        return not reading.data_gap
    return known.time <= reading.time
