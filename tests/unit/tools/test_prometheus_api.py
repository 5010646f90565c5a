"""One server's HTTP API: what is asked, what is understood, and how every refusal is said."""

from __future__ import annotations

import httpx
import pytest

from domain.errors import AuthError, EvidenceError, FirebreakError
from domain.inventory import Inventory, Service
from tools.telemetry.http_api import Access, HttpApi
from tools.telemetry.prometheus import MOST_SERIES, PrometheusApi, PrometheusTelemetry, too_many


async def test_a_range_query_carries_window_step_token_and_tenant() -> None:
    """The `data` of the answer comes back as it is."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"status": "success", "data": {"resultType": "matrix", "result": []}})

    access = Access(url="http://prom/", token="t0k", headers={"X-Scope-OrgID": "a"})
    api = PrometheusApi(HttpApi("Prometheus", access, transport=httpx.MockTransport(answer)))
    assert await api.query_range("up", (1.0, 61.0), 15.0) == {"resultType": "matrix", "result": []}
    (request,) = seen
    assert dict(request.url.params) == {"query": "up", "start": "1.0", "end": "61.0", "step": "15.0"}
    assert (request.headers["authorization"], request.headers["x-scope-orgid"]) == ("Bearer t0k", "a")


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (httpx.Response(401), AuthError),
        (httpx.Response(200, text="<html>"), EvidenceError),
        (httpx.Response(400, json={"status": "error", "error": "parse error"}), EvidenceError),
        (httpx.Response(503, json={"status": "error", "error": "busy", "data": None}), EvidenceError),
        (httpx.ConnectError("refused"), EvidenceError),
    ],
)
async def test_every_refusal_says_what_was_expected_and_found(
    response: httpx.Response | httpx.ConnectError, kind: type[FirebreakError]
) -> None:
    """No vendor error passes through."""

    def answer(_: httpx.Request) -> httpx.Response:
        if isinstance(response, httpx.Response):
            return response
        raise response

    api = HttpApi("Prometheus", Access(url="http://prom"), transport=httpx.MockTransport(answer))
    with pytest.raises(kind) as error:
        await PrometheusApi(api).query_range("up", (0, 1), 1)
    assert error.value.expected
    assert error.value.found


def test_of_too_many_series_noise_and_the_largest_families_are_left_out() -> None:
    """What plays a role stays as long as it can; the rest is as large as may be read."""
    counts = {
        "go_gc_duration_seconds": 7,
        "http_requests_total": 900,
        "shop_labels_per_customer": 90_000,
        "queue_size": 3,
        "http_request_duration_seconds_bucket": 500,
        "cache_keys": 400,
    }
    dropped = too_many(counts, {})
    assert dropped == ["cache_keys", "go_gc_duration_seconds", "shop_labels_per_customer"]
    assert sum(count for name, count in counts.items() if name not in dropped) <= MOST_SERIES
    assert too_many({"http_requests_total": 10**6}, {}) == ["http_requests_total"]


async def test_what_is_too_much_is_not_asked_for_and_is_told() -> None:
    """The range query leaves the family out by name; the gap says how much it was."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/series"):
            rows = [{"__name__": "per_user", "user": str(i)} for i in range(MOST_SERIES + 1)] + [{"__name__": "up"}]
            return httpx.Response(200, json={"status": "success", "data": rows})
        asked.append(request.url.params["query"])
        return httpx.Response(200, json={"status": "success", "data": {"result": []}})

    api = HttpApi("Prometheus", Access(url="http://prom"), transport=httpx.MockTransport(answer))
    source = PrometheusTelemetry(api, Inventory(services=[Service(name="api", kind="api")]))
    assert await source.series((0, 60)) == []
    assert asked == ['{job="api",__name__!~"per_user"}']
    assert source.gaps == (f"{MOST_SERIES + 1} series of api are too many to read: per_user",)
