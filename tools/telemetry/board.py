"""Service levels for people and pages, read from the collector's store."""

from __future__ import annotations

import asyncio
from typing import Any

from domain.inventory import Inventory
from tools.telemetry.embedded import SqliteTelemetry
from tools.telemetry.sli import SLI_FACT, objectives

OLD_S = 15.0
"""Rows older than this are not 'now' any more: values become unknown."""


async def sli_snapshot(store: SqliteTelemetry, inventory: Inventory, now: float) -> list[dict[str, Any]]:
    """One row per objective: service, slo, sli, target, implicit, value, burn_short, burn_long, budget_left, firing, series, at.

    Without a living collector every value is None: nobody knows.
    """
    found = await asyncio.to_thread(store.reader.fact, SLI_FACT)
    at, rows = found if found is not None else (0.0, [])
    if now - at <= OLD_S:
        return [{**row, "at": at} for row in rows]
    empty: dict[str, Any] = {
        "value": None,
        "burn_short": None,
        "burn_long": None,
        "budget_left": None,
        "firing": False,
        "series": [],
    }
    return [
        {
            "service": o.service,
            "slo": o.name,
            "sli": o.sli,
            "target": o.target,
            "implicit": o.implicit,
            **empty,
            "at": at or None,
        }
        for o in objectives(inventory)
    ]
