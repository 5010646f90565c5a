"""Loki's answer to a range query (`/loki/api/v1/query_range`) as log lines.

Format: https://grafana.com/docs/loki/latest/reference/loki-http-api/#query-logs-within-a-range-of-time. Nanoseconds as text,
then the line, then structured metadata where the server keeps some.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from domain.bundle import LogLine
from tools.bundle.imports.document import json_document, unreadable
from tools.bundle.imports.log_file import said_by
from tools.bundle.imports.range_answer import service_of
from tools.bundle.told import Told
from tools.moment import moment, unit_of
from tools.telemetry.lines import level_of

_LEVELS = ("level", "detected_level", "severity")


def read_streams(content: bytes, name: str, told: Told, *, label: str = "", now: float) -> list[LogLine]:
    """Lines of all streams. `label` says which label holds the service. Raises EvidenceError when it is no such answer."""
    found: list[LogLine] = []
    for place, labels, entry in _entries(_streams(json_document(content, name), name), name, told):
        try:
            found.append(_line(labels, entry, label, now, name, told))
            if (unit := unit_of(entry[0])) != "nanoseconds":
                told.note(name, f"times are in {unit}, read as such")
        except (ValueError, TypeError, IndexError) as error:
            told.skipped(name, place, error)
    return found


def _streams(document: Any, name: str) -> list[Any]:
    expected = "the JSON of /loki/api/v1/query_range (resultType streams)"
    if isinstance(document, dict) and document.get("status") not in {None, "success"}:
        raise unreadable(name, expected, f"status {document.get('status')}: {document.get('error')}")
    data = document.get("data") if isinstance(document, dict) else None
    result = data.get("result") if isinstance(data, dict) else None
    if not isinstance(data, dict) or data.get("resultType") != "streams" or not isinstance(result, list):
        kind = data.get("resultType") if isinstance(data, dict) else None
        raise unreadable(name, expected, f"resultType {kind}" if kind else "a document without streams")
    return result


def _entries(result: list[Any], name: str, told: Told) -> Iterator[tuple[str, Mapping[str, str], Any]]:
    for i, stream in enumerate(result):
        labels = stream.get("stream") if isinstance(stream, dict) else None
        values = stream.get("values") if isinstance(stream, dict) else None
        if not isinstance(labels, dict) or not isinstance(values, list):
            told.skipped(name, f"result[{i}]", "expected an object with stream and values")
            continue
        plain = {str(k): str(v) for k, v in labels.items()}
        yield from ((f"result[{i}].values[{j}]", plain, entry) for j, entry in enumerate(values))


def _line(labels: Mapping[str, str], entry: Any, label: str, now: float, name: str, told: Told) -> LogLine:
    when, text = entry[0], entry[1]
    if not isinstance(entry, list) or not isinstance(text, str):
        raise ValueError("expected a time and a text")
    more = entry[2] if len(entry) > 2 and isinstance(entry[2], dict) else {}
    known = {**labels, **{str(k): str(v) for k, v in more.items()}}
    line = said_by(text, service_of(labels, label), True, now, name, told)
    level = next((known[k] for k in _LEVELS if known.get(k)), "")
    return replace(
        line,
        time=moment(when)[0],
        level=line.level or level_of(level),
        trace_id=line.trace_id or known.get("trace_id", ""),
        span_id=line.span_id or known.get("span_id", ""),
    )
