"""OpenTelemetry spans, written as JSON lines: trace_id, span_id, parent_id, service, operation, start, duration_ms,
status, attributes. The trace context travels in W3C `traceparent` headers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

MAX_BYTES = 8 * 1024 * 1024
"""The file is moved to `<name>.1` at this size."""

_PROPAGATOR = TraceContextTextMapPropagator()


class FileExporter(SpanExporter):
    """Appends each finished span to a file. A full or missing disk loses spans, never requests."""

    def __init__(self, path: Path, service: str) -> None:
        self.path = path
        self.service = service

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            with self.path.open("a") as stream:
                stream.writelines(json.dumps(self.row(span), default=str) + "\n" for span in spans)
                size = stream.tell()
            if size > MAX_BYTES:
                self.path.replace(self.path.with_name(f"{self.path.name}.1"))
        except OSError:
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS

    def row(self, span: ReadableSpan) -> dict[str, Any]:
        """One line's content. Times in epoch seconds and milliseconds."""
        start, end = span.start_time or 0, span.end_time or 0
        context = span.get_span_context()
        assert context is not None
        return {
            "trace_id": f"{context.trace_id:032x}",
            "span_id": f"{context.span_id:016x}",
            "parent_id": f"{span.parent.span_id:016x}" if span.parent else None,
            "service": self.service,
            "operation": span.name,
            "start": start / 1e9,
            "duration_ms": round((end - start) / 1e6, 3),
            "status": "error" if span.status.status_code is StatusCode.ERROR else "ok",
            "attributes": dict(span.attributes or {}),
        }


class Tracing:
    """Spans of one service."""

    def __init__(self, service: str, path: Path | None) -> None:
        provider = TracerProvider(resource=Resource({"service.name": service}))
        if path is not None:
            provider.add_span_processor(SimpleSpanProcessor(FileExporter(path, service)))
        self._tracer = provider.get_tracer(service)

    @contextmanager
    def span(self, operation: str, attributes: Mapping[str, str] | None = None) -> Iterator[Span]:
        """A child of the current span. An exception is recorded on it and goes on."""
        with self._tracer.start_as_current_span(operation, attributes=attributes) as span:
            yield span

    @contextmanager
    def serving(self, operation: str, headers: Mapping[str, str]) -> Iterator[Span]:
        """The span of a request that came in, continuing the caller's trace."""
        context = _PROPAGATOR.extract(dict(headers))
        with self._tracer.start_as_current_span(operation, context=context, kind=SpanKind.SERVER) as span:
            yield span


def outgoing() -> dict[str, str]:
    """Headers that carry the current trace to the next service."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier


def current_ids() -> tuple[str, str]:
    """(trace_id, span_id) in hex, or two empty strings."""
    context = trace.get_current_span().get_span_context()
    return (f"{context.trace_id:032x}", f"{context.span_id:016x}") if context.is_valid else ("", "")
