"""Loki behind the Telemetry port: bounded range queries per service, paged, severe lines asked for by themselves.

The API: https://grafana.com/docs/loki/latest/reference/loki-http-api/#query-logs-within-a-range-of-time (nanoseconds as
text, then the line, then structured metadata where the server keeps some).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import inf
from typing import Any

from domain.bundle import LogLine, Window
from domain.errors import EvidenceError
from domain.inventory import Inventory, Service
from domain.telemetry import SourceCheck
from tools.telemetry.http_api import Client, HttpApi, side_by_side
from tools.telemetry.lines import level_of, log_line
from tools.telemetry.metered import quoted
from tools.telemetry.sampling import read_lines, thinned
from tools.telemetry.telling import RECENT_S, TellsNothing, checked

PAGE = 1000
"""Lines of one answer; servers refuse more than 5000 (`max_entries_limit_per_query`)."""
SEVERE = "(?i)(error|fatal|panic|critical|exception|traceback|warn|denied|refused|timed? ?out)"
"""What makes a line severe for the server: it knows no levels of what it does not parse."""
_LEVELS = ("level", "detected_level", "severity")
_TRACES = ("trace_id", "traceID", "traceId")


class LokiTelemetry(TellsNothing):
    """Log lines of the inventory's services. It has no series, spans or changes to tell.

    A service's streams are those that `telemetry.loki` picks, by default `{<label>="<name>"}`. Raises EvidenceError when
    the server cannot be asked, AuthError when it refuses us; what it cannot say about some services is in `gaps`.
    """

    def __init__(self, api: HttpApi, inventory: Inventory, *, label: str = "service_name") -> None:
        self._api, self._inventory, self._label = api, inventory, label

    async def logs(self, window: Window, *, services: Sequence[str] = (), limit: int = 2000) -> list[LogLine]:
        """See the port. Each service may have `limit` lines before all of them are thinned together."""
        wanted = [s for s in self._inventory.services if not services or s.name in services]
        async with self._api.client() as client:
            found, self.gaps = await side_by_side(
                lambda service: read_lines(partial(self._newest, client, service), window, limit),
                wanted,
                timeout_s=self._api.timeout_s,
                name=self._api.name,
                what="logs",
            )
        return thinned(sorted(found, key=lambda line: line.time), limit)

    async def check(self, now: float) -> SourceCheck:
        """See `Checkable`."""
        newest: dict[str, float] = {}
        async with self._api.client() as client:
            for service in self._inventory.services:
                lines = await self._page(client, self._query(service, False), service, (now - RECENT_S, now), 1)
                newest |= {line.service: line.time for line in lines}
        return checked("Loki, lines", newest, self._inventory.names(), now)

    async def _newest(
        self, client: Client, service: Service, window: Window, limit: int, severe: bool
    ) -> list[LogLine]:
        """The newest lines, page by page backwards; lines of a page's last moment come again and count once."""
        query, found, until = self._query(service, severe), dict[tuple[float, str], LogLine](), window[1]
        while len(found) < limit:
            size = min(PAGE, limit - len(found) + 1)
            page = await self._page(client, query, service, (window[0], until), size)
            before = len(found)
            found |= {(line.time, line.message): line for line in page}
            if len(page) < size or len(found) == before:
                break
            until = min(line.time for line in page)
        return sorted(found.values(), key=lambda line: -line.time)[:limit]

    async def _page(self, client: Client, query: str, service: Service, window: Window, limit: int) -> list[LogLine]:
        start, end = int(window[0] * 1e9), int(window[1] * 1e9) + 1  # the end is exclusive
        asked = {
            "query": query,
            "start": str(start),
            "end": str(end),
            "limit": str(limit),
            "direction": "backward",
        }
        body = await self._api.wanted(client, "/loki/api/v1/query_range", asked)
        return [_line(labels, entry, service.name) for labels, entry in _entries(body)]

    def _query(self, service: Service, severe: bool) -> str:
        chosen = service.telemetry.loki or {self._label: service.name}
        inside = ",".join(f'{name}="{quoted(value)}"' for name, value in sorted(chosen.items()))
        return f"{{{inside}}}" + (f" |~ `{SEVERE}`" if severe else "")


def _entries(body: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, str], Sequence[Any]]]:
    data = body.get("data")
    if body.get("status") != "success" or not isinstance(data, dict) or data.get("resultType") != "streams":
        raise EvidenceError(
            "Loki answers something else", expected="log streams (resultType streams)", found=str(body)[:200]
        )
    for stream in data.get("result") or []:
        labels = stream.get("stream") or {}
        yield from ((labels, entry) for entry in stream.get("values") or [])


def _line(labels: Mapping[str, str], entry: Sequence[Any], service: str) -> LogLine:
    known = {**labels, **(entry[2] if len(entry) > 2 and isinstance(entry[2], dict) else {})}
    line = log_line(str(entry[1]).encode(), service, inf)
    level = next((known[k] for k in _LEVELS if known.get(k) and known[k] != "unknown"), "")
    return replace(
        line,
        time=int(entry[0]) / 1e9,
        level=line.level or level_of(level),
        trace_id=line.trace_id or next((str(known[k]) for k in _TRACES if known.get(k)), ""),
        span_id=line.span_id or str(known.get("span_id", "")),
    )
