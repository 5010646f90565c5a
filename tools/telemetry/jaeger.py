"""Jaeger behind the Telemetry port: failed traces first, then some of each part of the window, service by service.

The API behind Jaeger's own pages (https://www.jaegertracing.io/docs/latest/apis/#http-json): `/api/traces` in microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from domain.bundle import Span, Window
from domain.inventory import Inventory, Service
from domain.telemetry import SourceCheck
from tools.telemetry.http_api import Client, HttpApi, side_by_side
from tools.telemetry.naming import Traced
from tools.telemetry.sampling import slices, thinned_spans
from tools.telemetry.telling import RECENT_S, TellsNothing, checked
from tools.telemetry.trace_documents import span_objects, span_of

PARTS = 4
MOST_TRACES = 25
"""Traces of one answer; of each service failed ones and one answer per part of the window."""


class JaegerTelemetry(TellsNothing):
    """Spans of the inventory's services, and of whom else takes part in their traces.

    Raises EvidenceError when the server cannot be asked, AuthError when it refuses us; what it cannot say about some
    services is in `gaps`.
    """

    def __init__(self, api: HttpApi, inventory: Inventory) -> None:
        self._api, self._inventory = api, inventory
        self._traced = Traced(inventory)

    async def spans(self, window: Window, *, services: Sequence[str] = (), limit: int = 2000) -> list[Span]:
        """See the port."""
        wanted = [s for s in self._inventory.services if not services or s.name in services]
        async with self._api.client() as client:
            found, self.gaps = await side_by_side(
                partial(self._service, client, window),
                wanted,
                timeout_s=self._api.timeout_s,
                name=self._api.name,
                what="spans",
            )
        once = {(s.trace_id, s.span_id): s for s in found if not services or s.service in services}
        inside = [s for s in once.values() if window[0] <= s.start <= window[1]]
        return thinned_spans(sorted(inside, key=lambda s: s.start), limit)

    async def check(self, now: float) -> SourceCheck:
        """See `Checkable`."""
        newest: dict[str, float] = {}
        async with self._api.client() as client:
            for service in self._inventory.services:
                spans = await self._traces(client, service, (now - RECENT_S, now), 1)
                newest |= {service.name: max(s.start for s in spans)} if spans else {}
        return checked("Jaeger, traces", newest, self._inventory.names(), now)

    async def _service(self, client: Client, window: Window, service: Service) -> list[Span]:
        found = await self._traces(client, service, window, MOST_TRACES, tags='{"error":"true"}')
        for part in slices(window, PARTS):
            found += await self._traces(client, service, part, MOST_TRACES)
        return found

    async def _traces(self, client: Client, service: Service, window: Window, limit: int, **more: str) -> list[Span]:
        asked = {
            "service": self._traced.outside(service.name),
            "start": str(int(window[0] * 1e6)),
            "end": str(int(window[1] * 1e6)),
            "limit": str(limit),
            **more,
        }
        return self._spans(await self._api.wanted(client, "/api/traces", asked))

    def _spans(self, body: dict[str, Any]) -> list[Span]:
        """Spans of an answer; what is malformed is left out."""
        found = []
        for _, row, service in span_objects(body):
            try:
                found.append(self._traced.named(span_of(row, service)))
            except (ValueError, TypeError, KeyError, AttributeError):
                continue
        return found
