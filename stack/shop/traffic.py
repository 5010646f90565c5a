"""What every HTTP service of the shop measures: an ASGI wrapper that counts, times and traces requests."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from opentelemetry.trace import StatusCode
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from stack.shop.spans import Tracing

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.5, 4.0, 6.0, 10.0)
SLOW_S = 1.0
GROUP_HEADER = "x-customer-group"
GROUPS = ("guest", "member", "business")
"""Who buys here. Anything else a client claims is written down as `other`, so that attributes stay bounded."""
UNMEASURED = ("/metrics", "/healthz", "/readyz")
"""Asked by machines every second: they would thin out what users see."""


class TrafficMetrics:
    """Series per route, method and status."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.requests = Counter("http_requests", "Requests answered.", ["route", "method", "status"], registry=registry)
        self.errors = Counter("http_errors", "Requests answered with 5xx.", ["route"], registry=registry)
        self.seconds = Histogram(
            "http_request_duration_seconds", "Time to answer.", ["route"], buckets=BUCKETS, registry=registry
        )
        self.in_flight = Gauge("http_requests_in_flight", "Requests being answered.", registry=registry)

    def exposition(self) -> tuple[bytes, str]:
        """(text, content type)."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST


class Measured:
    """Wraps an ASGI application. Routes are the templates the application matched, so labels stay bounded."""

    def __init__(
        self, app: App, metrics: TrafficMetrics, tracing: Tracing, log: logging.Logger, version: str = ""
    ) -> None:
        self.app = app
        self.marks = {"service.version": version} if version else {}
        self.metrics = metrics
        self.tracing = tracing
        self.log = log

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in UNMEASURED:
            await self.app(scope, receive, send)
            return
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        status = 500
        started = time.monotonic()
        answered = 0.0

        async def note(message: Message) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status = message["status"]
                answered = time.monotonic() - started
            await send(message)

        self.metrics.in_flight.inc()
        try:
            with self.tracing.serving(f"{scope['method']} {scope['path']}", headers) as span:
                await self.app(scope, receive, note)
                route = route_of(scope)
                span.update_name(f"{scope['method']} {route}")
                span.set_attributes({"http.route": route, "http.response.status_code": status, **self.marks})
                span.set_attribute("customer.group", group_of(headers))
                if status >= 500:
                    span.set_status(StatusCode.ERROR)
        finally:
            self.metrics.in_flight.dec()
            # Time to the first byte: a download that a client reads slowly is not a slow answer.
            self._count(scope, status, answered or time.monotonic() - started)

    def _count(self, scope: MutableMapping[str, Any], status: int, seconds: float) -> None:
        route = route_of(scope)
        self.metrics.requests.labels(route, scope["method"], str(status)).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        if status >= 500:
            self.metrics.errors.labels(route).inc()
        if seconds > SLOW_S:
            facts = {"route": route, "status": status, "ms": round(seconds * 1000)}
            self.log.warning("slow request: %s took %.2f s", route, seconds, extra=facts)


def group_of(headers: Mapping[str, str]) -> str:
    """The group of customers that the request says it comes from; `other` when it says nothing known."""
    said = headers.get(GROUP_HEADER, "")
    return said if said in GROUPS else "other"


def route_of(scope: MutableMapping[str, Any]) -> str:
    """The matched template, or `other`."""
    route = scope.get("route")
    return str(getattr(route, "path", "") or scope.get("measured_route") or "other")
