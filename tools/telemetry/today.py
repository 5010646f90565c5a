"""A service's present error ratio, latency and traffic from a Prometheus, per route, by the names that its metrics have.

Asked are the request duration histogram of the service (Prometheus client libraries, OpenTelemetry's
`http_server_request_duration_seconds`) and, where that carries no status, its request counter.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from domain.baseline import Baseline, RouteBaseline
from domain.errors import EvidenceError
from tools.telemetry.http_api import Client
from tools.telemetry.metered import quoted
from tools.telemetry.prometheus import PrometheusApi
from tools.telemetry.roles import ROUTE_LABELS, STATUS_LABELS, Role, is_health_route, is_server_error, pick, role_of

ROUTES = 20
_LABELS = ", ".join((*ROUTE_LABELS, *STATUS_LABELS))
_ROUTE = ", ".join(ROUTE_LABELS)
Counts = dict[tuple[str, str], float]
"""(route, status) → requests."""


class PrometheusToday:
    """One service's series, picked by labels. `now` in epoch seconds."""

    def __init__(self, api: PrometheusApi, chosen: Mapping[str, str], window_s: float, now: float) -> None:
        self._api, self._window, self._now = api, window_s, now
        self._inside = ",".join(f'{name}="{quoted(value)}"' for name, value in sorted(chosen.items()))

    async def read(self) -> Baseline:
        """Raises EvidenceError when the server has no requests of this service, or cannot be asked."""
        async with self._api.api.client() as client:
            names = await self._names(client)
            histogram = next((n for n in names if n.endswith("_bucket") and _is(n, Role.LATENCY)), "")
            counter = next((n for n in names if _is(n, Role.TRAFFIC)), "")
            counts = await self._counts(client, histogram.removesuffix("_bucket") + "_count") if histogram else {}
            if counter and not any(status for _, status in counts):
                counts = await self._counts(client, counter)
            if sum(counts.values()) <= 0:
                raise self._nothing(names)
            scale = 1.0 if histogram.endswith(("_milliseconds_bucket", "_ms_bucket")) else 1000.0
            whole = [
                await self._quantile(client, histogram, q, scale) if histogram else None for q in (0.5, 0.95, 0.99)
            ]
            tails = await self._tails(client, histogram, scale) if histogram else {}
        return self._baseline(counts, whole, tails)

    async def _names(self, client: Client) -> list[str]:
        rows = await self._ask(client, f"count by (__name__) ({{{self._inside}}})")
        return sorted(str(row["metric"].get("__name__", "")) for row in rows)

    async def _counts(self, client: Client, name: str) -> Counts:
        rows = await self._ask(client, f"sum by ({_LABELS}) (increase({name}{{{self._inside}}}[{self._window:.0f}s]))")
        found: Counts = {}
        for row in rows:
            labels = tuple(sorted(row["metric"].items()))
            route, value = pick(labels, ROUTE_LABELS), float(row["value"][1])
            if value > 0 and not is_health_route(route):
                key = (route, pick(labels, STATUS_LABELS))
                found[key] = found.get(key, 0.0) + value
        return found

    async def _quantile(self, client: Client, histogram: str, share: float, scale: float) -> float | None:
        rate = f"increase({histogram}{{{self._inside}}}[{self._window:.0f}s])"
        rows = await self._ask(client, f"histogram_quantile({share}, sum by (le) ({rate}))")
        return _finite(rows[0], scale) if rows else None

    async def _tails(self, client: Client, histogram: str, scale: float) -> dict[str, float | None]:
        rate = f"increase({histogram}{{{self._inside}}}[{self._window:.0f}s])"
        rows = await self._ask(client, f"histogram_quantile(0.95, sum by (le, {_ROUTE}) ({rate}))")
        return {pick(tuple(sorted(row["metric"].items())), ROUTE_LABELS): _finite(row, scale) for row in rows}

    async def _ask(self, client: Client, query: str) -> list[dict[str, Any]]:
        data = await self._api.ask(client, "/api/v1/query", {"query": query, "time": f"{self._now:.3f}"})
        return [row for row in data.get("result") or [] if isinstance(row, dict)]

    def _baseline(self, counts: Counts, whole: list[float | None], tails: Mapping[str, float | None]) -> Baseline:
        told = any(status for _, status in counts)
        requests = sum(counts.values())
        routes = sorted({route for route, _ in counts if route}, key=lambda r: -_all(counts, r))[:ROUTES]
        return Baseline(
            source=f"{self._api.api.url} {{{self._inside}}}",
            since=datetime.fromtimestamp(self._now - self._window, tz=UTC),
            until=datetime.fromtimestamp(self._now, tz=UTC),
            requests=requests,
            qps=requests / self._window,
            error_percent=_percent(counts) if told else None,
            p50_ms=whole[0],
            p95_ms=whole[1],
            p99_ms=whole[2],
            routes=[
                RouteBaseline(
                    route=route,
                    requests=_all(counts, route),
                    error_percent=_percent({k: v for k, v in counts.items() if k[0] == route}),
                    p95_ms=tails.get(route),
                )
                for route in routes if told
            ],
        )  # fmt: skip

    def _nothing(self, names: list[str]) -> EvidenceError:
        return EvidenceError(
            "there is no baseline: nobody counted a request",
            expected=f"a request histogram or counter with {{{self._inside}}} and requests in {self._window:.0f} s",
            found=", ".join(names[:8]) or "no series at all",
            hint="give the figures in the context, or name the service as its `job` label does (--service)",
        )


def _is(name: str, role: Role) -> bool:
    return role_of(name.removesuffix("_bucket"), {}) is role


def _all(counts: Counts, route: str) -> float:
    return sum(value for (name, _), value in counts.items() if name == route)


def _percent(counts: Counts) -> float:
    whole = sum(counts.values())
    return min(100.0, 100.0 * sum(v for (_, status), v in counts.items() if is_server_error(status)) / whole)


def _finite(row: Mapping[str, Any], scale: float) -> float | None:
    value = float(row["value"][1])
    return scale * value if value == value and abs(value) != float("inf") else None
