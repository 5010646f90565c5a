"""The answer of a Prometheus range query (`/api/v1/query_range`, also Thanos, Mimir, VictoriaMetrics) as series.

Rows that carry a metric name are raw samples: counters become rates and histograms quantiles by the same meter that
reads live systems. Rows without one are results of an expression and stay what they are.
Format: https://prometheus.io/docs/prometheus/latest/querying/api/#range-queries.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from math import isfinite
from typing import Any

from domain.bundle import Series
from tools.bundle.imports.document import json_document, unreadable
from tools.bundle.metrics import series_of
from tools.bundle.told import Told
from tools.moment import moment, unit_of
from tools.telemetry.metered import metered
from tools.telemetry.roles import named

SERVICE_LABELS = (
    "service", "service_name", "app", "app_kubernetes_io_name", "application", "deployment", "job", "container",
    "pod", "instance",
)  # fmt: skip
"""Labels that name a service, the surest first."""
_Row = tuple[Mapping[str, str], list[tuple[float, str]]]


def read_range(content: bytes, name: str, told: Told, *, metric: str, label: str = "") -> list[Series]:
    """Series of a file. `metric` names results without a name; `label` says which label holds the service.

    Raises EvidenceError when the file is no range answer.
    """
    return range_series(json_document(content, name), name, told, metric=metric, label=label)


def range_series(document: Any, name: str, told: Told, *, metric: str, label: str = "") -> list[Series]:
    """The same for an answer that is parsed already."""
    raw: dict[str, list[_Row]] = defaultdict(list)
    found: list[Series] = []
    for labels, points in _rows(_result(document, name), name, told):
        service = service_of(labels, label)
        if labels.get("__name__"):
            raw[service].append((labels, points))
        else:
            rest = {k: v for k, v in labels.items() if v != service}
            key = (service, named(metric, **rest))
            found.append(series_of(key, [t for t, _ in points], [float(v) for _, v in points], name, told))
    for service, rows in raw.items():
        times = [t for _, points in rows for t, _ in points]
        answer = [{"metric": labels, "values": points} for labels, points in rows]
        found += metered(service, answer, (min(times), max(times))) if times else []
    return found


def service_of(labels: Mapping[str, str], label: str = "") -> str:
    """The service a label set speaks about; `unknown` when nothing names one."""
    wanted = (label,) if label else SERVICE_LABELS
    return next((labels[n] for n in wanted if labels.get(n)), "unknown")


def _result(document: Any, name: str) -> list[Any]:
    if isinstance(document, dict) and document.get("status") == "error":
        raise unreadable(name, "a successful answer", f"the server's error: {document.get('error')}")
    data = document.get("data", document) if isinstance(document, dict) else document
    kind = data.get("resultType", "matrix") if isinstance(data, dict) else "matrix"
    result = data.get("result") if isinstance(data, dict) else data
    if kind != "matrix" or not isinstance(result, list):
        found = f"a {kind}" if kind != "matrix" else f"{type(result).__name__} where the result should be"
        raise unreadable(name, "the JSON of /api/v1/query_range (resultType matrix)", found)
    return result


def _rows(result: list[Any], name: str, told: Told) -> list[_Row]:
    rows: list[_Row] = []
    for position, row in enumerate(result):
        labels = row.get("metric") if isinstance(row, dict) else None
        values = row.get("values") if isinstance(row, dict) else None
        if not isinstance(labels, dict) or not isinstance(values, list):
            told.skipped(name, f"result[{position}]", "expected an object with metric and values")
            continue
        points = _points(values, f"result[{position}]", name, told)
        rows.append(({str(k): str(v) for k, v in labels.items()}, points))
    return rows


def _points(values: list[Any], place: str, name: str, told: Told) -> list[tuple[float, str]]:
    latest: dict[float, str] = {}
    for position, pair in enumerate(values):
        try:
            when, text = pair
            value = float(text)
            told.unit(name, unit_of(when))
            time = moment(when)[0]
        except (ValueError, TypeError) as error:
            told.skipped(name, f"{place}.values[{position}]", error)
            continue
        if not isfinite(value):
            told.note(name, "points that are NaN or infinite are left out")
            continue
        if time in latest:
            told.note(name, "some points repeat a time; the last one written counts")
        latest[time] = repr(value)
    return sorted(latest.items())
