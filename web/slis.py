"""Service levels: what the objectives say now, how fast their budgets burn, and how it went lately."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from domain.clock import Clock
from domain.errors import FirebreakError
from domain.inventory import Inventory
from domain.value import Value
from tools.telemetry.board import sli_snapshot
from tools.telemetry.embedded import SqliteTelemetry
from web.pages import Pages
from web.ports import Ports, SliRow

_SECONDS = frozenset({"latency_p95", "freshness"})
_AT_MOST = frozenset({"latency_p95", "freshness", "saturation"})
"""Objectives that are an upper bound; the others are a least share of good."""


class Slis(Value):
    """One row per objective of the inventory."""

    schema_version: str = "1"
    slis: list[SliRow] = []


class StoredSlis:
    """`SliBoard` over what the collector wrote."""

    def __init__(self, store: SqliteTelemetry, inventory: Inventory, clock: Clock) -> None:
        self._store = store
        self._inventory = inventory
        self._clock = clock

    async def slis(self) -> Sequence[SliRow]:
        """See the port."""
        rows = await sli_snapshot(self._store, self._inventory, self._clock.now().timestamp())
        return [row_of(row) for row in rows]


def row_of(row: Mapping[str, Any]) -> SliRow:
    """One row of the collector's board."""
    sli, value, target = str(row["sli"]), row.get("value"), float(row["target"])
    unit: Literal["ratio", "s"] = "s" if sli in _SECONDS else "ratio"
    kept = None if value is None else value <= target if sli in _AT_MOST else value >= target
    return SliRow(
        service=str(row["service"]),
        name=str(row["slo"]),
        sli=sli,
        unit=unit,
        target=target,
        implicit=bool(row.get("implicit")),
        current=value,
        burn_short=row.get("burn_short"),
        burn_long=row.get("burn_long"),
        budget_left=row.get("budget_left"),
        firing=bool(row.get("firing")),
        ok=kept,
        points=list(row.get("series") or []),
        at=datetime.fromtimestamp(float(row["at"]), UTC) if row.get("at") else None,
    )


def worst_first(rows: Sequence[SliRow]) -> list[SliRow]:
    """Firing, missed, unknown, kept; within each in the inventory's order."""
    return sorted(rows, key=lambda r: 0 if r.firing else {False: 1, None: 2, True: 3}[r.ok])


def apart(rows: Sequence[SliRow]) -> tuple[list[SliRow], list[SliRow]]:
    """What a person should read, and the kept levels that nobody wrote: those stay folded while others are there."""
    silent = [r for r in rows if r.implicit and r.ok and not r.firing]
    told = [r for r in rows if r not in silent]
    return (told, silent) if told else (silent, [])


def beside(rows: Sequence[SliRow], service: str, most: int = 3) -> list[SliRow]:
    """The levels to watch while `service` is changed: what its users see first, then what suffers elsewhere."""
    known = [r for r in rows if r.current is not None]
    own = [r for r in known if r.service == service and r.sli != "process"]
    suffering = [r for r in known if r.service != service and r.firing and r.sli != "process"]
    return [*worst_first(own)[:2], *suffering, *(r for r in known if r.service == service and r.sli == "process")][
        :most
    ]


def build(ports: Ports, pages: Pages) -> APIRouter:
    """Both halves."""
    router = APIRouter(tags=["slis"])

    async def rows() -> list[SliRow]:
        return list(await ports.slis.slis()) if ports.slis else []

    @router.get("/api/slis", summary="Service levels with burn rates")
    async def slis() -> Slis:
        return Slis(slis=await rows())

    @router.get("/slis/{service}/beside", include_in_schema=False)
    async def live(service: str) -> HTMLResponse:
        """The levels to watch on an approval's card, as a fragment that reads itself again."""
        try:
            found = beside(await rows(), service)
        except FirebreakError:
            found = []
        return HTMLResponse(pages.fragment("parts/levels.html", rows=found, service=service))

    @router.get("/slis", include_in_schema=False)
    async def page(request: Request) -> HTMLResponse:
        told, silent = apart(worst_first(await rows()))
        return await pages.render(request, "slis.html", rows=told, silent=silent)

    return router
