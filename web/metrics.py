"""Our own metrics in the exposition format. Labels come from bounded sets: routes, status codes, sources, dependencies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import Scope

from domain.errors import FirebreakError
from domain.incident import IncidentStatus
from web.ports import Ports

_METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS"})
_SOURCES = frozenset({"alertmanager", "generic", "change"})


class Metrics:
    """The app's registry; one per app, nothing global."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "firebreak_http_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "firebreak_http_request_seconds",
            "Seconds from request to end of answer.",
            ("route",),
            registry=self.registry,
        )
        self.deliveries = Counter(
            "firebreak_intake_deliveries", "Alert deliveries by result.", ("source", "result"), registry=self.registry
        )
        self.streams = Gauge("firebreak_live_streams", "Open server-sent event streams.", registry=self.registry)
        self.incidents = Gauge(
            "firebreak_incidents", "Incidents among the newest 200, by status.", ("status",), registry=self.registry
        )
        self.approvals = Gauge("firebreak_open_approvals", "Approvals that wait for a person.", registry=self.registry)
        self.frozen = Gauge("firebreak_frozen", "1 while every change is stopped.", registry=self.registry)
        self.entries = Gauge("firebreak_ledger_entries", "Entries of the ledger.", registry=self.registry)
        self.up = Gauge(
            "firebreak_dependency_up", "1 when healthy, 0 when not.", ("dependency",), registry=self.registry
        )

    def observe(self, scope: Scope, status: int, seconds: float) -> None:
        """Count one finished request under its route's template, never under its raw path."""
        route = getattr(scope.get("route"), "path", "") or (
            "/static" if scope["path"].startswith("/static/") else "unmatched"
        )
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self.requests.labels(method, route, str(status)).inc()
        if not route.endswith(("/events", "/stream")):
            self.seconds.labels(route).observe(seconds)

    def delivery(self, source: str, result: str) -> None:
        """Count one delivery; unknown sources share a label."""
        self.deliveries.labels(source if source in _SOURCES else "other", result).inc()

    @contextmanager
    def streaming(self) -> Iterator[None]:
        """Count a stream while it is open."""
        self.streams.inc()
        try:
            yield
        finally:
            self.streams.dec()


def build(ports: Ports, metrics: Metrics) -> APIRouter:
    """The `/metrics` route. State is read when scraped; what cannot be read is left as it was."""
    router = APIRouter(tags=["machines"])

    @router.get("/metrics", summary="Prometheus exposition", response_class=Response)
    async def scrape() -> Response:
        await _refresh(ports, metrics)
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return router


async def _refresh(ports: Ports, metrics: Metrics) -> None:
    try:
        page = await ports.responder.incidents(limit=200)
        for status in IncidentStatus:
            metrics.incidents.labels(status).set(sum(row.status is status for row in page.incidents))
        _dependencies(await ports.responder.health(), metrics)
        guard = await ports.door.status()
        metrics.approvals.set(guard.open_approvals)
        metrics.frozen.set(guard.frozen)
        metrics.entries.set(guard.ledger_entries)
    except FirebreakError:
        return  # the dependency gauge says which one; a scrape never fails because of it


def _dependencies(health: Mapping[str, Any], metrics: Metrics) -> None:
    for name, state in health.items():
        metrics.up.labels(name).set(bool(state.get("ok")))
