"""Tempo behind the Telemetry port: failed traces first, then some of each part of the window.

The API: https://grafana.com/docs/tempo/latest/api_docs/#search (TraceQL, epoch seconds) and `/api/traces/<id>` (OTLP JSON).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from math import ceil, floor

from domain.bundle import Span, Window
from domain.errors import EvidenceError
from domain.inventory import Inventory
from domain.telemetry import SourceCheck
from tools.telemetry.http_api import Client, HttpApi
from tools.telemetry.metered import quoted
from tools.telemetry.naming import Traced
from tools.telemetry.sampling import slices, thinned_spans
from tools.telemetry.telling import RECENT_S, TellsNothing, checked
from tools.telemetry.trace_documents import span_objects, span_of

MOST_TRACES = 160
"""Traces fetched in one reading: each is a request."""
_ID = re.compile(r"[0-9a-fA-F]{1,32}")


class TempoTelemetry(TellsNothing):
    """Spans of the inventory's services, and of whom else takes part in their traces.

    Raises EvidenceError when the server cannot be asked, AuthError when it refuses us; what could not be read in time is
    in `gaps`.
    """

    def __init__(self, api: HttpApi, inventory: Inventory) -> None:
        self._api, self._inventory = api, inventory
        self._traced = Traced(inventory)

    async def spans(self, window: Window, *, services: Sequence[str] = (), limit: int = 2000) -> list[Span]:
        """See the port. Traces that failed may take a quarter of what is fetched."""
        deadline = asyncio.get_running_loop().time() + self._api.timeout_s
        async with self._api.client() as client:
            ids = await self._chosen(client, window, services, deadline)
            answers = await asyncio.gather(*(self._trace(client, i, deadline) for i in ids))
        missed = sum(answer is None for answer in answers)
        self.gaps = (f"no spans of {missed} of {len(ids)} traces: nothing in time",) if missed else ()
        found = [span for answer in answers for span in answer or ()]
        inside = [s for s in found if window[0] <= s.start <= window[1] and (not services or s.service in services)]
        return thinned_spans(sorted(inside, key=lambda s: s.start), limit)

    async def check(self, now: float) -> SourceCheck:
        """See `Checkable`."""
        newest: dict[str, float] = {}
        async with self._api.client() as client:
            for name in self._inventory.names():
                for _, start in await self._search(client, self._among([name]), (now - RECENT_S, now), 1):
                    newest[name] = start
        return checked("Tempo, traces", newest, self._inventory.names(), now)

    async def _chosen(self, client: Client, window: Window, services: Sequence[str], deadline: float) -> list[str]:
        """Ids of traces: failed ones, then of each part of the window, each once."""
        whose = self._among(services or self._inventory.names())
        parts = slices(window)
        asked = [(f"{whose} && status = error", window, MOST_TRACES // 4)]
        asked += [(whose, part, (MOST_TRACES - MOST_TRACES // 4) // len(parts)) for part in parts]
        try:
            async with asyncio.timeout_at(deadline):
                answers = await asyncio.gather(*(self._search(client, *one) for one in asked))
        except TimeoutError:
            raise self._api.silent(f"nothing within {self._api.timeout_s:g} s") from None
        return list(dict.fromkeys(trace for answer in answers for trace, _ in answer))

    async def _search(self, client: Client, condition: str, window: Window, limit: int) -> list[tuple[str, float]]:
        """(trace id, start in epoch seconds) of traces that meet a condition."""
        asked = {
            "q": "{ " + condition + " }",
            "start": str(floor(window[0])),
            "end": str(ceil(window[1])),
            "limit": str(limit),
        }
        body = await self._api.wanted(client, "/api/search", asked)
        rows = body.get("traces") or []
        return [
            (str(row["traceID"]), int(row.get("startTimeUnixNano") or 0) / 1e9)
            for row in rows
            if isinstance(row, dict) and _ID.fullmatch(str(row.get("traceID")))
        ]

    async def _trace(self, client: Client, trace: str, deadline: float) -> list[Span] | None:
        """One trace's spans; None when it did not come in time."""
        try:
            async with asyncio.timeout_at(deadline):
                body = await self._api.wanted(client, f"/api/traces/{trace}", {})
        except (TimeoutError, EvidenceError):
            return None
        try:
            return [self._traced.named(span_of(row, service)) for _, row, service in span_objects(body)]
        except (ValueError, TypeError, KeyError, AttributeError):
            return None

    def _among(self, services: Sequence[str]) -> str:
        """A TraceQL condition: a span of one of these services."""
        names = "|".join(re.escape(self._traced.outside(s)) for s in services)
        return f'resource.service.name =~ "{quoted(names)}"'
