"""A trace file as spans, and who calls whom by them: one document or JSON lines of the formats of `trace_documents`."""

from __future__ import annotations

from domain.bundle import Edge, Span
from tools.bundle.imports.document import json_rows, unreadable
from tools.bundle.told import Told
from tools.moment import unit_of
from tools.telemetry.trace_documents import either, is_trace_document, span_objects, span_of

_EXPECTED = "OTLP JSON (resourceSpans), Tempo (batches) or Jaeger (data)"


def read_traces(content: bytes, name: str, told: Told) -> list[Span]:
    """Spans of a file. Raises EvidenceError when no row of it holds spans of a known format."""
    found: list[Span] = []
    known = False
    for place, document in json_rows(content, name, told):
        if not is_trace_document(document):
            told.skipped(name, place, f"expected {_EXPECTED}, found an object with {', '.join(list(document)[:6])}")
            continue
        known = True
        for where, span, service in span_objects(document):
            try:
                found.append(span_of(span, service))
                start = either(span, "startTimeUnixNano", "start_time_unix_nano")
                if start is not None and (unit := unit_of(start)) != "nanoseconds":
                    told.note(name, f"times are in {unit}, read as such")
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                told.skipped(name, f"{place} {where}", error)
    if not known and content.strip():
        raise unreadable(name, _EXPECTED, "; ".join(told.problems[-1:]) or "nothing of that kind")
    return found


def edges_of(spans: list[Span]) -> list[Edge]:
    """Who calls whom, as parents and children of different services and peers say."""
    owner = {(s.trace_id, s.span_id): s.service for s in spans}
    pairs: dict[tuple[str, str], None] = {}
    for span in spans:
        caller = owner.get((span.trace_id, span.parent_id), "")
        if caller and caller != span.service:
            pairs.setdefault((caller, span.service))
        peer = span.attributes.get("peer.service")
        if isinstance(peer, str) and peer and peer != span.service:
            pairs.setdefault((span.service, peer))
    return [Edge(caller=a, callee=b, kind="observed") for a, b in sorted(pairs)]
