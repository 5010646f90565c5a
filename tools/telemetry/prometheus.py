"""A real Prometheus (or anything that speaks its HTTP API) behind the Telemetry port.

Raw values come in one range query per service and go through the same meter as our own scrapes, so both sources tell
the same story under the same names. The API: https://prometheus.io/docs/prometheus/latest/querying/api/.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from math import ceil, floor
from typing import Any

import httpx

from domain.alert import Change
from domain.bundle import LogLine, Series, Span, Window
from domain.clock import SystemClock
from domain.errors import AuthError, CircuitOpenError, EvidenceError, FirebreakError
from domain.inventory import Inventory, Service
from governance.health import Breaker
from tools.telemetry.meter import WINDOW_S
from tools.telemetry.metered import metered, quoted
from tools.telemetry.roles import plain

MAX_POINTS = 900
TIMEOUT_S = 10.0
"""Seconds that all services together may take; who has not answered by then is a gap."""
AT_ONCE = 8
"""Connections to one server."""


class PrometheusApi:
    """The HTTP API of one server. `headers` may carry a tenant (`X-Scope-OrgID`)."""

    def __init__(
        self,
        url: str,
        *,
        token: str = "",
        headers: Mapping[str, str] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        timeout_s: float = TIMEOUT_S,
        breaker: Breaker | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._headers = dict(headers or {}) | ({"authorization": f"Bearer {token}"} if token else {})
        self._transport = transport
        self._timeout_s = timeout_s
        self._breaker = breaker or Breaker("prometheus", SystemClock())

    def client(self) -> httpx.AsyncClient:
        """A connection for several questions; close it."""
        return httpx.AsyncClient(
            headers=self._headers,
            timeout=self._timeout_s,
            limits=httpx.Limits(max_connections=AT_ONCE),
            transport=self._transport,
            trust_env=False,
            follow_redirects=False,
        )

    async def query_range(self, query: str, window: Window, step: float) -> dict[str, Any]:
        """The `data` of one range query; `step` in seconds."""
        asked = {"query": query, "start": str(window[0]), "end": str(window[1]), "step": str(step)}
        async with self.client() as client:
            return await self.ask(client, "/api/v1/query_range", asked)

    async def instant(self, query: str) -> list[float]:
        """The values of one instant query now, of a scalar or of every series of a vector; NaN is left out."""
        async with self.client() as client:
            data = await self.ask(client, "/api/v1/query", {"query": query})
        found = data.get("result", [])
        rows = [found] if data.get("resultType") == "scalar" else [row.get("value", [0, "nan"]) for row in found]
        values = [float(row[1]) for row in rows]
        return [v for v in values if v == v]

    async def ask(self, client: httpx.AsyncClient, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        """The `data` of one answer. Raises EvidenceError, or AuthError when the server refuses us."""
        try:
            async with self._breaker.watching(httpx.HTTPError):
                response = await client.get(self._url + path, params=dict(query))
        except CircuitOpenError as error:
            raise self.silent(error.message) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self.silent(str(error) or type(error).__name__) from error
        if response.status_code in {401, 403}:
            raise AuthError(
                "Prometheus refuses our token", expected="a token that may read", found=str(response.status_code)
            )
        try:
            body = response.json()
            data = body["data"]
        except (ValueError, KeyError, TypeError) as error:
            detail = response.text[:200]
            raise EvidenceError(
                "Prometheus answers something else",
                expected="the JSON of its HTTP API",
                found=f"status {response.status_code}: {detail}",
            ) from error
        if response.status_code != 200 or body.get("status") != "success":
            raise EvidenceError("Prometheus cannot answer", expected="success", found=str(body.get("error"))[:200])
        return data if isinstance(data, dict) else {"result": data}

    def silent(self, found: str) -> EvidenceError:
        """The error for a server that says nothing."""
        return EvidenceError(
            "Prometheus does not answer",
            expected=f"its HTTP API at {self._url.partition('://')[2] or self._url}",
            found=found,
            hint="check PROMETHEUS_URL (or the connector in firebreak.yaml)",
        )


class PrometheusTelemetry:
    """Series of the inventory's services. It has no logs, spans or changes to tell.

    A service's series are those that `telemetry.selector` picks, by default `{job="<name>"}`. `headers` may carry a
    tenant (`X-Scope-OrgID`). Raises EvidenceError when the server cannot be asked, AuthError when it refuses us; while
    it answers for some services, what it cannot say about the others is in `gaps`.
    """

    def __init__(
        self,
        url: str,
        inventory: Inventory,
        *,
        token: str = "",
        headers: Mapping[str, str] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        timeout_s: float = TIMEOUT_S,
        breaker: Breaker | None = None,
    ) -> None:
        self._inventory = inventory
        self._api = PrometheusApi(
            url, token=token, headers=headers, transport=transport, timeout_s=timeout_s, breaker=breaker
        )
        self._timeout_s = timeout_s
        self.gaps: tuple[str, ...] = ()
        """Which services were silent at the last reading, and why."""

    async def series(
        self, window: Window, *, services: Sequence[str] = (), metrics: Sequence[str] = ()
    ) -> list[Series]:
        """See the port."""
        wanted = [s for s in self._inventory.services if not services or s.name in services]
        names = frozenset(metrics)
        async with self._api.client() as client:
            found = await self._of_all(client, wanted, window)
        return [s for s in found if not names or s.metric in names or plain(s.metric) in names]

    async def logs(self, window: Window, *, services: Sequence[str] = (), limit: int = 2000) -> list[LogLine]:
        """Prometheus keeps no logs."""
        return []

    async def spans(self, window: Window, *, services: Sequence[str] = (), limit: int = 2000) -> list[Span]:
        """Prometheus keeps no spans."""
        return []

    async def changes(self, window: Window) -> list[Change]:
        """Prometheus keeps no changes."""
        return []

    async def ready(self) -> dict[str, Any]:
        """For `doctor`: version, and which services have series now; raises like `series`."""
        async with self._api.client() as client:
            facts = await self._api.ask(client, "/api/v1/status/buildinfo", {})
            counts = await asyncio.gather(*(self._count(client, s) for s in self._inventory.services))
        unseen = [s.name for s, count in zip(self._inventory.services, counts, strict=True) if not count]
        return {"version": facts.get("version", ""), "without_series": unseen}

    async def _of_all(self, client: httpx.AsyncClient, services: Sequence[Service], window: Window) -> list[Series]:
        """Side by side, within one time for all; raises what was wrong when nobody could be read."""
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        answers = await asyncio.gather(*(self._in_time(client, s, window, deadline) for s in services))
        failed = [(s.name, a) for s, a in zip(services, answers, strict=True) if isinstance(a, FirebreakError)]
        if failed and len(failed) == len(services):
            raise failed[0][1]
        self.gaps = tuple(f"no series of {name}: {'; '.join(error.lines())}" for name, error in failed)
        return [one for answer in answers if not isinstance(answer, FirebreakError) for one in answer]

    async def _in_time(
        self, client: httpx.AsyncClient, service: Service, window: Window, deadline: float
    ) -> list[Series] | FirebreakError:
        """A service's series, or why they could not be read."""
        try:
            async with asyncio.timeout_at(deadline):
                return await self._service(client, service, window)
        except FirebreakError as error:
            return error
        except TimeoutError:
            return self._api.silent(f"nothing within {self._timeout_s:g} s")

    async def _count(self, client: httpx.AsyncClient, service: Service) -> list[Any]:
        found = await self._api.ask(client, "/api/v1/query", {"query": f"count({selector(service)})"})
        return found.get("result") or []

    async def _service(self, client: httpx.AsyncClient, service: Service, window: Window) -> list[Series]:
        step = max(1, ceil((window[1] - window[0]) / MAX_POINTS))
        query = {
            "query": selector(service),
            "start": str(floor(window[0] - max(WINDOW_S, 2.0 * step))),
            "end": str(ceil(window[1])),
            "step": str(step),
        }
        answer = await self._api.ask(client, "/api/v1/query_range", query)
        told = service.telemetry
        rows = answer.get("result") or []
        return metered(service.name, rows, window, overrides=told.roles, target_labels=told.selector)


def selector(service: Service) -> str:
    """PromQL that picks a service's series."""
    chosen = service.telemetry.selector or {"job": service.name}
    inside = ",".join(f'{name}="{quoted(value)}"' for name, value in sorted(chosen.items()))
    return "{" + inside + "}"
