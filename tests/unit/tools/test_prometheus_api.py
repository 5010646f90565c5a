"""One server's HTTP API: what is asked, what is understood, and how every refusal is said."""

from __future__ import annotations

import httpx
import pytest

from domain.errors import AuthError, EvidenceError, FirebreakError
from tools.telemetry.http_api import Access, HttpApi
from tools.telemetry.prometheus import PrometheusApi


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
