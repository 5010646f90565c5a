"""How a service does before a change: what was measured, of whom, when."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from domain.value import UtcTime, Value

Percent = Annotated[float, Field(ge=0, le=100)]
Milliseconds = Annotated[float, Field(ge=0)]


class RouteBaseline(Value):
    """One route's part of it."""

    route: str
    requests: Annotated[float, Field(ge=0)]
    error_percent: Percent
    p95_ms: Milliseconds | None = None


class Baseline(Value):
    """Requests of users in a window. None: nobody measures it."""

    source: Annotated[str, Field(max_length=500)]
    """Who was asked, and for which series."""
    since: UtcTime
    until: UtcTime
    requests: Annotated[float, Field(gt=0)]
    qps: Annotated[float, Field(ge=0)]
    error_percent: Percent | None
    p50_ms: Milliseconds | None = None
    p95_ms: Milliseconds | None = None
    p99_ms: Milliseconds | None = None
    routes: Annotated[list[RouteBaseline], Field(max_length=20)] = []
    """Those with the most requests first."""
