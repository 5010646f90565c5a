"""Trace documents as spans: OTLP JSON (camelCase and snake_case), Tempo's and Jaeger's answers. Pure; redacted here.

Formats: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding (ids in hexadecimal; base64 from encoders that
follow plain protobuf JSON is understood), Tempo `batches`, Jaeger `data` (microseconds).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any

from domain.bundle import Span
from domain.redaction import redact, redact_json
from tools.moment import moment

_BATCHES = ("resourceSpans", "resource_spans", "batches", "data")
_HEX = re.compile(r"[0-9a-fA-F]+$")
_KINDS = ("", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_VALUES = (
    "stringValue",
    "string_value",
    "intValue",
    "int_value",
    "doubleValue",
    "double_value",
    "boolValue",
    "bool_value",
)


def is_trace_document(document: Mapping[str, Any]) -> bool:
    """Does it hold spans of a known format?"""
    return any(key in document for key in _BATCHES)


def span_objects(document: Mapping[str, Any]) -> list[tuple[str, dict[str, Any], str]]:
    """(place, span as it stands there, service) of every span of a document."""
    if isinstance(traces := document.get("data"), list):
        return list(_jaeger_groups(traces))
    batches = either(document, "resourceSpans", "resource_spans")
    return list(_otlp_groups(batches if batches is not None else document.get("batches")))


def span_of(row: Mapping[str, Any], service: str) -> Span:
    """A span object as a span. Raises ValueError, TypeError, KeyError or AttributeError when it is malformed."""
    return _jaeger(row, service) if "traceID" in row else _otlp(row, service)


def _otlp_groups(batches: Any) -> Iterator[tuple[str, dict[str, Any], str]]:
    for i, batch in enumerate(_objects(batches)):
        resource = _attributes((batch.get("resource") or {}).get("attributes"))
        service = str(resource.get("service.name") or "unknown")
        scopes = either(batch, "scopeSpans", "scope_spans") or either(
            batch, "instrumentationLibrarySpans", "instrumentation_library_spans"
        )
        for j, scope in enumerate(_objects(scopes)):
            for k, span in enumerate(_objects(scope.get("spans"))):
                yield f"resourceSpans[{i}].scopeSpans[{j}].spans[{k}]", span, service


def _jaeger_groups(traces: list[Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    for i, trace in enumerate(_objects(traces)):
        processes = trace.get("processes") or {}
        for k, span in enumerate(_objects(trace.get("spans"))):
            process = processes.get(span.get("processID")) or {}
            yield f"data[{i}].spans[{k}]", span, str(process.get("serviceName") or "unknown")


def _otlp(span: Mapping[str, Any], service: str) -> Span:
    start = moment(_needed(span, "startTimeUnixNano", "start_time_unix_nano"))[0]
    end = moment(_needed(span, "endTimeUnixNano", "end_time_unix_nano"))[0]
    status = span.get("status") or {}
    code = str(status.get("code", ""))
    attributes = _attributes(span.get("attributes")) | _exception(span.get("events"))
    kind = span.get("kind")
    attributes["span.kind"] = _KINDS[kind] if isinstance(kind, int) and 0 <= kind < len(_KINDS) else str(kind or "")
    if status.get("message"):
        attributes["status.message"] = str(status["message"])
    return Span(
        trace_id=_id(_needed(span, "traceId", "trace_id")),
        span_id=_id(_needed(span, "spanId", "span_id")),
        parent_id=_id(either(span, "parentSpanId", "parent_span_id") or ""),
        service=service,
        operation=redact(str(span.get("name") or "")[:300]),
        start=start,
        duration_ms=_duration(span, start, end),
        status="ERROR" if code.endswith("ERROR") or code == "2" else "OK" if code in {"1", "STATUS_CODE_OK"} else "",
        attributes=redact_json({k: v for k, v in attributes.items() if v != ""}),
    )


def _duration(span: Mapping[str, Any], start: float, end: float) -> float:
    """Milliseconds, from the whole numbers where they are nanoseconds: floats of epoch seconds are too coarse."""
    first, last = (_needed(span, f"{n}TimeUnixNano", f"{n}_time_unix_nano") for n in ("start", "end"))
    exact = (int(last) - int(first)) / 1e6 if str(first).isdigit() and int(first) >= 10**17 else (end - start) * 1000
    if exact < 0:
        raise ValueError("expected an end after the start, found one before it")
    return round(exact, 6)


def _jaeger(span: Mapping[str, Any], service: str) -> Span:
    tags = {str(t["key"]): t.get("value") for t in _objects(span.get("tags"))}
    parent = next((r.get("spanID") for r in _objects(span.get("references")) if r.get("refType") == "CHILD_OF"), "")
    failed = tags.get("error") in {True, "true"} or tags.get("otel.status_code") == "ERROR"
    return Span(
        trace_id=str(span["traceID"]),
        span_id=str(span["spanID"]),
        parent_id=str(parent or ""),
        service=service,
        operation=redact(str(span.get("operationName") or "")[:300]),
        start=moment(span["startTime"])[0],
        duration_ms=float(span["duration"]) / 1000,
        status="ERROR" if failed else "",
        attributes=redact_json(tags),
    )


def _exception(events: Any) -> dict[str, Any]:
    """What the first exception event says."""
    told = (_attributes(e.get("attributes")) for e in _objects(events) if e.get("name") == "exception")
    return {k: v for k, v in next(told, {}).items() if k in {"exception.type", "exception.message"}}


def _attributes(listed: Any) -> dict[str, Any]:
    return {str(a.get("key")): _value(a.get("value")) for a in _objects(listed)}


def _value(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    found = next((value[k] for k in _VALUES if k in value), None)
    return found if found is not None else str(value)[:300]


def _id(value: object) -> str:
    """Lower-case hexadecimal; base64 (16 or 8 bytes) becomes that."""
    text = str(value)
    if _HEX.match(text) and len(text) in {16, 32}:
        return text.lower()
    try:
        plain = base64.b64decode(text, validate=True)
    except ValueError:
        return text
    return plain.hex() if len(plain) in {8, 16} else text


def either(row: Mapping[str, Any], camel: str, snake: str) -> Any:
    return row[camel] if camel in row else row.get(snake)


def _needed(row: Mapping[str, Any], camel: str, snake: str) -> Any:
    found = either(row, camel, snake)
    if found is None or found == "":
        raise ValueError(f"expected {camel}, found none")
    return found


def _objects(value: Any) -> list[dict[str, Any]]:
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []
