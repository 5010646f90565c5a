"""An incident's raw material in memory: what a bundle folder holds and what a live incident is gathered into.

Live collectors and `firebreak investigate` fill the same shape, so one engine diagnoses both
(spec: Incident bundle). Times are epoch seconds (float); everything textual is untrusted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from domain.alert import Change

Window = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertHint:
    """What the alert said; a symptom, not a cause."""

    service: str
    metric: str = ""
    agg: str = ""
    summary: str = ""
    severity: str = ""
    started_at: float | None = None
    threshold: float | None = None
    observed: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """`caller` depends on `callee`."""

    caller: str
    callee: str
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A service or a resource in the topology."""

    name: str
    kind: str = ""
    criticality: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One metric of one service: ascending epoch seconds and values of the same length."""

    service: str
    metric: str
    times: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One log record."""

    time: float
    service: str
    message: str
    level: str = ""
    trace_id: str = ""
    span_id: str = ""
    attributes: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One operation of one trace. `start` epoch seconds, `duration_ms` milliseconds."""

    trace_id: str
    span_id: str
    service: str
    operation: str
    start: float
    duration_ms: float
    parent_id: str = ""
    status: str = ""
    attributes: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSignal:
    """An already extracted anomaly (`alerts.jsonl`)."""

    service: str
    kind: str
    name: str
    time: float | None = None
    direction: str = ""
    peer: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one read-only probe of the world said, now: process state, disk, locks, settings, schema, an HTTP check.

    `ok` is None when the probe could not tell (that is a blind spot, not health). `values` is plain JSON whose keys
    the probe documents. `data_gap` says why a reading is missing.
    """

    probe: str
    """The probe's name: what it measures (`process_state`, `http_health`, `db_locks` …)."""
    service: str
    time: float
    ok: bool | None
    text: str = ""
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    data_gap: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """One reading of one source: what was asked of whom, and what came back."""

    source: str
    """`embedded`, `loki`, `prometheus_2` …: as in the settings page's list of dependencies."""
    kind: str
    """metrics, logs, spans or probes."""
    window: Window
    rows: int
    gap: str = ""
    """What it could not tell, and why; empty: everything that was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Everything known about one incident, before anyone judges it."""

    id: str
    title: str = ""
    system: str = ""
    alert: AlertHint | None = None
    onset: float | None = None
    normal: Window | None = None
    abnormal: Window | None = None
    services: tuple[str, ...] = ()
    """What a hypothesis may name; empty means whatever the data names."""
    changes_asked: bool = False
    edges: tuple[Edge, ...] = ()
    nodes: tuple[Node, ...] = ()
    series: tuple[Series, ...] = ()
    logs: tuple[LogLine, ...] = ()
    spans: tuple[Span, ...] = ()
    signals: tuple[AlertSignal, ...] = ()
    changes: tuple[Change, ...] = ()
    readings: tuple[Reading, ...] = ()
    """Probe readings; in a bundle folder they come from `state.json`."""
    platform: tuple[dict[str, Any], ...] = ()
    """Platform objects and events as their API returned them (the rest of `state.json`)."""
    documents: tuple[tuple[str, str], ...] = ()
    """Extra runbooks: (name, Markdown)."""
    origins: tuple[Origin, ...] = ()
    """Which source was asked for what; `sources` of `incident.json`."""
    problems: tuple[str, ...] = ()
    """What could not be read, line by line; never silently dropped."""
    notes: tuple[str, ...] = ()
    """What was understood although the format says otherwise (time units, repeated points, thinned lines)."""
    extra: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    """Fields nobody knows, kept as they came: file name → row (its position among the rows read; `""` for the whole
    document) → fields. Unknown fields of log lines and spans are kept in their `attributes`."""
