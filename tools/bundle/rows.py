"""Rows of a bundle's line files, one function per file: JSON object in, domain value out, ValueError when malformed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from math import isfinite
from sys import intern
from typing import Any, cast, get_args

from domain.alert import Change, ChangeKind
from domain.bundle import AlertSignal, LogLine, Origin, Reading, Span
from tools.moment import moment

_LOG = frozenset({"time", "service", "message", "level", "trace_id", "span_id", "attributes"})
_SPAN = frozenset(
    {
        "trace_id",
        "span_id",
        "parent_id",
        "service",
        "operation",
        "start",
        "duration_ms",
        "status",
        "attributes",
    }
)
SIGNAL_FIELDS = frozenset({"time", "service", "kind", "name", "direction", "peer", "text"})
CHANGE_FIELDS = frozenset(Change.model_fields)
_KINDS = frozenset(get_args(ChangeKind))


def number(value: object, name: str) -> float:
    """A finite number; strings that hold one are accepted."""
    if isinstance(value, bool) or not isinstance(value, float | int | str):
        raise ValueError(f"expected a number in {name}, found {type(value).__name__}")
    result = float(value)
    if not isfinite(result):
        raise ValueError(f"expected a finite number in {name}, found {result}")
    return result


def epoch(value: object, name: str) -> float:
    """Epoch seconds; milli-, micro- and nanoseconds and ISO 8601 are understood too."""
    try:
        return moment(value)[0]
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def text(row: Mapping[str, Any], name: str, *, required: bool = False) -> str:
    """A text field; null and absent are empty, scalars become text."""
    value = row.get(name)
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, dict | list):
        if required or isinstance(value, dict | list):
            raise ValueError(f"expected text in {name}, found {'nothing' if value is None else type(value).__name__}")
        return ""
    return str(value)


def _attributes(row: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    attributes = row.get("attributes")
    if attributes is not None and not isinstance(attributes, dict):
        raise ValueError(f"expected an object in attributes, found {type(attributes).__name__}")
    if row.keys() <= known:
        return attributes or {}
    return {k: v for k, v in row.items() if k not in known} | (attributes or {})


def log_line(row: Mapping[str, Any]) -> LogLine:
    """A row of `logs.jsonl`."""
    return LogLine(
        time=epoch(row.get("time"), "time"),
        service=intern(text(row, "service", required=True)),
        message=text(row, "message", required=True),
        level=intern(text(row, "level")),
        trace_id=text(row, "trace_id"),
        span_id=text(row, "span_id"),
        attributes=_attributes(row, _LOG),
    )


def span(row: Mapping[str, Any]) -> Span:
    """A row of `spans.jsonl`."""
    return Span(
        trace_id=text(row, "trace_id", required=True),
        span_id=text(row, "span_id", required=True),
        service=intern(text(row, "service", required=True)),
        operation=intern(text(row, "operation")),
        start=epoch(row.get("start"), "start"),
        duration_ms=number(row.get("duration_ms"), "duration_ms"),
        parent_id=text(row, "parent_id"),
        status=text(row, "status"),
        attributes=_attributes(row, _SPAN),
    )


def signal(row: Mapping[str, Any]) -> AlertSignal:
    """A row of `alerts.jsonl`."""
    return AlertSignal(
        service=text(row, "service", required=True),
        kind=text(row, "kind", required=True),
        name=text(row, "name", required=True),
        time=None if row.get("time") is None else epoch(row["time"], "time"),
        direction=text(row, "direction"),
        peer=text(row, "peer"),
        text=text(row, "text"),
    )


def change(row: Mapping[str, Any]) -> Change:
    """A row of `changes.jsonl`; without an id the commit or the version stands in."""
    kind = text(row, "kind", required=True)
    if kind not in _KINDS:
        raise ValueError(f"expected one of {', '.join(sorted(_KINDS))} in kind, found {kind!r}")
    files = row.get("files") or []
    if not isinstance(files, list) or not all(isinstance(f, str) for f in files):
        raise ValueError("expected a list of names in files")
    identity = text(row, "id") or text(row, "commit") or text(row, "version")
    if not identity:
        raise ValueError("expected an id, found none")
    return Change(
        id=identity,
        kind=cast(ChangeKind, kind),
        time=datetime.fromtimestamp(epoch(row.get("time"), "time"), UTC),
        files=files,
        **{n: text(row, n) for n in ("service", "version", "commit", "summary", "diff", "author")},
    )


def reading(row: Mapping[str, Any]) -> Reading:
    """A row of `readings` in `state.json`."""
    ok = row.get("ok")
    values = row.get("values") or {}
    if ok is not None and not isinstance(ok, bool):
        raise ValueError(f"expected true, false or null in ok, found {type(ok).__name__}")
    if not isinstance(values, dict):
        raise ValueError(f"expected an object in values, found {type(values).__name__}")
    return Reading(
        probe=text(row, "probe", required=True),
        service=text(row, "service"),
        time=epoch(row.get("time"), "time"),
        ok=ok,
        text=text(row, "text"),
        values=values,
        data_gap=text(row, "data_gap"),
    )


def origin(row: object) -> Origin:
    """A row of `sources` in `incident.json`."""
    if not isinstance(row, dict):
        raise ValueError(f"expected an object in sources, found {type(row).__name__}")
    window, count = row.get("window"), row.get("rows")
    if not isinstance(window, list) or len(window) != 2 or not isinstance(count, int):
        raise ValueError("expected a window of two times and a number of rows in sources")
    return Origin(
        source=text(row, "source", required=True),
        kind=text(row, "kind"),
        window=(epoch(window[0], "sources.window"), epoch(window[1], "sources.window")),
        rows=count,
        gap=text(row, "gap"),
    )


def unknown(row: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """The fields of a row that nobody knows."""
    return {} if row.keys() <= known else {k: v for k, v in row.items() if k not in known}


RowReader = Callable[[Mapping[str, Any]], Any]
