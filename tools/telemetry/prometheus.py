"""A real Prometheus (or anything that speaks its HTTP API) behind the Telemetry port.

Raw values come in one range query per service and go through the same meter as our own scrapes, so both sources tell
the same story under the same names. The API: https://prometheus.io/docs/prometheus/latest/querying/api/.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from math import ceil, floor
from typing import Any

from domain.bundle import Series, Window
from domain.errors import EvidenceError
from domain.inventory import Inventory, Service
from domain.telemetry import SourceCheck
from tools.telemetry.http_api import Client, HttpApi, side_by_side
from tools.telemetry.meter import WINDOW_S
from tools.telemetry.metered import metered, quoted
from tools.telemetry.roles import Role, plain, role_of
from tools.telemetry.telling import TellsNothing

MAX_POINTS = 900
MOST_SERIES = 1500
"""Raw series of one service that are read; a histogram has one per bucket and label set."""
_NAME = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")


class PrometheusApi:
    """The query API of one server."""

    def __init__(self, api: HttpApi) -> None:
        self.api = api

    async def query_range(self, query: str, window: Window, step: float) -> dict[str, Any]:
        """The `data` of one range query; `step` in seconds."""
        asked = {"query": query, "start": str(window[0]), "end": str(window[1]), "step": str(step)}
        async with self.api.client() as client:
            return await self.ask(client, "/api/v1/query_range", asked)

    async def instant(self, query: str) -> list[float]:
        """The values of one instant query now, of a scalar or of every series of a vector; NaN is left out."""
        async with self.api.client() as client:
            data = await self.ask(client, "/api/v1/query", {"query": query})
        found = data.get("result", [])
        rows = [found] if data.get("resultType") == "scalar" else [row.get("value", [0, "nan"]) for row in found]
        values = [float(row[1]) for row in rows]
        return [v for v in values if v == v]

    async def ask(self, client: Client, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        """The `data` of one answer. Raises EvidenceError, or AuthError when the server refuses us."""
        status, body = await self.api.get(client, path, query)
        if not isinstance(body, dict) or "data" not in body:
            raise EvidenceError(
                "Prometheus answers something else",
                expected="the JSON of its HTTP API",
                found=f"status {status}: {str(body)[:200]}",
            )
        if status != 200 or body.get("status") != "success":
            raise EvidenceError("Prometheus cannot answer", expected="success", found=str(body.get("error"))[:200])
        data = body["data"]
        return data if isinstance(data, dict) else {"result": data}


class PrometheusTelemetry(TellsNothing):
    """Series of the inventory's services. It has no logs, spans or changes to tell.

    A service's series are those that `telemetry.selector` picks, by default `{job="<name>"}`. Raises EvidenceError when
    the server cannot be asked, AuthError when it refuses us; while it answers for some services, what it cannot say about
    the others is in `gaps`.
    """

    def __init__(self, api: HttpApi, inventory: Inventory) -> None:
        self._inventory = inventory
        self._http, self._api = api, PrometheusApi(api)
        self._large: list[str] = []

    async def series(
        self, window: Window, *, services: Sequence[str] = (), metrics: Sequence[str] = ()
    ) -> list[Series]:
        """See the port."""
        wanted = [s for s in self._inventory.services if not services or s.name in services]
        self._large = []
        names = frozenset(metrics)
        async with self._http.client() as client:
            found, self.gaps = await side_by_side(
                lambda service: self._service(client, service, window),
                wanted,
                timeout_s=self._http.timeout_s,
                name="Prometheus",
                what="series",
            )
        self.gaps += tuple(self._large)
        return [s for s in found if not names or s.metric in names or plain(s.metric) in names]

    async def check(self, now: float) -> SourceCheck:
        """See `Checkable`."""
        services = self._inventory.services
        async with self._http.client() as client:
            facts = await self._api.ask(client, "/api/v1/status/buildinfo", {})
            named = await asyncio.gather(*(self._names(client, s) for s in services))
            ages = await asyncio.gather(*(self._age(client, s, now) for s in services))
        roles = tuple((s.name, roles_of(s, names)) for s, names in zip(services, named, strict=True) if names)
        known = [age for age in ages if age is not None]
        return SourceCheck(
            found=f"Prometheus {facts.get('version', '')}, series of {len(roles)} of {len(services)} services",
            newest_age_s=min(known, default=None),
            unseen=tuple(s.name for s, names in zip(services, named, strict=True) if not names),
            roles=roles,
        )

    async def _names(self, client: Client, service: Service) -> list[str]:
        query = f"count by (__name__) ({selector(service)})"
        found = await self._api.ask(client, "/api/v1/query", {"query": query})
        return [str(row["metric"].get("__name__", "")) for row in found.get("result") or [] if isinstance(row, dict)]

    async def _age(self, client: Client, service: Service, now: float) -> float | None:
        """Seconds since the newest sample, as the server's own clock says."""
        query = f"min(time() - timestamp({selector(service)}))"
        rows = (await self._api.ask(client, "/api/v1/query", {"query": query})).get("result") or []
        return float(rows[0]["value"][1]) if rows else None

    async def _service(self, client: Client, service: Service, window: Window) -> list[Series]:
        step = max(1, ceil((window[1] - window[0]) / MAX_POINTS))
        query = {
            "query": selector(service, await self._left_out(client, service, window)),
            "start": str(floor(window[0] - max(WINDOW_S, 2.0 * step))),
            "end": str(ceil(window[1])),
            "step": str(step),
        }
        answer = await self._api.ask(client, "/api/v1/query_range", query)
        told = service.telemetry
        rows = answer.get("result") or []
        return await asyncio.to_thread(
            metered, service.name, rows, window, overrides=told.roles, target_labels=told.selector
        )

    async def _left_out(self, client: Client, service: Service, window: Window) -> list[str]:
        """Families that are not asked for: noise, and of too many series the largest families."""
        asked = {"match[]": selector(service), "start": str(floor(window[0])), "end": str(ceil(window[1]))}
        rows = (await self._api.ask(client, "/api/v1/series", asked)).get("result") or []
        counts = Counter(str(row.get("__name__", "")) for row in rows if isinstance(row, dict))
        dropped = too_many(counts, service.telemetry.roles)
        if large := [n for n in dropped if _role(n, service.telemetry.roles) is not Role.NOISE]:
            count = sum(counts[name] for name in large)
            self._large.append(f"{count} series of {service.name} are too many to read: {', '.join(large[:5])}")
        return dropped


def roles_of(service: Service, names: Sequence[str]) -> tuple[str, ...]:
    """The metric roles that these names play, in the roles' own order."""
    told = service.telemetry.roles
    found = {_role(name, told) for name in names}
    return tuple(role.value for role in Role if role in found - {Role.NONE, Role.NOISE})


def _role(name: str, overrides: Mapping[str, str]) -> Role:
    """The role of a family, or of the histogram that an exposed name is a part of."""
    own = role_of(name, overrides)
    whole = name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
    return own if own is not Role.NONE or whole == name else role_of(whole, overrides)


def too_many(counts: Mapping[str, int], overrides: Mapping[str, str]) -> list[str]:
    """Names of noise, and the largest families until at most MOST_SERIES series are left; families with a role go last."""
    roles = {name: _role(name, overrides) for name in counts}
    dropped = [name for name in counts if roles[name] is Role.NOISE]
    left = {name: count for name, count in counts.items() if name not in dropped}
    for name in sorted(left, key=lambda n: (roles[n] is not Role.NONE, -left[n])):
        if sum(left.values()) <= MOST_SERIES:
            break
        dropped.append(name)
        del left[name]
    return sorted(dropped)


def selector(service: Service, without: Sequence[str] = ()) -> str:
    """PromQL that picks a service's series, without some families."""
    chosen = service.telemetry.selector or {"job": service.name}
    inside = ",".join(f'{name}="{quoted(value)}"' for name, value in sorted(chosen.items()))
    names = "|".join(name for name in without if _NAME.fullmatch(name))
    return "{" + inside + (f',__name__!~"{names}"' if names else "") + "}"
