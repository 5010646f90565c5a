"""What was observed of both versions, collected as columns: requests from spans, memory from each version's own readings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from contracts.judge.memory import Memory
from contracts.judge.traffic import Labels, Traffic
from domain.bundle import Span

ROUTE, STATUS, VERSION = "http.route", "http.response.status_code", "service.version"
"""Names of OpenTelemetry's semantic conventions (HTTP 1.23, service 1.0)."""
MOST = 400_000
"""Requests that are kept; beyond that the oldest go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request that a version answered. `at` is seconds on the rollout's clock."""

    at: float
    seconds: float
    failed: bool
    version: str
    marks: tuple[str, ...]
    """Its route, then its value in each further dimension."""


def requests_of(spans: Sequence[Span], dimensions: Sequence[str], offset: float) -> list[Request]:
    """Server spans as requests; `offset` is what epoch seconds are ahead of the rollout's clock.

    Spans without a version, a route or a status are not requests of the service and are left out.
    """
    found = []
    for span in spans:
        marks = span.attributes
        if not all(name in marks for name in (ROUTE, STATUS, VERSION)):
            continue
        method = span.operation.split(" ", 1)[0]
        found.append(
            Request(
                at=span.start - offset,
                seconds=max(0.0, span.duration_ms / 1000.0),
                failed=str(marks[STATUS])[:1] == "5",
                version=str(marks[VERSION]),
                marks=(f"{method} {marks[ROUTE]}", *(str(marks.get(name, "")) for name in dimensions)),
            )
        )
    return found


def traffic_of(requests: Sequence[Request], dimensions: Sequence[str], former: str, version: str) -> Traffic:
    """The requests of both versions as the judge sees them; those of other versions are left out."""
    kept = [r for r in requests if r.version in (former, version)]
    labels = {
        name: Labels.of([request.marks[place] for request in kept]) for place, name in enumerate(("route", *dimensions))
    }
    return Traffic(
        at=np.array([r.at for r in kept], dtype=np.float64),
        seconds=np.array([r.seconds for r in kept], dtype=np.float64),
        failed=np.array([r.failed for r in kept], dtype=np.bool_),
        canary=np.array([r.version == version for r in kept], dtype=np.bool_),
        labels=labels,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Both versions' memory at one moment, in bytes."""

    at: float
    canary: float
    baseline: float
    """NaN while only the new version runs."""


def memory_of(readings: Sequence[Reading]) -> Memory:
    """As the judge sees both versions side by side."""
    readings = [r for r in readings if not math.isnan(r.baseline)]
    return Memory(
        at=np.array([r.at for r in readings], dtype=np.float64),
        canary=np.array([r.canary for r in readings], dtype=np.float64),
        baseline=np.array([r.baseline for r in readings], dtype=np.float64),
    )


def alone(readings: Sequence[Reading], since: float) -> Memory:
    """The new version by itself from a moment on: growth of any kind counts, there is nothing to compare with."""
    kept = [r for r in readings if r.at >= since]
    return Memory(
        at=np.array([r.at - since for r in kept], dtype=np.float64),
        canary=np.array([r.canary for r in kept], dtype=np.float64),
        baseline=np.zeros(len(kept)),
    )
