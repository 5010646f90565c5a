"""A real Prometheus (or anything that speaks its HTTP API) behind the Telemetry port.

Raw values come in one range query per service and go through the same meter as our own scrapes, so both sources tell
the same story under the same names. The API: https://prometheus.io/docs/prometheus/latest/querying/api/.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from math import ceil, floor, isfinite
from typing import Any

import httpx

from domain.alert import Change
from domain.bundle import LogLine, Series, Span, Window
from domain.errors import AuthError, EvidenceError, FirebreakError
from domain.inventory import Inventory, Service
from tools.telemetry import roles
from tools.telemetry.exposition import label_text
from tools.telemetry.meter import WINDOW_S, Meter
from tools.telemetry.roles import plain

MAX_POINTS = 900
TIMEOUT_S = 10.0
"""Seconds that all services together may take; who has not answered by then is a gap."""
AT_ONCE = 8
"""Connections to one server."""
_TARGET_LABELS = ("job", "instance", "__name__")


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
    ) -> None:
        self._url = url.rstrip("/")
        self._inventory = inventory
        self._headers = dict(headers or {}) | ({"authorization": f"Bearer {token}"} if token else {})
        self._transport = transport
        self._timeout_s = timeout_s
        self.gaps: tuple[str, ...] = ()
        """Which services were silent at the last reading, and why."""

    async def series(
        self, window: Window, *, services: Sequence[str] = (), metrics: Sequence[str] = ()
    ) -> list[Series]:
        """See the port."""
        wanted = [s for s in self._inventory.services if not services or s.name in services]
        names = frozenset(metrics)
        async with self._client() as client:
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
        async with self._client() as client:
            facts = await self._ask(client, "/api/v1/status/buildinfo", {})
            counts = await asyncio.gather(*(self._count(client, s) for s in self._inventory.services))
        unseen = [s.name for s, count in zip(self._inventory.services, counts, strict=True) if not count]
        return {"version": facts.get("version", ""), "without_series": unseen}

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            headers=self._headers,
            timeout=self._timeout_s,
            limits=httpx.Limits(max_connections=AT_ONCE),
            transport=self._transport,
            trust_env=False,
            follow_redirects=False,
        )

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
            return self._silent(f"nothing within {self._timeout_s:g} s")

    async def _count(self, client: httpx.AsyncClient, service: Service) -> list[Any]:
        found = await self._ask(client, "/api/v1/query", {"query": f"count({selector(service)})"})
        return found.get("result") or []

    async def _service(self, client: httpx.AsyncClient, service: Service, window: Window) -> list[Series]:
        step = max(1, ceil((window[1] - window[0]) / MAX_POINTS))
        query = {
            "query": selector(service),
            "start": str(floor(window[0] - max(WINDOW_S, 2.0 * step))),
            "end": str(ceil(window[1])),
            "step": str(step),
        }
        answer = await self._ask(client, "/api/v1/query_range", query)
        return _metered(service, answer.get("result") or [], window)

    async def _ask(self, client: httpx.AsyncClient, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        try:
            response = await client.get(self._url + path, params=dict(query))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._silent(str(error) or type(error).__name__) from error
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

    def _silent(self, found: str) -> EvidenceError:
        return EvidenceError(
            "Prometheus does not answer",
            expected=f"its HTTP API at {self._url.partition('://')[2] or self._url}",
            found=found,
            hint="check PROMETHEUS_URL (or the connector in firebreak.yaml)",
        )


def selector(service: Service) -> str:
    """PromQL that picks a service's series."""
    chosen = service.telemetry.selector or {"job": service.name}
    inside = ",".join(f'{name}="{_quoted(value)}"' for name, value in sorted(chosen.items()))
    return "{" + inside + "}"


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _metered(service: Service, result: Iterable[Mapping[str, Any]], window: Window) -> list[Series]:
    """Replay raw values through a meter, moment by moment."""
    rows = [(row["metric"], row["values"]) for row in result]
    dropped = _constant_labels([labels for labels, _ in rows], service)
    moments: dict[float, list[tuple[str, float]]] = {}
    up: dict[float, float] = {}
    for labels, values in rows:
        name = str(labels.get("__name__", ""))
        kept = tuple(sorted((k, v) for k, v in labels.items() if k not in dropped))
        key = name + label_text(tuple((k, _quoted(v)) for k, v in kept))
        for t, text in values:
            value = float(text)
            if name == "up":
                up[float(t)] = min(value, up.get(float(t), 1.0))
            elif isfinite(value):
                moments.setdefault(float(t), []).append((key, value))
    types = _types({str(labels.get("__name__", "")) for labels, _ in rows})
    meter = Meter(service.telemetry.roles)
    found: dict[str, tuple[list[float], list[float]]] = {}
    for t in sorted(moments.keys() | up.keys()):
        points = meter.feed(t, moments.get(t, ()), lambda: types)
        if t in up:
            points[roles.SCRAPE_UP] = up[t]
        if not window[0] <= t <= window[1]:
            continue
        for metric, value in points.items():
            times, values_ = found.setdefault(metric, ([], []))
            times.append(t)
            values_.append(value)
    return [
        Series(service=service.name, metric=metric, times=tuple(times), values=tuple(values_))
        for metric, (times, values_) in sorted(found.items())
    ]


def _constant_labels(label_sets: Sequence[Mapping[str, str]], service: Service) -> set[str]:
    """Labels that only say which target it was."""
    candidates = {*_TARGET_LABELS, *service.telemetry.selector}
    return {n for n in candidates if n == "__name__" or len({labels.get(n) for labels in label_sets}) <= 1}


def _types(names: Iterable[str]) -> dict[str, str]:
    """Kinds by the naming conventions; the API's range answers do not carry them."""
    listed = set(names)
    found: dict[str, str] = {}
    for name in listed:
        if name.endswith("_bucket"):
            found[name.removesuffix("_bucket")] = "histogram"
        elif name.endswith("_total"):
            found[name] = "counter"
        elif not name.endswith(("_sum", "_count")):
            found.setdefault(name, "gauge")
    for name in listed:
        family = name.removesuffix("_sum").removesuffix("_count")
        if family != name and family not in found:
            found[name] = "counter" if {f"{family}_sum", f"{family}_count"} <= listed else "gauge"
    return found
