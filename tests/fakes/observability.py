"""Loki, Tempo and Jaeger as HTTP doubles: neither can be installed from Debian, so their answers have the shapes that their API
documentation gives, over data that a test hands in.

Loki: https://grafana.com/docs/loki/latest/reference/loki-http-api/ (query_range; `max_entries_limit_per_query` as by default);
Tempo: https://grafana.com/docs/tempo/latest/api_docs/ (search, traces by id, protobuf JSON with base64 ids);
Jaeger: https://www.jaegertracing.io/docs/latest/apis/ (api/traces). A token is asked for when one is given.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from domain.bundle import LogLine, Span
from tests.fakes.prometheus_server import Quiet, served

MOST_ENTRIES = 5000
Answer = tuple[int, Any]


@contextmanager
def loki(lines: Sequence[LogLine], *, token: str = "", asked: list[dict[str, str]] | None = None) -> Iterator[str]:
    """A Loki that holds these lines in a stream per service."""

    def answer(path: str, query: dict[str, str]) -> Answer:
        if path != "/loki/api/v1/query_range":
            return 404, "404 page not found"
        if asked is not None:
            asked.append(query)
        if int(query["limit"]) > MOST_ENTRIES:
            return (
                400,
                f"max entries limit per query exceeded, limit > max_entries_limit ({query['limit']} > {MOST_ENTRIES})",
            )
        selector = re.fullmatch(r'\{service_name="([^"]*)"\}(?: \|~ `(.*)`)?', query["query"])
        if selector is None:
            return 400, "parse error at line 1, col 1: syntax error: unexpected IDENTIFIER"
        start, end = int(query["start"]), int(query["end"])
        found = [
            (ns, line)
            for line in lines
            if line.service == selector[1]
            and start <= (ns := round(line.time * 1e9)) < end
            and (not selector[2] or re.search(selector[2], line.message))
        ]
        found.sort(key=lambda row: -row[0])
        values = [[str(ns), line.message, {"detected_level": line.level.lower()}] for ns, line in found]
        stream = {"stream": {"service_name": selector[1]}, "values": values[: int(query["limit"])]}
        result = [stream] if values else []
        return 200, {"status": "success", "data": {"resultType": "streams", "result": result, "stats": {}}}

    with _serving(answer, token) as url:
        yield url


@contextmanager
def tempo(spans: Sequence[Span], *, token: str = "") -> Iterator[str]:
    """A Tempo that holds these spans."""

    def answer(path: str, query: dict[str, str]) -> Answer:
        if path == "/api/search":
            return 200, {"traces": _searched(spans, query), "metrics": {"inspectedTraces": len(spans)}}
        trace = [s for s in spans if path == f"/api/traces/{s.trace_id}"]
        return (200, {"batches": [_batch(s) for s in trace]}) if trace else (404, "trace not found")

    with _serving(answer, token) as url:
        yield url


@contextmanager
def jaeger(spans: Sequence[Span], *, token: str = "") -> Iterator[str]:
    """A Jaeger that holds these spans."""

    def answer(path: str, query: dict[str, str]) -> Answer:
        if path != "/api/traces":
            return 404, "404 page not found"
        window = (int(query["start"]) / 1e6, int(query["end"]) / 1e6)
        failed = json.loads(query.get("tags", "{}")).get("error") == "true"
        hits = [s for s in spans if s.service == query["service"] and window[0] <= s.start <= window[1]]
        ids = dict.fromkeys(s.trace_id for s in hits if not failed or s.status == "ERROR")
        chosen = list(ids)[-int(query["limit"]) :]
        return 200, {"data": [_jaeger_trace(i, spans) for i in chosen], "total": 0, "errors": None}

    with _serving(answer, token) as url:
        yield url


@contextmanager
def _serving(answer: Callable[[str, dict[str, str]], Answer], token: str) -> Iterator[str]:
    class Api(Quiet):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if token and self.headers.get("authorization") != f"Bearer {token}":
                self.reply(401, b"no credentials provided", "text/plain")
                return
            status, body = answer(parts.path, dict(parse_qsl(parts.query)))
            if isinstance(body, str):
                self.reply(status, body.encode(), "text/plain; charset=utf-8")
            else:
                self.reply(status, json.dumps(body).encode(), "application/json")

    with served(Api) as url:
        yield url


def _searched(spans: Sequence[Span], query: dict[str, str]) -> list[dict[str, Any]]:
    names = re.search(r'resource\.service\.name =~ "([^"]*)"', query["q"])
    assert names is not None
    start, end = int(query["start"]), int(query["end"])
    hits = [
        s
        for s in spans
        if re.fullmatch(names[1].replace("\\\\", "\\"), s.service)
        and start <= s.start <= end
        and ("status = error" not in query["q"] or s.status == "ERROR")
    ]
    first = {s.trace_id: s for s in hits}
    rows = [
        {
            "traceID": trace,
            "rootServiceName": s.service,
            "rootTraceName": s.operation,
            "startTimeUnixNano": str(round(s.start * 1e9)),
            "durationMs": round(s.duration_ms),
        }
        for trace, s in first.items()
    ]
    return rows[-int(query["limit"]) :]


def _batch(span: Span) -> dict[str, Any]:
    start = round(span.start * 1e9)
    row = {
        "traceId": _base64(span.trace_id),
        "spanId": _base64(span.span_id),
        "name": span.operation,
        "kind": "SPAN_KIND_SERVER",
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + round(span.duration_ms * 1e6)),
        "attributes": [{"key": k, "value": {"stringValue": v}} for k, v in span.attributes.items()],
        "status": {"code": "STATUS_CODE_ERROR"} if span.status == "ERROR" else {},
        **({"parentSpanId": _base64(span.parent_id)} if span.parent_id else {}),
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": span.service}}]}
    return {"resource": resource, "scopeSpans": [{"scope": {}, "spans": [row]}]}


def _jaeger_trace(trace: str, spans: Sequence[Span]) -> dict[str, Any]:
    mine = [s for s in spans if s.trace_id == trace]
    names = sorted({s.service for s in mine})
    return {
        "traceID": trace,
        "processes": {f"p{i}": {"serviceName": name, "tags": []} for i, name in enumerate(names)},
        "spans": [
            {
                "traceID": trace,
                "spanID": s.span_id,
                "operationName": s.operation,
                "references": [{"refType": "CHILD_OF", "traceID": trace, "spanID": s.parent_id}] if s.parent_id else [],
                "startTime": round(s.start * 1e6),
                "duration": round(s.duration_ms * 1000),
                "tags": [{"key": k, "type": "string", "value": v} for k, v in s.attributes.items()]
                + ([{"key": "error", "type": "bool", "value": True}] if s.status == "ERROR" else []),
                "processID": f"p{names.index(s.service)}",
            }
            for s in mine
        ],
    }


def _base64(identity: str) -> str:
    return base64.b64encode(bytes.fromhex(identity)).decode()
