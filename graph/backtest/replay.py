"""One past alert as a bundle, diagnosed as it would have been shortly after it fired."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from domain.alert import Alert, AlertStatus
from domain.bundle import AlertHint, Bundle, Origin, Window
from domain.inventory import Inventory, Service
from domain.telemetry import Telemetry
from graph.backtest.firings import QUERY, Firing, firings, parts
from graph.backtest.kept import Backtest
from graph.gather import topology, unseen
from graph.services import Diagnose
from tools.intake import resolve_service
from tools.telemetry.prometheus import PrometheusApi

BEFORE_S = 1800.0
"""Seconds before the alert that are read: rules wait before they fire, and normal life is needed to compare with."""
AFTER_S = 120.0
"""Seconds after it: what a responder would have had when it first spoke."""
NOT_REPLAYED = "probes cannot look at the past: no process states, locks, disks or settings"


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What is asked about the past."""

    telemetry: Telemetry
    inventory: Inventory
    diagnose: Diagnose
    origins: Callable[[], Sequence[Origin]] = tuple


async def past_alerts(api: PrometheusApi, window: Window, step: float) -> list[Firing]:
    """Every episode of every alert in the window, oldest first. Raises EvidenceError, AuthError."""
    rows: list[dict[str, Any]] = []
    for part in parts(window, step):
        rows += (await api.query_range(QUERY, part, step)).get("result") or []
    return firings(rows, step)


async def replay(firing: Firing, past: Past) -> tuple[Bundle, Backtest]:
    """Its bundle, and what would have been said. Raises what the first source raises."""
    window = (firing.started - BEFORE_S, firing.started + AFTER_S)
    series, logs, spans = await asyncio.gather(
        past.telemetry.series(window), past.telemetry.logs(window), past.telemetry.spans(window)
    )
    edges, nodes = topology(past.inventory)
    service = resolve_service(_alert(firing), past.inventory).service
    bundle = Bundle(
        id=firing.id,
        title=firing.name,
        system=past.inventory.system,
        alert=AlertHint(service=service, summary=firing.name, severity=firing.severity, started_at=firing.started),
        services=tuple(past.inventory.names()),
        edges=edges,
        nodes=nodes,
        series=tuple(series),
        logs=tuple(logs),
        spans=tuple(spans),
        origins=tuple(past.origins()),
    )
    said = await asyncio.to_thread(past.diagnose, bundle)
    said = said.model_copy(update={"unseen": [*unseen(bundle), NOT_REPLAYED]})
    kept = Backtest(
        id=firing.id,
        alert=firing.name,
        labels=dict(firing.labels),
        service=service,
        started_at=datetime.fromtimestamp(firing.started, UTC),
        ended_at=datetime.fromtimestamp(firing.ended, UTC),
        diagnosis=said,
    )
    return bundle, kept


async def jobs_of(api: PrometheusApi, window: Window) -> list[str]:
    """Names of the jobs that were scraped in the window. Raises EvidenceError, AuthError."""
    answer = await api.query_range("count by (job) (up)", window, max(60.0, (window[1] - window[0]) / 100))
    return sorted({str(row["metric"].get("job", "")) for row in answer.get("result") or []} - {""})


def guessed_inventory(jobs: Sequence[str]) -> Inventory:
    """An inventory of the jobs that a Prometheus scrapes, for whoever has not written one. `jobs` may not be empty."""
    named: dict[str, Service] = {}
    for job in jobs:
        name = re.sub(r"[^a-z0-9-]+", "-", job.lower()).strip("-") or "job"
        name = name if name[0].isalpha() else f"job-{name}"
        named.setdefault(
            name,
            Service.model_validate(
                {"name": name, "kind": "service", "telemetry": {"selector": {"job": job}}, "alert_match": {"job": job}}
            ),
        )
    return Inventory(system="prometheus", services=list(named.values()))


def _alert(firing: Firing) -> Alert:
    moment = datetime.fromtimestamp(firing.started, UTC)
    return Alert(
        source="prometheus",
        delivery_id=firing.id,
        identity=firing.id,
        episode_id=firing.id,
        title=firing.name,
        status=AlertStatus.FIRING,
        service=firing.service,
        labels=dict(firing.labels),
        received_at=moment,
    )
