"""A baseline from a Prometheus: by the names that metrics have, per route, refused where nobody counted a request."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from domain.errors import EvidenceError
from tools.telemetry.http_api import Access, HttpApi
from tools.telemetry.prometheus import PrometheusApi
from tools.telemetry.today import PrometheusToday

NOW = 1_780_000_000.0
HISTOGRAM = "http_server_request_duration_seconds"


def row(value: str, **labels: str) -> dict[str, Any]:
    return {"metric": labels, "value": [NOW, value]}


def today(answers: dict[str, list[dict[str, Any]]], asked: list[str] | None = None) -> PrometheusToday:
    """A server that answers the first pattern that a query matches."""

    def answer(request: httpx.Request) -> httpx.Response:
        query = parse_qs(request.url.query.decode())["query"][0]
        (asked if asked is not None else []).append(query)
        found = next((rows for pattern, rows in answers.items() if re.search(pattern, query)), [])
        return httpx.Response(200, json={"status": "success", "data": {"resultType": "vector", "result": found}})

    api = HttpApi("Prometheus", Access(url="http://prometheus:9090"), transport=httpx.MockTransport(answer))
    return PrometheusToday(PrometheusApi(api), {"job": "pay"}, 3600.0, NOW)


COUNTED = [
    row("3000", http_route="/pay", http_response_status_code="200"),
    row("60", http_route="/pay", http_response_status_code="503"),
    row("540", http_route="/list", http_response_status_code="200"),
    row("900", http_route="/healthz", http_response_status_code="200"),
]


async def test_ratio_tails_and_traffic_per_route() -> None:
    """Health checks are no users; seconds become milliseconds; window and source are said."""
    asked: list[str] = []
    found = await today(
        {
            "__name__": [row("1", __name__=f"{HISTOGRAM}_bucket"), row("1", __name__="http_client_requests_total")],
            r"quantile\(0\.95.*http_route": [row("0.21", http_route="/pay"), row("NaN", http_route="/list")],
            r"quantile\(0\.5,": [row("0.02")],
            r"quantile\(0\.95,": [row("0.2")],
            r"quantile\(0\.99,": [row("+Inf")],
            r"increase": COUNTED,
        },
        asked,
    ).read()
    assert (found.requests, found.qps, round(found.error_percent or 0, 3)) == (3600.0, 1.0, 1.667)
    assert (found.p50_ms, found.p95_ms, found.p99_ms) == (20.0, 200.0, None)
    assert [(r.route, r.requests, r.p95_ms) for r in found.routes] == [("/pay", 3060.0, 210.0), ("/list", 540.0, None)]
    assert found.source == 'http://prometheus:9090 {job="pay"}'
    assert (found.until - found.since).total_seconds() == 3600.0
    assert all('{job="pay"}' in query for query in asked)


async def test_a_counter_counts_where_the_histogram_knows_no_status() -> None:
    found = await today(
        {
            "__name__": [row("1", __name__=n) for n in ("request_latency_milliseconds_bucket", "http_requests_total")],
            r"quantile\(": [row("12")],
            r"increase\(request_latency": [row("100")],
            r"increase\(http_requests_total": [row("98", code="200"), row("2", code="500")],
        }
    ).read()
    assert (found.requests, found.error_percent, found.p95_ms, found.routes) == (100.0, 2.0, 12.0, [])


async def test_without_a_status_nobody_knows_how_many_fail() -> None:
    found = await today(
        {"__name__": [row("1", __name__="http_requests_total")], "increase": [row("50", path="/a")]}
    ).read()
    assert (found.error_percent, found.p95_ms, found.routes) == (None, None, [])


@pytest.mark.parametrize("names", [[], [row("1", __name__="up"), row("1", __name__="http_requests_total")]])
async def test_no_requests_are_no_baseline(names: list[dict[str, Any]]) -> None:
    with pytest.raises(EvidenceError, match="nobody counted a request"):
        await today({"__name__": names}).read()
