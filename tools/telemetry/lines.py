"""One line of a log, span or change file as a value: JSON of the usual shapes, else plain text. Redacted here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, get_args

from domain.alert import Change, ChangeKind
from domain.bundle import LogLine, Span
from domain.redaction import redact, redact_json
from tools.moment import in_seconds
from tools.telemetry.trace_documents import is_trace_document, span_objects, span_of

_TIME = ("time", "timestamp", "ts", "@timestamp", "asctime", "t")
_LEVEL = ("level", "severity", "lvl", "levelname", "log.level")
_MESSAGE = ("message", "event", "msg", "body")
_TRACE = ("trace_id", "traceId", "trace", "otelTraceID")
_SPAN = ("span_id", "spanId", "span", "otelSpanID")
_SERVICE = ("service", "service_name", "service.name")
_PLAIN_LEVEL = re.compile(
    r"\b(DEBUG|INFO|NOTICE|LOG|WARN(?:ING)?|ERROR|CRITICAL|FATAL|PANIC|STATEMENT|DETAIL|HINT)\b", re.I
)
_PLAIN_TIME = re.compile(r"^\[?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?)\s*(Z|UTC|GMT|[+-]\d\d:?\d\d)?")
PRIORITIES = ("CRITICAL", "CRITICAL", "CRITICAL", "ERROR", "WARNING", "INFO", "INFO", "DEBUG")
"""journald's PRIORITY 0–7 (syslog severities)."""
_MESSAGE_LIMIT = 4000
_FUTURE_S = 5.0
_KINDS = frozenset(get_args(ChangeKind))
_LEVELS = {"warn": "WARNING", "fatal": "CRITICAL", "panic": "CRITICAL", "err": "ERROR", "notice": "INFO", "log": "INFO"}


def log_line(line: bytes, service: str, now: float) -> LogLine:
    """Any line at all as a log record of `service`; a time that is missing or lies ahead becomes `now`."""
    text = line.decode("utf-8", errors="replace").strip()
    if text.startswith("{"):
        try:
            row = json.loads(text)
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict):
            return structured(row, service, now)
    stamp = _PLAIN_TIME.match(text)
    level = _PLAIN_LEVEL.search(text[:160])
    return LogLine(
        time=_sane(_iso(*stamp.groups()) if stamp else None, now),
        service=service,
        message=redact(text[:_MESSAGE_LIMIT]),
        level=level_of(level.group(1)) if level else "",
    )


def level_of(word: object) -> str:
    """A level in upper case, in the five usual words where it means one of them."""
    if isinstance(word, int) and not isinstance(word, bool):
        return {10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR", 50: "CRITICAL"}.get(word, str(word))
    text = str(word or "")
    return _LEVELS.get(text.lower(), text.upper())


def structured(row: dict[str, Any], service: str, now: float) -> LogLine:
    """A log record out of an object's usual fields; the others become attributes."""
    used = {name: _first(row, names) for name, names in _FIELDS.items()}
    keys = {key for key, _ in used.values() if key}
    value = {name: found for name, (_, found) in used.items()}
    rest = {k: v for k, v in row.items() if k not in keys and k not in _SERVICE}
    message = value["message"]
    return LogLine(
        time=_sane(_epoch(value["time"]), now),
        service=service,
        message=redact((message if isinstance(message, str) else json.dumps(message, default=str))[:_MESSAGE_LIMIT]),
        level=level_of(value["level"]),
        trace_id=str(value["trace"] or ""),
        span_id=str(value["span"] or ""),
        attributes=redact_json(rest) if rest else {},
    )


_FIELDS = {"time": _TIME, "level": _LEVEL, "message": _MESSAGE, "trace": _TRACE, "span": _SPAN}


def _first(row: dict[str, Any], names: tuple[str, ...]) -> tuple[str, Any]:
    return next(((name, row[name]) for name in names if row.get(name) is not None), ("", None))


def _sane(moment: float | None, now: float) -> float:
    return now if moment is None or moment > now + _FUTURE_S or moment < 0 else moment


def _epoch(value: Any) -> float | None:
    """Epoch seconds of a number (s, ms, µs or ns, by magnitude) or an ISO 8601 text."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        try:
            return in_seconds(value)[0] if value >= 0 else None
        except ValueError:
            return None
    if not isinstance(value, str):
        return None
    found = _PLAIN_TIME.match(value.strip())
    return _iso(*found.groups()) if found else None


def _iso(text: str, zone: str | None) -> float | None:
    try:
        moment = datetime.fromisoformat(text.replace(",", ".").replace(" ", "T")[:26])
    except ValueError:
        return None
    if zone in {None, "", "Z", "UTC", "GMT"}:
        return moment.replace(tzinfo=UTC).timestamp()
    return datetime.fromisoformat(moment.isoformat() + str(zone)).timestamp()


def spans(line: bytes, service: str) -> list[Span]:
    """Spans of a line: our own shape, the OpenTelemetry SDK's console JSON, or a document of many (OTLP JSON, as the
    OpenTelemetry Collector's file exporter writes it). What is malformed or neither tells none.
    """
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return []
    if not isinstance(row, dict):
        return []
    if is_trace_document(row):
        tried = [_tried(span_of, span, owner) for _, span, owner in span_objects(row)]
    else:
        tried = [_tried(_otel_span if "context" in row else _plain_span, row, service)]
    return [one for one in tried if one is not None]


def _tried(read: Callable[[dict[str, Any], str], Span | None], row: dict[str, Any], service: str) -> Span | None:
    try:
        return read(row, service)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _plain_span(row: dict[str, Any], service: str) -> Span | None:
    start = _epoch(row.get("start"))
    if start is None:
        return None
    return Span(
        trace_id=str(row["trace_id"]),
        span_id=str(row["span_id"]),
        parent_id=str(row.get("parent_id") or ""),
        service=str(row.get("service") or service),
        operation=redact(str(row.get("operation") or row.get("name") or "")[:300]),
        start=start,
        duration_ms=float(row["duration_ms"]),
        status=str(row.get("status") or ""),
        attributes=redact_json(row.get("attributes") or {}),
    )


def _otel_span(row: dict[str, Any], service: str) -> Span | None:
    start, end = _epoch(row.get("start_time")), _epoch(row.get("end_time"))
    if start is None or end is None:
        return None
    status = row.get("status") or {}
    resource = (row.get("resource") or {}).get("attributes") or {}
    return Span(
        trace_id=str(row["context"]["trace_id"]).removeprefix("0x"),
        span_id=str(row["context"]["span_id"]).removeprefix("0x"),
        parent_id=str(row.get("parent_id") or "").removeprefix("0x"),
        service=str(resource.get("service.name") or service),
        operation=redact(str(row.get("name") or "")[:300]),
        start=start,
        duration_ms=(end - start) * 1000,
        status=str(status.get("status_code") or ""),
        attributes=redact_json(row.get("attributes") or {}),
    )


def change(line: bytes) -> Change | None:
    """A change record (`domain.alert.Change`, times as ISO 8601 or epoch seconds), redacted; None when it is none."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or row.get("kind") not in _KINDS:
        return None
    moment = _epoch(row.get("time"))
    identity = str(row.get("id") or "")
    if moment is None or not identity:
        return None
    known = {k: v for k, v in row.items() if k in Change.model_fields and v is not None}
    try:
        return Change.model_validate(
            {**redact_json(known), "id": identity, "time": datetime.fromtimestamp(moment, UTC)}
        )
    except (ValueError, OverflowError):
        return None
