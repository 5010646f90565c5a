"""A measured baseline in a context: it fills what nobody said, and replaces nothing. Pure.

Two significant digits are taken over, so that noise in the last one is no other contract; the baseline itself keeps its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from contracts.context import DeploymentContext
from contracts.enforcement.observing import Request
from domain.baseline import Baseline, RouteBaseline
from domain.bundle import Window

ENOUGH = 100
"""Fewer requests than this in the whole window say nothing about a rate or a tail."""
ROUTES = 20


def measured(requests: Sequence[Request], source: str, window: Window) -> Baseline | None:
    """What these requests say; None when they are too few. `window` in epoch seconds; requests are at epoch seconds, too.

    A service that is younger than the window is measured since its first request.
    """
    if len(requests) < ENOUGH:
        return None
    window = (max(window[0], min(r.at for r in requests)), window[1])
    seconds = np.array([r.seconds for r in requests])
    p50, p95, p99 = (float(q) for q in np.quantile(seconds, (0.5, 0.95, 0.99)) * 1000)
    by_route: dict[str, list[Request]] = {}
    for request in requests:
        by_route.setdefault(request.marks[0], []).append(request)
    heavy = sorted(by_route.items(), key=lambda row: -len(row[1]))[:ROUTES]
    since, until = (datetime.fromtimestamp(edge, tz=UTC) for edge in window)
    return Baseline(
        source=source,
        since=since,
        until=until,
        requests=len(requests),
        qps=len(requests) / (window[1] - window[0]),
        error_percent=_failed(requests),
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        routes=[_route(route, rows) for route, rows in heavy],
    )


def with_baseline(context: DeploymentContext, baseline: Baseline) -> DeploymentContext:
    """The context, with what was measured where nobody said anything."""
    known = {
        "current_error_rate": baseline.error_percent,
        "current_p95": baseline.p95_ms,
        "current_p99": baseline.p99_ms,
        "qps": baseline.qps,
    }
    fresh = {name: float(f"{v:.2g}") for name, v in known.items() if v is not None and getattr(context, name) is None}
    return context.model_copy(update={**fresh, "baseline": baseline})


def _route(route: str, rows: Sequence[Request]) -> RouteBaseline:
    p95 = float(np.quantile([r.seconds for r in rows], 0.95) * 1000)
    return RouteBaseline(route=route, requests=len(rows), error_percent=_failed(rows), p95_ms=p95)


def _failed(rows: Sequence[Request]) -> float:
    return 100.0 * sum(r.failed for r in rows) / len(rows)
